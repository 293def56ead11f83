"""A pitch that several methods agree on: SwiftF0 decides, a finer one gives the value.

SwiftF0 is right most often about voicing and octave, but its bins are 70 cents wide. Where another
method is near it, that one's pitch is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.paths import FCPE_FILE
from engine.pitch.fcpe import track_fcpe
from engine.pitch.rmvpe import place_rmvpe, track_rmvpe
from engine.pitch.swift import swift_frames
from engine.pitch.tracker import PitchTracker, TrackerContext
from engine.pitch.yin import track_yin

Floats = NDArray[np.float32]

NEAR_OCTAVES = 100.0 / 1200.0
NETWORKS_UP_TO_HZ = 950.0
"""Above this FCPE and RMVPE are not to be trusted."""


def hybrid_tracker(context: TrackerContext) -> PitchTracker:
    """Factory of the method ``hybrid``."""
    options = context.options
    low_hz, high_hz = context.chosen_range_hz
    network = _network_tracker(context)

    def track(audio: Tensor) -> Tensor:
        # The network takes most of the time: progress follows it alone.
        finer = [] if network is None else [(network(audio), NETWORKS_UP_TO_HZ)]
        pause = context.pause if network is None else _unheard(context.pause)
        yin = track_yin(audio, options.f0_min_hz, options.f0_max_hz, pause)
        finer.append((yin, np.inf))
        sure = swift_frames(
            audio.detach().cpu().numpy(),
            strict=options.strict_voicing,
            f0_min_hz=low_hz,
            f0_max_hz=high_hz,
            pause=_unheard(context.pause),
        )
        values = [(f0_hz.cpu().numpy(), up_to_hz) for f0_hz, up_to_hz in finer]
        return torch.from_numpy(refined(sure.f0_hz, values)).to(audio.device)

    return track


def _network_tracker(context: TrackerContext) -> Callable[[Tensor], Tensor] | None:
    """The tracker of the network that is installed."""
    low_hz, high_hz = context.chosen_range_hz
    if "fcpe" in context.others:
        fcpe = context.network(FCPE_FILE)
        return lambda audio: track_fcpe(fcpe, audio, low_hz, high_hz, context.pause)
    if "rmvpe" in context.others:
        rmvpe = place_rmvpe(context)
        return lambda audio: track_rmvpe(rmvpe, audio, low_hz, high_hz, context.pause)
    return None


def _unheard(pause: Callable[[float], None]) -> Callable[[float], None]:
    """A pause that may stop the work, at the end of the progress that was told."""
    return lambda _share: pause(1.0)


def refined(sure_hz: Floats, finer: Sequence[tuple[Floats, float]]) -> Floats:
    """The pitch of the first finer method that is near the sure one, float32 [T].

    Parameters
    ----------
    sure_hz : float32 [T]  decides what is voiced, and in which octave
    finer : pitches float32 [T], each with the highest sure pitch at which it is asked
    """
    made = sure_hz.copy()
    open_frames = sure_hz > 0
    for f0_hz, up_to_hz in finer:
        with np.errstate(divide="ignore", invalid="ignore"):
            near = np.abs(np.log2(f0_hz / sure_hz)) <= NEAR_OCTAVES
        taken = open_frames & near & (f0_hz > 0) & (sure_hz < up_to_hz)
        made[taken] = f0_hz[taken]
        open_frames &= ~taken
    return made
