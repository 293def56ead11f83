"""A result keeps what its source has beside the sound."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from engine import ConversionOptions, Converter, OptimizationConfig, starter_voice
from engine.audio.reader import read_audio
from engine.audio.resampling import resampled_length
from engine.audio.result_file import ResultFile
from engine.audio.source import Sound
from engine.audio.tags.file_tags import read_tags
from engine.audio.tags.tag import Picture, Tags
from engine.audio.writer import write_sound
from engine.cli import main
from tests.engine.audio.sound_file import encode
from tests.sound import starter_speech

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
TAGS = Tags.of([("TITLE", "One"), ("ARTIST", "Me"), ("TRACKNUMBER", "3/9")], [Picture(PNG)])


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Converter:
    return Converter(tmp_path_factory.mktemp("no-models"), OptimizationConfig(device="cpu"))


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    sound = Sound.of(starter_speech()[:8000], 16_000)
    return write_sound(tmp_path / "a.mp3", sound, "mp3", tags=TAGS)


def test_a_result_has_the_tags_of_its_source(
    converter: Converter, tagged: Path, tmp_path: Path
) -> None:
    options = ConversionOptions(file_format="flac")
    first, second = (converter.convert_file(tagged, starter_voice(), options) for _ in range(2))
    assert first.output_path is not None
    assert second.output_path is not None
    assert read_tags(first.output_path) == TAGS
    # A player would show the second take as the same song.
    assert second.output_path.stem.endswith(" 2")
    assert read_tags(second.output_path).texts == {**TAGS.texts, "TITLE": ("One (2)",)}
    named = converter.convert_file(tagged, starter_voice(), options, output=tmp_path / "b 3.flac")
    assert named.output_path is not None
    assert read_tags(named.output_path) == TAGS


def test_samples_are_hashed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    sound = Sound.of(np.linspace(-0.5, 0.5, 800, dtype=np.float32), 8000)
    source = write_sound(tmp_path / "a.wav", sound, "wav")
    target = ResultFile.plan(source, "Aria", ConversionOptions(), None, None)
    assert target.write(sound).sound == ""
    marks = {target.write(sound, hashed=True).sound for _ in range(2)}
    assert [len(each) for each in marks] == [64]


def test_a_source_whose_tags_are_damaged_is_converted(
    converter: Converter, tagged: Path, tmp_path: Path
) -> None:
    hurt = shutil.copy(tagged, tmp_path / "hurt.mp3")
    content = bytearray(hurt.read_bytes())
    content[10:40] = bytes(range(200, 230))
    hurt.write_bytes(content)
    result = converter.convert_file(hurt, starter_voice())
    assert result.output_path is not None
    assert as_long(result.output_path, tagged)


def as_long(made: Path, source: Path) -> bool:
    """To the sample, at the result's rate."""
    found, before = read_audio(made), read_audio(source)
    return len(found.samples) == resampled_length(
        len(before.samples), before.rate_hz, found.rate_hz
    )


def test_the_command_line_keeps_the_picture_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = encode(tmp_path / "a.mp4", starter_speech()[:8000, None], 16_000, "aac", "mpeg4")
    assert main(["convert", "--video", "--device", "cpu", str(film)]) == 0
    made = tmp_path / "a (Starter).mp4"
    assert made.is_file()
    assert as_long(made, film)
    other = tmp_path / "b.mp4"
    assert main(["convert", "--video", "--device", "cpu", str(film), "-o", str(other)]) == 0
    assert other.is_file()
    assert main(["convert", "--video", "--device", "cpu", str(film), "-o", "b.mov"]) == 2
    assert "end it with .mp4" in capsys.readouterr().err
