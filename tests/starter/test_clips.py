"""The clips of the report: every voice that can speak, and what it says."""

import json
from pathlib import Path

import numpy as np
import pytest
from recipe.natural.clips import (
    JAPANESE,
    JAPANESE_VOICE,
    SENTENCES,
    Recording,
    Said,
    Speaker,
    make_clips,
    recordings,
)
from recipe.natural.report import is_japanese, load_clips
from recipe.text import HELD_OUT, RARE_SOUNDS

from engine.audio.writer import write_audio

RATE_HZ = 16_000


def tone(text: str) -> Said:
    """As many periods as the text has letters."""
    time_s = np.arange(RATE_HZ // 4) / RATE_HZ
    return np.float32(0.1) * np.sin(8 * np.pi * len(text) * time_s).astype(np.float32), RATE_HZ


def toy() -> Speaker:
    return tone


def missing() -> Speaker:
    raise FileNotFoundError("this program is not installed")


def test_the_report_reads_every_clip_that_was_made(tmp_path: Path) -> None:
    write_audio(tmp_path / "said.wav", tone("hello")[0], RATE_HZ, "wav")
    said = Recording("person-0", "hello there", tmp_path / "said.wav")
    voices = {"target": toy, "mute": missing, "other": toy, f"{JAPANESE_VOICE}-one": toy}
    make_clips(tmp_path / "clips", voices, [said])
    clips = list(load_clips(tmp_path / "clips"))
    assert [*dict.fromkeys(clip.voice for clip in clips)] == [
        "target",
        "other",
        "japanese-one",
        "person",
    ]
    assert clips[-1].words == ["hello", "there"]
    assert {clip.language for clip in clips if clip.voice == "japanese-one"} == {"ja"}
    peaks = [float(np.abs(clip.samples).max()) for clip in clips]
    assert peaks == pytest.approx([0.6] * len(clips), abs=0.01)


def test_two_voices_do_not_begin_with_the_same_sentence(tmp_path: Path) -> None:
    make_clips(tmp_path, {"target": toy, "other": toy}, [])
    texts = json.loads((tmp_path / "texts.json").read_text(encoding="utf-8"))
    assert texts["target-0"] != texts["other-0"]


def test_no_sentence_of_the_clips_is_one_of_the_other_report_or_of_the_training() -> None:
    other = {text.rstrip(".").lower() for text in (*HELD_OUT, *RARE_SOUNDS)}
    assert other.isdisjoint(text.rstrip(".").lower() for text in SENTENCES)
    assert len(set(SENTENCES)) == len(SENTENCES)
    assert all(is_japanese(text) for text in JAPANESE)


def test_a_list_of_recordings_gives_words_and_files(tmp_path: Path) -> None:
    for folder, listed in (("cards", "cards.transcription"), ("librivox", "transcription")):
        (tmp_path / folder).mkdir()
        line = f"<s> ten of {folder}  </s> (001)\n"
        (tmp_path / folder / listed).write_text(line, encoding="utf-8")
    found = {each.name: each for each in recordings(tmp_path)}
    assert found["cards-0"] == Recording("cards-0", "ten of cards", tmp_path / "cards" / "001.wav")
    assert found["reader-0"].text == "ten of librivox"
