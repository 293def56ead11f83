"""When to try again, and how long to wait before.

Not `urllib3.Retry`: a cancel ends our pauses, and a transfer that makes progress never gives up.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from engine.errors import Interruption
from engine.progress import CancelToken

_LOG = logging.getLogger(__name__)

Outcome = TypeVar("Outcome")

PROGRESS_BYTES = 2**20
"""After a try that brought this much, the count of failures starts at one again."""

_SLICE_S = 0.2
"""The longest time until a pause notices a cancel."""


@dataclass(frozen=True)
class Pacing:
    """How often and how long a transfer tries; tests replace ``sleep`` and ``chance``.

    Attributes
    ----------
    attempts : tries in a row without progress before giving up
    first_wait_s, longest_wait_s : the wait doubles from the first to the longest
    longest_asked_wait_s : give up if the server asks for more than this
    sleep : waits that many seconds
    chance : 0..1; spreads the waits of many users over half to the whole of the time
    """

    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    longest_asked_wait_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep
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
    """Return what ``attempt`` returns; after an `Interruption`, pause and try again.

    Parameters
    ----------
    progress_bytes : bytes that arrived in all tries together; must never fall, so that tries
        which keep losing what they bring come to an end

    Raises
    ------
    Interruption : the last one, after too many failures in a row
    ConversionCancelled : if cancelled, also during a pause
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
            _LOG.info("%s; trying again in %.0f s", interruption.why, wait_s)
        _pause(wait_s, pacing, cancel)


def asked_wait_s(retry_after: str) -> float | None:
    """The seconds that a ``Retry-After`` header asks for (a number or a date); None if neither."""
    try:
        return Retry().parse_retry_after(retry_after)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _pause(wait_s: float, pacing: Pacing, cancel: CancelToken) -> None:
    left_s = wait_s
    while left_s > 0:
        cancel.raise_if_cancelled()
        pacing.sleep(min(_SLICE_S, left_s))
        left_s -= _SLICE_S
