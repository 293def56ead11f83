"""A converter without networks of its own, a made song, and its perfect separation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine import Converter, OptimizationConfig
from engine.audio.resampling import resample
from engine.cover.options import CoverNetworks
from engine.separation.separator import Separator
from tests.engine.cover.sums import Sums, separated
from tests.engine.cover.track import sine
from tests.sound import starter_speech


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> None:
    separated.clear()
    monkeypatch.setattr(Separator, "open", Sums)


@pytest.fixture(scope="package")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Converter:
    return Converter(tmp_path_factory.mktemp("none"), OptimizationConfig(device="cpu"))


@pytest.fixture(scope="package")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.6 s of speech over chords, float stereo at 48 kHz."""
    vocals = resample(starter_speech()[:25_600], 16_000, 48_000)
    vocals *= 0.4 / np.abs(vocals).max()  # with any voice in its place nothing has to be limited
    seconds = len(vocals) / 48_000
    sides = sum(sine(hz, seconds, 0.08, 48_000) for hz in (110.0, 138.6, 164.8))[: len(vocals)]
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, np.stack([vocals + sides, vocals - sides], 1), 48_000, "FLOAT")
    return path


@pytest.fixture
def networks(tmp_path: Path) -> CoverNetworks:
    vocals = tmp_path / "vocals.network"
    vocals.write_text("1")
    return CoverNetworks(vocals)
