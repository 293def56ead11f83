"""Sources that are quiet, silent, or one of several tracks, from the file to the result."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine import ConversionOptions, Converter, OptimizationConfig, starter_voice
from engine.analysis import LIFTED_PEAK
from engine.cli import main
from engine.errors import AudioFileError
from tests.engine.audio.sound_file import Track, mux
from tests.sound import agreement_db, starter_speech


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Converter:
    return Converter(tmp_path_factory.mktemp("no-models"), OptimizationConfig(device="cpu"))


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return starter_speech()[:32_000]


def test_how_quiet_a_source_is_changes_nothing_of_the_voice(
    converter: Converter, spoken: np.ndarray
) -> None:
    results = [
        converter.convert(level * spoken, 16_000, starter_voice()) for level in (0.02, 0.002)
    ]
    first, second = (each.samples for each in results)
    assert agreement_db(second, first) > 40
    (note,) = map(str, results[1].notes)
    said = re.fullmatch(r"the sound is very quiet; the networks heard it (\d+) dB louder", note)
    assert said is not None
    lift = LIFTED_PEAK / np.abs(0.002 * spoken).max()
    assert float(said[1]) == pytest.approx(20 * np.log10(lift), abs=1.5)


def test_a_result_that_follows_a_quiet_source_is_as_quiet_as_before(
    converter: Converter, spoken: np.ndarray
) -> None:
    options = ConversionOptions(volume_envelope=0.0)
    levels = []
    for level in (1.0, 0.05):
        samples = converter.convert(level * spoken, 16_000, starter_voice(), options).samples
        levels.append(np.sqrt(np.mean(np.square(samples))))
    assert levels[1] / levels[0] == pytest.approx(0.05, rel=0.2)


def test_a_silent_source_is_converted_and_said_to_be_silent(
    converter: Converter, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    result = converter.convert_file(tmp_path / "a.wav", starter_voice())
    assert "there is no sound in it" in result.notes
    assert result.source_s == 1.0


def test_the_track_that_is_asked_for_is_converted(
    converter: Converter, spoken: np.ndarray, tmp_path: Path
) -> None:
    sound = spoken[:16_000, None]
    path = mux(tmp_path / "a.mkv", 16_000, [Track(sound), Track(sound[::-1])])
    results = {
        track: converter.convert_file(
            path, starter_voice(), ConversionOptions(track=track), output_dir=tmp_path
        )
        for track in (None, 1, 2)
    }
    made = {
        track: soundfile.read(result.output_path)[0]
        for track, result in results.items()
        if result.output_path is not None
    }
    np.testing.assert_array_equal(made[None], made[1])
    assert agreement_db(made[2], made[1]) < 5
    assert results[None].notes == ("it has 2 sound tracks; number 1 is used",)
    assert results[2].notes == ()
    with pytest.raises(AudioFileError, match="no sound track 3, only 2"):
        converter.convert_file(path, starter_voice(), ConversionOptions(track=3))


def test_a_track_that_is_not_there_ends_the_command_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", 0.1 * np.ones(16_000), 16_000)
    assert main(["convert", str(tmp_path / "a.wav"), "--track", "2", "--device", "cpu"]) != 0
    assert "it has no sound track 2, only one" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav"]
