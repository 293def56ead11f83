"""What PortAudio really plays: a device of ALSA that writes it into a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

ROOT = Path(__file__).parents[3]
RATE_HZ = 44_100  # ALSA names it for a device without a rate of its own
SECONDS = 6
FLIP_S = 2.0
SOURCE_HZ, RESULT_HZ = 500.0, 1250.0
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ALSA belongs to Linux")


def tone(hz: float, level: float) -> NDArray[np.float32]:
    seconds = np.arange(SECONDS * RATE_HZ) / RATE_HZ
    return np.asarray(level * np.sin(2 * np.pi * hz * seconds + 0.1), dtype=np.float32)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """The result is 12 dB louder."""
    paths = tmp_path / "source.wav", tmp_path / "result.wav"
    for path, hz, level in zip(paths, (SOURCE_HZ, RESULT_HZ), (0.1, 0.4), strict=True):
        soundfile.write(path, tone(hz, level), RATE_HZ, subtype="FLOAT")
    return paths


def play(folder: Path, *words: object) -> tuple[str, NDArray[np.float32]]:
    """What the panel said at the end, and float32 [n] what was played on the left."""
    played = folder / "played.raw"
    settings = folder / "asound.conf"
    settings.write_text(
        "pcm.null { type null }\n"
        f'pcm.!default {{ type file slave.pcm "null" file "{played}" format "raw" }}\n'
    )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.desktop.listen.file_player", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "ALSA_CONFIG_PATH": str(settings)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if "PortAudio" in done.stderr + done.stdout:
        pytest.skip("PortAudio is not installed")
    assert done.returncode == 0, done.stderr
    left = np.fromfile(played, "<f4").reshape(-1, 2)[:, 0]
    return done.stdout.strip(), left[left != 0]  # zeros: where reading could not keep up


def level(part: NDArray[np.float32], hz: float) -> float:
    """Amplitude of a tone in a part of a sound."""
    turn = np.exp(-2j * np.pi * hz * np.arange(len(part)) / RATE_HZ)
    return float(2 * abs((part * turn * np.hanning(len(part)) * 2).mean()))


def test_switching_keeps_position_and_loudness(pair: tuple[Path, Path], tmp_path: Path) -> None:
    said, played = play(tmp_path, *pair, FLIP_S)
    source, result = (soundfile.read(path, dtype="float32")[0] for path in pair)
    n = len(played)
    assert abs(n - SECONDS * RATE_HZ) < 0.05 * RATE_HZ
    first, last = slice(0, RATE_HZ), slice(n - RATE_HZ, n)
    assert said.startswith("Result −")
    np.testing.assert_allclose(played[first], source[first], atol=1e-6)
    loudness = level(played[last], RESULT_HZ) / level(played[first], SOURCE_HZ)
    assert abs(20 * np.log10(loudness)) < 2.5  # equal by ear: the ear's filter lifts 1250 Hz
    assert level(played[last], SOURCE_HZ) < 1e-3
    gain = level(played[last], RESULT_HZ) / level(result[last], RESULT_HZ)
    np.testing.assert_allclose(played[last], gain * result[last], atol=1e-4)


def test_a_device_unplugged_while_playing_shows_a_sentence(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    said, played = play(tmp_path, *pair, FLIP_S, 1.0)
    assert said.startswith("Playing stopped: the sound output went away")
    assert len(played) < 2 * RATE_HZ
