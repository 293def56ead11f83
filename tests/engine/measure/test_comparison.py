"""A difference counts only if it is clear of the noise."""

from __future__ import annotations

import random

import pytest

from engine.measure.comparison import ENOUGH_GAIN, MOST_ROUNDS, compare, judge


def test_a_large_difference_needs_one_round() -> None:
    assert judge([(2.0, 1.0)]) == "faster"
    assert judge([(1.0, 2.0)]) == "not faster"
    assert judge([(1.0, 0.9)]) is None


def test_rounds_that_agree_decide_early() -> None:
    assert judge([(1.10, 1.0), (1.101, 1.0)]) == "faster"
    assert judge([(1.0, 1.0), (1.001, 1.0)]) is None
    assert judge([(1.0, 1.0), (1.001, 1.0), (1.0, 1.001)]) == "not faster"


def test_rounds_that_disagree_are_repeated_and_finally_unclear() -> None:
    pairs = [(1.0, 1.3), (1.3, 1.0)] * MOST_ROUNDS
    assert judge(pairs[:4]) is None
    assert judge(pairs[:MOST_ROUNDS]) == "unclear"


def test_a_gain_below_the_limit_does_not_count() -> None:
    assert ENOUGH_GAIN == 0.03
    assert judge([(1.02, 1.0), (1.021, 1.0), (1.02, 1.0), (1.019, 1.0)]) == "not faster"
    assert judge([(1.05, 1.0), (1.051, 1.0), (1.05, 1.0), (1.049, 1.0)]) == "faster"


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.2])
def test_noise_rarely_looks_like_a_gain_and_a_gain_is_rarely_missed(noise: float) -> None:
    chance = random.Random(5)

    def kept(gain: float) -> float:
        def seconds(_: int, true_s: float) -> float:
            return true_s * chance.lognormvariate(0.0, noise)

        found = [
            compare(lambda n: seconds(n, 1.0 + gain), lambda n: seconds(n, 1.0)).outcome
            for _ in range(300)
        ]
        return found.count("faster") / len(found)

    assert kept(0.0) < 0.12
    assert kept(0.6) > 0.85


def test_each_configuration_goes_first_in_every_other_round() -> None:
    order: list[str] = []

    def way(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    noisy = iter([1.0, 1.4] * 20)
    found = compare(lambda _: way("a", next(noisy)), lambda _: way("b", 1.1), most_rounds=4)
    assert found.rounds == 4
    assert order == ["a", "b", "b", "a"] * 2
    assert found.after_s == 1.1
