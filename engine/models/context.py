"""What a vocoder's stages need of the context round the frames that are wanted.

The finer a stage, the less of the context is still looked at. What nobody looks at any more is cut
away between the stages, instead of being computed up to the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

Context = tuple[int, int]
"""Frames before and after the wanted ones, which are given only to be looked at."""

NO_CONTEXT: Context = (0, 0)


def needed_samples(
    frames: int, context: Context, rates: Sequence[int], reaches: Sequence[int]
) -> list[range]:
    """Samples of each stage that its blocks must be given, as positions in the whole window.

    Parameters
    ----------
    frames : of the window, context included
    rates : samples that each stage makes of one
    reaches : samples of each stage beyond the wanted ones that it or a later layer looks at

    Raises
    ------
    ValueError : nothing but context
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
