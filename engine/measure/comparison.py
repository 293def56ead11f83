"""Which of two computations is faster, repeated until the difference is clear of the noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["faster", "not faster", "unclear"]

ENOUGH_GAIN = 0.03
"""A flag is kept if it makes conversions at least 3 % faster."""

MOST_ROUNDS = 7
_AT_ONCE = 2.0
"""Such a large ratio is decided after one round."""
_LEAST_ERROR = 0.005
"""Two rounds that agree better than half a percent do so by chance."""
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31)
"""97.5 % quantiles of Student's t for 1 to 8 degrees of freedom: stricter than 95 %, because the
test is repeated after each round."""


@dataclass(frozen=True)
class Comparison:
    """How a new configuration compares with the present one.

    Attributes
    ----------
    outcome : whether it is faster by `ENOUGH_GAIN`
    before_s, after_s : median seconds of a round, each
    gain : ``before / after - 1``, from the mean of the rounds' ratios
    rounds : how often both ran
    """

    outcome: Outcome
    before_s: float
    after_s: float
    gain: float
    rounds: int


def compare(
    before: Callable[[int], float],
    after: Callable[[int], float],
    most_rounds: int = MOST_ROUNDS,
) -> Comparison:
    """Run both alternately, each first in every other round, until the result is clear.

    Parameters
    ----------
    before, after : given the number of the round, do the work and return its seconds
    """
    pairs: list[tuple[float, float]] = []
    outcome: Outcome | None = None
    while outcome is None:
        place = len(pairs)
        if place % 2:
            after_s = after(place)
            pairs.append((before(place), after_s))
        else:
            before_s = before(place)
            pairs.append((before_s, after(place)))
        outcome = judge(pairs, most_rounds)
    middle = len(pairs) // 2
    ratio = math.exp(_mean(_log_ratios(pairs)))
    return Comparison(
        outcome,
        sorted(pair[0] for pair in pairs)[middle],
        sorted(pair[1] for pair in pairs)[middle],
        ratio - 1,
        len(pairs),
    )


def judge(pairs: Sequence[tuple[float, float]], most_rounds: int = MOST_ROUNDS) -> Outcome | None:
    """The result of these rounds; None if more are needed."""
    ratios = _log_ratios(pairs)
    count, mean, enough = len(ratios), _mean(ratios), math.log(1 + ENOUGH_GAIN)
    if count == 1:
        if abs(mean) < math.log(_AT_ONCE):
            return None
        return "faster" if mean > 0 else "not faster"
    variance = sum((ratio - mean) ** 2 for ratio in ratios) / (count - 1)
    error = max(math.sqrt(variance / count), _LEAST_ERROR / math.sqrt(count))
    margin = _STUDENT[min(count - 1, len(_STUDENT)) - 1] * error
    if mean - margin > enough:
        return "faster"
    if mean + margin < enough:
        return "not faster"
    return "unclear" if count >= most_rounds else None


def _log_ratios(pairs: Sequence[tuple[float, float]]) -> list[float]:
    return [math.log(before_s / after_s) for before_s, after_s in pairs]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
