from __future__ import annotations

import numpy as np

from engine.audio.writer import to_16_bit, to_24_bit


def test_24_bit_is_exact_to_half_a_step_and_never_wraps() -> None:
    sound = np.array([0, 0.5, -1, 1, 1.5, -7, 1e30, -1e30, 2**-24, 0.99999994], dtype=np.float32)
    steps = to_24_bit(sound) >> 8
    assert (to_24_bit(sound) & 0xFF == 0).all()
    assert steps.tolist()[:8] == [
        0,
        4194304,
        -8388608,
        8388607,
        8388607,
        -8388608,
        8388607,
        -8388608,
    ]
    assert abs(steps[8]) <= 1
    assert steps[9] == 8388607


def test_16_bit_never_wraps_and_keeps_digital_silence() -> None:
    rng = np.random.default_rng(0)
    loud = np.repeat(np.float32([1, -1, 5, -5, 1e30, -1e30]), 100)
    steps = to_16_bit(loud, rng)
    assert (np.sign(steps) == np.sign(loud)).all()
    assert np.abs(steps.astype(int)).min() >= 32766
    assert not to_16_bit(np.zeros(1_000, dtype=np.float32), rng).any()


def test_dither_makes_the_error_of_16_bit_free_of_the_signal() -> None:
    level = np.full(200_000, 0.3 / 32768, dtype=np.float32)
    steps = to_16_bit(level, np.random.default_rng(0))
    assert abs(steps.mean() - 0.3) < 0.01
    assert np.abs(steps).max() <= 2
    half = np.full(200_000, 0.8 / 32768, dtype=np.float32)
    spread = to_16_bit(half, np.random.default_rng(0)).std()
    assert abs(steps.std() - spread) < 0.01
