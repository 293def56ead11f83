"""Pitch by RMVPE: from the network's salience to Hz."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from engine.device import recurrent_device
from engine.models.rmvpe import N_BINS, Rmvpe
from engine.paths import RMVPE_FILE
from engine.pitch.high_notes import with_guide
from engine.pitch.tracker import Pause, PitchTracker, TrackerContext, no_pause

REFERENCE_HZ = 10.0
CENTS_PER_BIN = 20.0
FIRST_BIN_CENTS = 1997.3794084376191
"""Bin i stands for this + 20 i cents above 10 Hz: 31.7 Hz to 2,006 Hz."""

VOICED_ABOVE = 0.03
NEIGHBOURS = 4
"""Bins on each side of the highest one that are averaged with it."""

_BIN_CENTS = FIRST_BIN_CENTS + CENTS_PER_BIN * np.arange(N_BINS, dtype=np.float64)
BIN_PITCHES_HZ = torch.from_numpy((REFERENCE_HZ * np.exp2(_BIN_CENTS / 1200)).astype(np.float32))
"""Pitch of each of the 360 bins, float32 from float64."""


def rmvpe_tracker(context: TrackerContext) -> PitchTracker:
    """Factory of the method ``rmvpe``."""
    model = place_rmvpe(context)
    low_hz, high_hz = context.chosen_range_hz

    def track(audio: Tensor) -> Tensor:
        f0_hz = track_rmvpe(model, audio, low_hz, high_hz, context.pause)
        if not context.options.check_octaves:
            return f0_hz
        return with_guide(audio, f0_hz, low_hz, high_hz, context.pause)

    return track


def place_rmvpe(context: TrackerContext) -> Rmvpe:
    """The network on the device, its recurrent part where that is to run."""
    model: Rmvpe = context.network(RMVPE_FILE)
    model.network.fc.to(recurrent_device(context.device))
    return model


def track_rmvpe(
    model: Rmvpe,
    audio: Tensor,
    f0_min_hz: float | None = None,
    f0_max_hz: float | None = None,
    pause: Pause = no_pause,
) -> Tensor:
    """Pitch of samples float32 [N] (mono, 16 kHz): f0_hz float32 [N // 160 + 1], 0 = unvoiced.

    Parameters
    ----------
    f0_min_hz, f0_max_hz : see `decode_salience`
    pause : called between pieces of a long sound
    """
    pieces = model.salience_pieces(audio, pause=pause)
    return torch.cat(
        [decode_salience(piece, f0_min_hz=f0_min_hz, f0_max_hz=f0_max_hz) for piece in pieces]
    )


def decode_salience(
    salience: Tensor,
    threshold: float = VOICED_ABOVE,
    f0_min_hz: float | None = None,
    f0_max_hz: float | None = None,
) -> Tensor:
    """Pitch of each frame: the mean of the nine bins round the highest, weighted by salience.

    Parameters
    ----------
    salience : float32 [T, 360]
    threshold : frames whose highest bin is not above it are unvoiced
    f0_min_hz, f0_max_hz : bins outside cannot be the highest; None = no limit, as in the
        reference

    Returns
    -------
    f0_hz : float32 [T]  0 where unvoiced
    """
    low = 0 if f0_min_hz is None else max(math.ceil(_bin_of(f0_min_hz)), 0)
    high = N_BINS if f0_max_hz is None else min(math.floor(_bin_of(f0_max_hz)) + 1, N_BINS)
    if low >= high:
        return salience.new_zeros(len(salience))
    highest, best = salience[:, low:high].max(dim=1)
    offset = torch.arange(-NEIGHBOURS, NEIGHBOURS + 1, device=salience.device)
    bins = best[:, None] + low + offset
    inside = bins.clamp(0, N_BINS - 1)
    weight = salience.gather(1, inside) * (bins == inside)
    # Errors of f0 add up in the phase of a long note. Only the small offset from the highest
    # bin is computed in float32; the bin's own pitch comes from a table made in float64.
    offset_bins = (weight * offset).sum(1) / weight.sum(1).clamp(min=1e-12)
    bin_hz = BIN_PITCHES_HZ.to(salience).index_select(0, best + low)
    f0_hz = bin_hz * torch.exp2(offset_bins * (CENTS_PER_BIN / 1200.0))
    return torch.where(highest > threshold, f0_hz, torch.zeros_like(f0_hz))


def _bin_of(f0_hz: float) -> float:
    return (1200.0 * math.log2(f0_hz / REFERENCE_HZ) - FIRST_BIN_CENTS) / CENTS_PER_BIN
