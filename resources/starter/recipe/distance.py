"""How far a sound is from another one of the same sentence, as a proper scoring rule.

A distance of spectrograms alone rewards a vocoder for a noise without chance in it: the steady
buzz of one pulse a frame is nearer to every noise than another noise is. The energy distance
(Gritsenko et al. 2020) subtracts how far two results for the same input are from each other, and
is smallest where the results are distributed as the real sounds are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from recipe.mel import hann, log_mel
from recipe.training import Figures

WINDOWS_SAMPLES = (128, 256, 512, 1024)
"""The shortest sees that a fricative is chopped at the frame rate, the longest the harmonics."""

QUIETEST = 3e-4
MEL_WEIGHT = 2.0
LINEAR_WEIGHT = 0.5

Spectra = list[Tensor]
Mel = Callable[[Tensor], Tensor]


def spectra(samples: Tensor, mel: Mel = log_mel) -> Spectra:
    """Magnitudes [B, bins, frames] of each window, per root of its energy, and the log-mel."""
    found = []
    for size in WINDOWS_SAMPLES:
        window = hann(size, samples.device)
        window = window / window.norm()
        spectrum = torch.stft(
            samples, size, size // 4, size, window, center=False, return_complex=True
        )
        found.append((spectrum.real.square() + spectrum.imag.square() + 1e-10).sqrt())
    return [*found, mel(samples)]


def distance(first: Spectra, second: Spectra, loudness: Sequence[Tensor]) -> Tensor:
    """Mean over windows: logarithms, and magnitudes relative to the real sound's `loudness`."""
    total = MEL_WEIGHT * (first[-1] - second[-1]).abs().mean()
    for one, other, loud in zip(first[:-1], second[:-1], loudness, strict=True):
        logs = ((one + QUIETEST).log() - (other + QUIETEST).log()).abs().mean()
        lines = ((one - other).abs().mean(dim=(1, 2)) / loud).mean()
        total = total + (logs + LINEAR_WEIGHT * lines) / len(loudness)
    return total


def energy_distance(
    real: Tensor, first: Tensor, second: Tensor, mel: Mel = log_mel
) -> tuple[Tensor, Figures]:
    """Loss of two independent results for the same input, each [B, N], against the real sound.

    Returns
    -------
    the loss, and ``apart``: how far the two results are from each other; ``mel``: log-mel L1
    """
    together = [each.chunk(3) for each in spectra(torch.cat([real, first, second]), mel)]
    of_real, of_first, of_second = ([parts[i] for parts in together] for i in range(3))
    loudness = [each.mean(dim=(1, 2)) + QUIETEST for each in of_real[:-1]]
    off = distance(of_first, of_real, loudness) + distance(of_second, of_real, loudness)
    apart = distance(of_first, of_second, loudness)
    missed = (of_first[-1] - of_real[-1]).abs().mean()
    return (off - apart) / 2, {"off": off / 2, "apart": apart, "mel": missed}
