"""The context that each stage of a vocoder needs around the requested frames.

The finer a stage, the less context it needs. The rest is cut off between the stages instead of
being computed up to the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

Context = tuple[int, int]
"""Frames before and after the requested ones; they only influence the sound of those."""

NO_CONTEXT: Context = (0, 0)


def needed_samples(
    frames: int, context: Context, rates: Sequence[int], reaches: Sequence[int]
) -> list[range]:
    """Input samples that the blocks of each stage need, as positions in the whole window.

    Parameters
    ----------
    frames : of the window, context included
    rates : upsampling factor of each stage
    reaches : samples of each stage beyond the requested ones that it or a later layer needs

    Raises
    ------
    ValueError : all frames are context
    """
    first, last = context[0], frames - context[1]
    if not 0 <= first < last <= frames:
        raise ValueError(f"{context[0]} + {context[1]} of {frames} frames are context")
    found, per_frame = [], 1
    for rate, reach in zip(rates, reaches, strict=True):
        per_frame *= rate
        low = max(first * per_frame - reach, 0)
        found.append(range(low, min(last * per_frame + reach, frames * per_frame)))
    return found


def cut_to(x: Tensor, needed: range, start: int) -> Tensor:
    """Positions `needed` of ``[..., T]``, whose first sample has the position `start`."""
    return x[..., needed.start - start : needed.stop - start]


def wanted_samples(
    x: Tensor, context: Context, frames: int, hop_samples: int, start: int
) -> Tensor:
    """``[..., T]``, beginning at position `start`, without the context."""
    wanted = range(context[0] * hop_samples, (frames - context[1]) * hop_samples)
    return cut_to(x, wanted, start)
