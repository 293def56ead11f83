"""Pitch by FCPE: from the network's salience to Hz."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.models.fcpe import Fcpe
from engine.paths import FCPE_FILE
from engine.pitch.high_notes import with_guide
from engine.pitch.rmvpe import NEIGHBOURS, REFERENCE_HZ
from engine.pitch.tracker import Pause, PitchTracker, TrackerContext, in_range, no_pause

VOICED_ABOVE = 0.006


def fcpe_tracker(context: TrackerContext) -> PitchTracker:
    """Factory of the method ``fcpe``."""
    model: Fcpe = context.network(FCPE_FILE)
    low_hz, high_hz = context.chosen_range_hz

    def track(audio: Tensor) -> Tensor:
        f0_hz = track_fcpe(model, audio, low_hz, high_hz, context.pause)
        return with_guide(audio, f0_hz, low_hz, high_hz, context.pause)

    return track


def track_fcpe(
    model: Fcpe,
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
    cents = model.network.cent_table
    return torch.cat(
        [
            decode_salience(piece, cents, f0_min_hz, f0_max_hz)
            for piece in model.salience_pieces(audio, pause=pause)
        ]
    )


def decode_salience(
    salience: Tensor,
    cents: Tensor,
    f0_min_hz: float | None = None,
    f0_max_hz: float | None = None,
) -> Tensor:
    """Pitch of each frame: the mean of the nine bins round the highest, weighted by salience.

    At an end of the table the last bin is counted for each one that is missing, as in the
    original.

    Parameters
    ----------
    salience : float32 [T, 360]
    cents : float32 [360]  of the bins, above 10 Hz
    f0_min_hz, f0_max_hz : bins outside cannot be the highest; None = no limit

    Returns
    -------
    f0_hz : float32 [T]  0 where unvoiced
    """
    bins_hz = REFERENCE_HZ * torch.exp2(cents / 1200.0)
    allowed = in_range(bins_hz, f0_min_hz, f0_max_hz)
    highest, best = torch.where(allowed, salience, -torch.ones_like(salience)).max(dim=1)
    offset = torch.arange(-NEIGHBOURS, NEIGHBOURS + 1, device=salience.device)
    bins = (best[:, None] + offset).clamp(0, len(cents) - 1)
    weight = salience.gather(1, bins)
    # Only the small distance from the highest bin is averaged, for the sake of float32.
    distance = cents[bins] - cents[best][:, None]
    away = (weight * distance).sum(1) / weight.sum(1).clamp(min=1e-12)
    f0_hz = bins_hz[best] * torch.exp2(away / 1200.0)
    return torch.where(highest > VOICED_ABOVE, f0_hz, torch.zeros_like(f0_hz))
