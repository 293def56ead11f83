"""A place in a sound, in figures."""

from __future__ import annotations

_HOUR_S = 3600


def position_text(seconds: float, longest_s: float) -> str:
    """``1:02.3``, or ``1:02:03`` where the longest is an hour or more, so that its width stays."""
    tenths = int(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    if longest_s < _HOUR_S:
        return f"{minutes}:{rest // 10:02d}.{rest % 10}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest // 10:02d}"
