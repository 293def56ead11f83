"""What names tell, in the conventions of the trainers."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.library.naming import (
    clean_name,
    display_name,
    file_stem,
    index_owner,
    indexes_for,
    is_training_file,
    numbered,
    split_training,
)


@pytest.mark.parametrize(
    ("stem", "name", "epoch", "step"),
    [
        ("aria", "aria", None, None),
        ("rose3", "rose3", None, None),
        ("Ann (Japanese) 1347 Epoch", "Ann (Japanese)", 1347, None),
        ("Ann - 500 Epochs 30000 Steps", "Ann", 500, 30000),
        ("aria_e200_s4000", "aria", 200, 4000),
        ("aria_200e_4000s", "aria", 200, 4000),
        ("aria_200e_4000s_best_epoch", "aria", 200, 4000),
        ("aria-e50", "aria", 50, None),
        ("Aria E50", "Aria", 50, None),
        ("aria_epoch_300_step_12", "aria", 300, 12),
        ("aria 500epochs", "aria", 500, None),
        ("aria_e200_s4000 (2)", "aria", 200, 4000),
        ("aria copy", "aria", None, None),
        ("R2-D2", "R2-D2", None, None),
        ("blink182", "blink182", None, None),
        ("e200", "e200", None, None),
        ("初音ミク_e100", "初音ミク", 100, None),
    ],
)
def test_epoch_and_step_are_read_off_the_name(
    stem: str, name: str, epoch: int | None, step: int | None
) -> None:
    found, training = split_training(stem)
    assert (found, training.epoch, training.step) == (name, epoch, step)


def test_a_name_without_marks_is_the_newest_and_best_breaks_ties() -> None:
    stems = ["a_e9", "a_e10_s5", "a_e10_s50", "a_e10_s50_best", "a"]
    ranks = [split_training(stem)[1].rank for stem in stems]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize(
    ("stem", "owner"),
    [
        ("added_IVF256_Flat_nprobe_1_aria_v2", "aria"),
        ("added_IVF1024_Flat_nprobe_1_My Voice_v1", "my_voice"),
        ("trained_IVF256_Flat_nprobe_1_aria_v2", "aria"),
        ("added_IVF256_Flat_nprobe_1", ""),
        ("added_IVF256_Flat_nprobe_1_v2", ""),
        ("added_aria_v2", "aria"),
        ("aria_v2", "aria"),
        ("aria", "aria"),
        ("model", ""),
    ],
)
def test_the_owner_is_read_off_an_index(stem: str, owner: str) -> None:
    assert index_owner(stem) == owner


def chosen(voice: str, *indexes: str, alone: bool = False, alone_here: bool = False) -> list[str]:
    places = [PurePosixPath(index) for index in indexes]
    found = indexes_for(PurePosixPath(voice), places, alone=alone, alone_here=alone_here)
    return [str(place) for place in found]


def test_an_index_goes_to_the_voice_it_names() -> None:
    both = ("added_IVF9_Flat_nprobe_1_aria_v2.index", "added_IVF9_Flat_nprobe_1_bela_v2.index")
    assert chosen("aria_e200_s9.pth", *both) == [both[0]]
    assert chosen("bela.pth", *both) == [both[1]]
    assert chosen("ari.pth", *both) == []
    assert chosen("aria.pth", "x/my aria index.index") == ["x/my aria index.index"]
    assert chosen("model.pth", "x/model.index") == []
    assert chosen("x/model.pth", "x/model.index", "y/model.index") == ["x/model.index"]
    assert chosen("aria.pth", "added_IVF9.index", "other.index", alone=True, alone_here=True) == [
        "added_IVF9.index",
        "other.index",
    ]
    assert chosen("aria.pth", "added.index", alone_here=False) == []


@pytest.mark.parametrize("name", ["G_2333.pth", "D_100.pth", "f0G40k.pth", "G32k.pth", "D48k.pth"])
def test_checkpoints_of_trainers_are_known_by_name(name: str) -> None:
    assert is_training_file(name)
    assert not is_training_file(f"Grace_{name}")


@pytest.mark.parametrize(
    ("place", "origin", "label", "name"),
    [
        ("aria_e9_s8.pth", "zip", None, "aria"),
        ("model.pth", "Björk", "x", "Björk"),
        ("Ann/model.pth", "zip", None, "Ann"),
        ("weights/model.pth", "rvc", "Celia", "Celia"),
        ("model.pth", "voice", None, "Voice"),
        ("\u202eevil\x07.pth", "zip", None, "evil"),
    ],
)
def test_the_first_name_of_a_voice(place: str, origin: str, label: str | None, name: str) -> None:
    assert display_name(PurePosixPath(place), origin, label) == name


@given(st.text(max_size=300))
def test_any_text_gives_a_name_that_can_be_shown_and_written(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= 80
    assert name.isprintable()
    assert clean_name(name) == name or len(name) == 80
    stem = file_stem(name)
    assert stem
    assert "/" not in stem
    assert len(stem.encode()) <= 180
    split_training(text)
    index_owner(text)


def test_taken_names_are_numbered() -> None:
    assert numbered("Aria", frozenset()) == "Aria"
    assert numbered("Aria", frozenset({"aria", "aria 2"})) == "Aria 3"
