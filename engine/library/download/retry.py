"""When to try again, and how long to wait before."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

from engine.errors import Interruption
from engine.progress import CancelToken

Outcome = TypeVar("Outcome")

PROGRESS_BYTES = 2**20
"""A try that brought this much was no failure: the count of failures begins anew."""

_SLICE_S = 0.2
"""The longest that a cancel waits for the end of a pause."""


@dataclass(frozen=True)
class Pacing:
    """How patient a transfer is; the clock and the dice are here so that tests own them.

    Attributes
    ----------
    attempts : tries in a row without progress before giving up
    first_wait_s, longest_wait_s : the wait doubles from the first to the longest
    longest_asked_wait_s : a server that asks for more than this is not waited for
    sleep : waits that many seconds
    now_s : seconds since 1970
    chance : 0..1; spreads the waits of many users over half to the whole of the time
    """

    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    longest_asked_wait_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    now_s: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random

    def wait_s(self, failures: int) -> float:
        """How long to wait after that many failures in a row (1 = the first)."""
        doubled_s = self.first_wait_s * 2.0 ** min(failures - 1, 30)
        return min(doubled_s, self.longest_wait_s) * (0.5 + 0.5 * self.chance())


DEFAULT_PACING = Pacing()


def persist(
    attempt: Callable[[], Outcome],
    *,
    pacing: Pacing,
    cancel: CancelToken,
    progress_bytes: Callable[[], int] = lambda: 0,
) -> Outcome:
    """What ``attempt`` returns, trying again with growing pauses while it is interrupted.

    Parameters
    ----------
    progress_bytes : how far the tries together have come; never falls, so that tries which
        keep losing what they bring come to an end

    Raises
    ------
    Interruption : the last one, when patience is at its end
    ConversionCancelled : if cancelled, also in mid-pause
    """
    failures = 0
    first_bytes = counted_bytes = progress_bytes()
    while True:
        cancel.raise_if_cancelled()
        try:
            return attempt()
        except Interruption as interruption:
            cancel.raise_if_cancelled()
            gained_bytes = progress_bytes() - counted_bytes
            counted_bytes += gained_bytes
            failures = 1 if gained_bytes >= PROGRESS_BYTES else failures + 1
            if failures >= pacing.attempts or (
                interruption.offline and counted_bytes == first_bytes
            ):
                raise
            wait_s = pacing.wait_s(failures)
            if interruption.asked_wait_s is not None:
                if interruption.asked_wait_s > pacing.longest_asked_wait_s:
                    raise
                wait_s = max(wait_s, interruption.asked_wait_s)
        _pause(wait_s, pacing, cancel)


def asked_wait_s(retry_after: str | None, now_s: float) -> float | None:
    """The seconds that a ``Retry-After`` header asks for (a number or a date); None if neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now_s)


def _pause(wait_s: float, pacing: Pacing, cancel: CancelToken) -> None:
    left_s = wait_s
    while left_s > 0:
        cancel.raise_if_cancelled()
        pacing.sleep(min(_SLICE_S, left_s))
        left_s -= _SLICE_S
