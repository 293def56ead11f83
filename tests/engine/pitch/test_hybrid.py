"""The hybrid takes voicing and octave from SwiftF0 and the fine value from another method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from engine import ConversionOptions
from engine.pitch.hybrid import NETWORK, YIN, hybrid_tracker, refined
from engine.pitch.methods import choose_method
from engine.pitch.swift import swift_frames
from engine.pitch.tracker import TrackerContext, no_pause
from tests.oracles.sounds import RATE_HZ, speech


def hybrid(audio: np.ndarray, **options: object) -> np.ndarray:
    chosen = ConversionOptions(**options)  # type: ignore[arg-type]

    def nothing(name: str) -> object:
        raise AssertionError(name)

    context = TrackerContext(chosen, "cpu", no_pause, nothing, nothing)  # type: ignore[arg-type]
    return hybrid_tracker(context)(torch.from_numpy(audio)).numpy()


def test_the_first_method_that_is_near_gives_the_value() -> None:
    sure = np.array([200, 200, 200, 200, 1000, 0], np.float32)
    network = np.array([210, 400, 0, 0, 1001, 300], np.float32)
    yin = np.array([202, 202, 205, 100, 1002, 300], np.float32)
    made = refined(sure, [(network, NETWORK), (yin, YIN)])
    assert made.tolist() == [210, 202, 200, 200, 1002, 0]


def test_voicing_is_that_of_swift_and_the_pitch_is_finer() -> None:
    sound = speech()
    found, sure = hybrid(sound), swift_frames(sound).f0_hz
    assert np.array_equal(found > 0, sure > 0)
    voiced = sure > 0
    assert np.abs(np.log2(found[voiced] / sure[voiced])).max() <= 100 / 1200 + 1e-6
    f0_hz = 233.0 * 2 ** (np.sin(2 * np.pi * 5 * np.arange(RATE_HZ) / RATE_HZ) / 24)
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    sung = sum(0.1 * np.sin(k * phase) for k in range(1, 9)).astype(np.float32)
    error = {
        name: np.median(np.abs(np.log2(found[5:95] / f0_hz[::160][5:95])))
        for name, found in (("hybrid", hybrid(sung)), ("swift", swift_frames(sung).f0_hz))
    }
    assert error["hybrid"] < error["swift"] / 2


def test_it_works_with_nothing_installed_and_takes_the_network_that_is(tmp_path: Path) -> None:
    assert choose_method("hybrid", tmp_path).others == ("swift", "yin")
    assert choose_method("hybrid", tmp_path).kind == "hybrid"
    (tmp_path / "rmvpe.pt").write_bytes(b"x")
    assert choose_method("hybrid", tmp_path).kind == "hybrid with rmvpe"
    (tmp_path / "fcpe.pt").write_bytes(b"x")
    found = choose_method("hybrid", tmp_path)
    assert found.kind == "hybrid with fcpe"
    assert [network.file for network in found.all_networks] == ["fcpe.pt"]
