from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from engine.audio.names import output_path_for


def test_a_result_is_named_after_its_source_and_voice(tmp_path: Path) -> None:
    source = tmp_path / "my song.final.mp3"
    assert output_path_for(source, "Aria", None, "wav") == tmp_path / "my song.final (Aria).wav"
    elsewhere = tmp_path / "out"
    assert output_path_for(source, "Aria", elsewhere, "mp3").parent == elsewhere


def test_a_taken_name_is_numbered(tmp_path: Path) -> None:
    source = tmp_path / "song.mp3"
    for wanted in ("song (A).wav", "song (A) 2.wav", "song (A) 3.wav"):
        path = output_path_for(source, "A", None, "wav")
        assert path.name == wanted
        path.touch()


def test_a_dangling_link_counts_as_taken(tmp_path: Path) -> None:
    (tmp_path / "song (A).wav").symlink_to(tmp_path / "gone")
    assert output_path_for(tmp_path / "song", "A", None, "wav").name == "song (A) 2.wav"


@pytest.mark.parametrize(
    ("voice", "shown"),
    [
        ("AC/DC", "AC-DC"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ("..", "voice"),
        ("", "voice"),
        ("\0\n\t", "voice"),
        (".hidden", "hidden"),
        ("a\0b\nc", "abc"),
        ("left\u202eright", "leftright"),
        ('who? "me": <1>|2*', "who- -me-- -1--2-"),
        ("  two   spaces ", "two spaces"),
        ("中文 声音", "中文 声音"),
        ("👩\u200d🎤 star", "👩\u200d🎤 star"),
        ("Zoe\u0308", "Zoë"),
        ("bad\udcff", "bad"),
    ],
)
def test_a_voice_name_is_made_safe_for_file_names(tmp_path: Path, voice: str, shown: str) -> None:
    path = output_path_for(tmp_path / "song.wav", voice, None, "wav")
    assert path.name == f"song ({shown}).wav"
    path.touch()


@pytest.mark.parametrize(
    "letter", ["a", "é", "e\u0301", "中", "🎤", "👩\u200d👩\u200d👧", "\u1112\u1161\u11ab"]
)
def test_long_names_fit_every_disk_in_either_spelling(tmp_path: Path, letter: str) -> None:
    source = tmp_path / (letter * 300 + ".wav")
    taken = output_path_for(source, letter * 200, None, "aiff")
    taken.touch()
    for path in (taken, output_path_for(source, letter * 200, None, "aiff")):
        for form in ("NFC", "NFD"):
            assert len(unicodedata.normalize(form, path.name).encode()) <= 255
        assert path.name.count("(") == 1
        assert len(path.name.encode()) > 100
    assert output_path_for(source, "A", None, "wav").name.startswith(letter)


@pytest.mark.parametrize(
    "letter", ["e\u0301", "👩\u200d🎤", "👩\u200d👩\u200d👧", "ab\u0323\u0301"]
)
def test_shortening_never_splits_a_character(tmp_path: Path, letter: str) -> None:
    stem = output_path_for(tmp_path / (letter * 200), "A", None, "wav").stem.removesuffix(" (A)")
    whole = [letter * k for k in range(1, 200)]
    assert stem in whole or stem in [f"{text}a" for text in whole if letter[0] == "a"]


@pytest.mark.parametrize("name", [".mp3", "no ending", "two.dots.flac", "NFD e\u0301.wav"])
def test_the_sources_own_name_is_kept_as_it_is(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    assert output_path_for(source, "A", None, "wav").name == f"{source.stem} (A).wav"
