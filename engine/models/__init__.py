"""The networks, as their checkpoints name the parts. No files, no devices, no random numbers.

Axes in every docstring: B batch, C channels, T time (frames or samples), M mel bands, H harmonics.
"""
