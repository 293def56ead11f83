"""The cheapest path through the pitch candidates of all frames."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
IMPOSSIBLE = np.float32(1e6)


def best_path(
    log_f0: Floats,
    cost: Floats,
    unvoiced_cost: Floats,
    jump_cost: float,
    max_jump_cost: float,
    switch_cost: float,
) -> NDArray[np.int64]:
    """Viterbi's algorithm over K candidates and "unvoiced".

    The frames are cut into about √T blocks. The cheapest paths from every first state are found
    in all blocks in parallel, then the blocks are chained: the same minimum as frame by frame, in
    √T steps instead of T.

    Parameters
    ----------
    log_f0 : float32 [T, K]  octaves
    cost : float32 [T, K]  of taking a candidate; inf where there is none
    unvoiced_cost : float32 [T]
    jump_cost, max_jump_cost : for each octave from one frame to the next, and at most
    switch_cost : for a change between voiced and unvoiced

    Returns
    -------
    int64 [T]  index of the candidate, -1 where unvoiced
    """
    n_frames, n_candidates = log_f0.shape
    states = n_candidates + 1
    length = max(math.isqrt(n_frames), 1)
    blocks = -(-n_frames // length)
    local = np.zeros((blocks * length, states), np.float32)
    local[:n_frames, :-1] = np.minimum(cost, IMPOSSIBLE)
    local[:n_frames, -1] = unvoiced_cost
    pitch = np.zeros((blocks * length, n_candidates), np.float32)
    pitch[:n_frames] = log_f0
    # The last frame is repeated at the end: staying in its state costs nothing.
    pitch[n_frames:] = log_f0[-1]
    local = local.reshape(blocks, length, states)
    pitch = pitch.reshape(blocks, length, n_candidates)

    def step_cost(before: Floats, after: Floats) -> Floats:
        """[B, from, to]."""
        table = np.full((len(before), states, states), switch_cost, np.float32)
        table[:, :-1, :-1] = np.minimum(
            jump_cost * np.abs(before[:, :, None] - after[:, None, :]), max_jump_cost
        )
        table[:, -1, -1] = 0.0
        return table

    # total[b, s, t]: cheapest way from state s in the block's first frame to t in the current one.
    total = np.full((blocks, states, states), 2 * IMPOSSIBLE, np.float32)
    total[:, np.arange(states), np.arange(states)] = local[:, 0]
    origin = np.zeros((length, blocks, states, states), np.int8)
    for i in range(1, length):
        ways = total[:, :, :, None] + step_cost(pitch[:, i - 1], pitch[:, i])[:, None]
        origin[i] = ways.argmin(2)
        total = ways.min(2) + local[:, i, None]
    between = step_cost(pitch[:-1, -1], pitch[1:, 0])
    entries, last = _chain(total, between)
    path = np.empty((blocks, length), np.int64)
    state, rows = last, np.arange(blocks)
    for i in range(length - 1, -1, -1):
        path[:, i] = state
        state = origin[i, rows, entries, state].astype(np.int64)
    flat = path.reshape(-1)[:n_frames]
    return np.where(flat == n_candidates, -1, flat)


def _chain(total: Floats, between: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last state of the cheapest path in each block, int64 [B] each."""
    blocks, states, _ = total.shape
    cheapest = total[0]
    arrived = cheapest.min(0).astype(np.float64)
    entry_of = np.zeros((blocks, states), np.int64)
    exit_before = np.zeros((blocks, states), np.int64)
    entry_of[0] = cheapest.argmin(0)
    for b in range(1, blocks):
        ways_in = arrived[:, None] + between[b - 1]
        exit_before[b] = ways_in.argmin(0)
        through = ways_in.min(0)[:, None] + total[b]
        entry_of[b] = through.argmin(0)
        arrived = through.min(0)
    first, last = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
    state = int(arrived.argmin())
    for b in range(blocks - 1, -1, -1):
        last[b] = state
        first[b] = entry_of[b, state]
        state = int(exit_before[b, first[b]])
    return first, last


def drop_short_runs(path: NDArray[np.int64], min_frames: int) -> NDArray[np.int64]:
    """Make voiced runs shorter than ``min_frames`` unvoiced."""
    voiced = np.concatenate(([0], (path >= 0).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(voiced)).reshape(-1, 2)
    kept = path.copy()
    for start, stop in edges[edges[:, 1] - edges[:, 0] < min_frames]:
        kept[start:stop] = -1
    return kept


def local_median(log_f0: Floats, block_frames: int = 100, reach_blocks: int = 2) -> Floats:
    """Median of the voiced frames in the seconds around, float32 [T].

    Parameters
    ----------
    log_f0 : float32 [T]  nan where unvoiced
    block_frames : length of the blocks, each of which has one median
    reach_blocks : blocks on each side that are counted in

    Where nothing is voiced around, the median of the file; 0 if nothing is voiced at all.
    """
    voiced = log_f0[~np.isnan(log_f0)]
    overall = np.float32(np.median(voiced)) if len(voiced) else np.float32(0.0)
    median = np.full(len(log_f0), overall, np.float32)
    reach = reach_blocks * block_frames
    for start in range(0, len(log_f0), block_frames):
        around = log_f0[max(start - reach, 0) : start + block_frames + reach]
        around = around[~np.isnan(around)]
        if len(around) >= block_frames // 4:
            median[start : start + block_frames] = np.median(around)
    return median
