"""The path in blocks against the path frame after frame."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.pitch.path import best_path, drop_short_runs, local_median

JUMP, MOST, SWITCH = 1.2, 1.5, 0.25


def random_case(n_frames: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_f0 = rng.uniform(6, 10, (n_frames, 4)).astype(np.float32)
    cost = rng.uniform(0, 1, (n_frames, 4)).astype(np.float32)
    cost[rng.random((n_frames, 4)) < 0.2] = np.inf
    return log_f0, cost, rng.uniform(0.1, 0.8, n_frames).astype(np.float32)


def path_cost(
    path: np.ndarray, log_f0: np.ndarray, cost: np.ndarray, unvoiced_cost: np.ndarray
) -> float:
    total = 0.0
    for frame, state in enumerate(path):
        total += float(unvoiced_cost[frame] if state < 0 else cost[frame, state])
        if frame:
            before = path[frame - 1]
            if (before < 0) != (state < 0):
                total += SWITCH
            elif state >= 0:
                octaves = abs(float(log_f0[frame, state] - log_f0[frame - 1, before]))
                total += min(JUMP * octaves, MOST)
    return total


def frame_after_frame(log_f0: np.ndarray, cost: np.ndarray, unvoiced_cost: np.ndarray) -> float:
    """The least cost, by Viterbi's algorithm as in the textbook."""
    states = range(-1, log_f0.shape[1])
    least = {s: float(unvoiced_cost[0] if s < 0 else cost[0, s]) for s in states}
    for frame in range(1, len(log_f0)):
        pair = slice(frame - 1, frame + 1)
        zeros, none = np.zeros_like(cost[pair]), np.zeros(2)
        local = {s: float(unvoiced_cost[frame] if s < 0 else cost[frame, s]) for s in states}
        least = {
            s: min(
                least[before] + path_cost(np.array([before, s]), log_f0[pair], zeros, none)
                for before in states
            )
            + local[s]
            for s in states
        }
    return min(least.values())


@pytest.mark.parametrize("n_frames", [1, 2, 3, 5, 8, 9, 10, 50, 101, 333])
def test_the_path_is_as_cheap_as_that_of_the_plain_algorithm(n_frames: int) -> None:
    for seed in range(3):
        case = random_case(n_frames, seed)
        path = best_path(*case, JUMP, MOST, SWITCH)
        assert path.shape == (n_frames,)
        assert path_cost(path, *case) == pytest.approx(frame_after_frame(*case), rel=1e-4)


def test_among_few_frames_the_path_is_the_cheapest_of_all() -> None:
    case = random_case(4, 7)
    every = min(
        path_cost(np.array(path), *case) for path in itertools.product(range(-1, 4), repeat=4)
    )
    assert path_cost(best_path(*case, JUMP, MOST, SWITCH), *case) == pytest.approx(every, rel=1e-5)


def test_voiced_runs_under_three_frames_are_dropped() -> None:
    path = np.array([1, -1, 0, 0, -1, 2, 2, 2, -1, 0, 0])
    assert drop_short_runs(path, 3).tolist() == [-1, -1, -1, -1, -1, 2, 2, 2, -1, -1, -1]
    assert drop_short_runs(np.full(5, -1), 3).tolist() == [-1] * 5
    assert drop_short_runs(np.arange(5), 3).tolist() == list(range(5))


def test_the_median_follows_the_register_and_falls_back_to_that_of_the_file() -> None:
    log_f0 = np.full(3000, np.nan, np.float32)
    log_f0[:1000], log_f0[2500:] = 7.0, 9.0
    median = local_median(log_f0)
    assert (median[:1000] == 7).all()
    assert (median[2500:] == 9).all()
    assert (median[1500:2000] == 7).all()
    assert (local_median(np.full(10, np.nan, np.float32)) == 0).all()
