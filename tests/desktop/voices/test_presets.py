"""Presets hold all settings, and travel as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QInputDialog
from pytestqt.qtbot import QtBot

from desktop.settings.store import Settings
from desktop.voices.draft import SONG, VOICE, Draft
from desktop.voices.preset_menu import PresetMenu
from desktop.voices.presets import SUFFIX, PresetError, Presets
from desktop.voices.voice_list import VoiceList
from engine.cover.options import COVER_OPTIONS, CoverOptions
from engine.options import ConversionOptions, all_options

OF_ONE_FILE_OR_VOICE = {"f0_file", "track", "voice_pitch_hz", "overwrite"}


class Bench:
    """A menu with what it needs; ``answers`` is what the user says to questions."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.settings = Settings(folder / "settings.json", {})
        self.draft = Draft(self.settings, VoiceList(folder / "voices"))
        self.presets = Presets(self.settings)
        self.answers = True
        self.menu = PresetMenu(self.draft, self.presets, lambda *_: self.answers)
        qtbot.addWidget(self.menu)

    def press(self, title: str) -> None:
        self.menu.rebuild()
        (found,) = (each for each in self.menu.menu.actions() if each.text() == title)
        found.trigger()


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Bench:
    return Bench(qtbot, tmp_path)


OF_COVERS = {each.name for each in COVER_OPTIONS}


def other_value(name: str) -> object:
    option = next(each for each in (*all_options(), *COVER_OPTIONS) if each.name == name)
    if option.kind == "switch":
        return not option.default
    if option.kind == "choice":
        return option.values[-1].value
    start = option.low if option.default is None else option.default
    return start - option.step if start == option.high else start + option.step


def test_every_setting_is_in_a_preset_and_comes_back(bench: Bench) -> None:
    names = [each.name for each in all_options() if each.name not in OF_ONE_FILE_OR_VOICE]
    changed = ConversionOptions().with_values({name: other_value(name) for name in names})
    assert len(changed.changes()) == len(names)
    bench.draft.set_options(changed.with_values({"track": 2, "f0_file": Path("a.csv")}))
    bench.menu.save("Ballad")
    bench.draft.set_options(ConversionOptions(track=3))
    assert bench.menu.button.text() == "Ballad (changed)"
    bench.press("Ballad")
    assert bench.draft.options == changed.with_values({"track": 3})
    assert bench.menu.button.text() == "Ballad"


def test_every_setting_of_a_cover_is_in_a_preset_and_travels_as_a_file(
    bench: Bench, tmp_path: Path
) -> None:
    changed = CoverOptions().with_values(
        {name: other_value(name) for name in OF_COVERS - {"source_kind", "instrumental"}}
    )
    assert len(changed.to_record()) == len(OF_COVERS) - 2
    bench.draft.set_file_kind(SONG)
    bench.draft.set_song(changed.with_values({"instrumental": tmp_path / "secret.wav"}))
    bench.menu.save("Duet")
    bench.presets.export("Duet", tmp_path / f"Duet{SUFFIX}")
    assert "secret" not in (tmp_path / f"Duet{SUFFIX}").read_text(encoding="utf-8")
    bench.presets.delete("Duet")
    other = CoverOptions(instrumental=tmp_path / "other.wav")
    bench.draft.set_song(other)
    bench.menu.import_file(tmp_path / f"Duet{SUFFIX}")
    assert bench.draft.song == changed.with_values({"instrumental": other.instrumental})
    assert bench.menu.button.text() == "Duet"
    bench.draft.set_song(changed.with_values({"lead_db": 3.5}))
    assert bench.menu.button.text() == "Duet (changed)"
    bench.draft.set_file_kind(VOICE)  # then its mix is neither shown nor used
    assert bench.menu.button.text() == "Duet"


def test_a_preset_from_before_there_were_covers_leaves_their_settings_alone(
    bench: Bench, tmp_path: Path
) -> None:
    file = tmp_path / f"old{SUFFIX}"
    file.write_text(json.dumps({**GOOD, "options": {"semitones": 2.0}}))
    bench.settings.remember("presets", {"Older": {"semitones": 4.0}})
    bench.draft.set_file_kind(SONG)
    song = CoverOptions(backing="mute", room_db=-9.0)
    bench.draft.set_song(song)
    bench.menu.import_file(file)
    assert (bench.draft.options.semitones, bench.draft.song) == (2.0, song)
    bench.press("Older")
    assert (bench.draft.options.semitones, bench.draft.song) == (4.0, song)
    assert bench.menu.button.text() == "Older"


def test_presets_are_named_kept_replaced_and_deleted_when_agreed(
    bench: Bench, qtbot: QtBot, tmp_path: Path
) -> None:
    bench.draft.set_options(ConversionOptions(semitones=5))
    bench.press("Save as Preset…")
    (dialog,) = bench.menu.findChildren(QInputDialog)
    dialog.setTextValue("  Rock & Roll 歌 ")
    dialog.accept()
    assert bench.menu.button.text() == "Rock && Roll 歌"
    bench.settings.flush()
    again = Presets(Settings(tmp_path / "settings.json", {}))
    assert (again.names(), again.chosen) == (["Rock & Roll 歌"], "Rock & Roll 歌")
    bench.draft.set_options(ConversionOptions(semitones=7))
    bench.answers = False
    bench.menu.save("Rock & Roll 歌")
    bench.press("Delete “Rock && Roll 歌”…")
    assert bench.presets.applied("Rock & Roll 歌", ConversionOptions()).semitones == 5
    bench.answers = True
    bench.menu.save("Rock & Roll 歌")
    assert bench.presets.applied("Rock & Roll 歌", ConversionOptions()).semitones == 7
    bench.press("Delete “Rock && Roll 歌”…")
    assert bench.presets.names() == []
    assert bench.menu.button.text() == "None"
    assert bench.draft.options.semitones == 7


def test_a_preset_travels_as_a_file_and_never_replaces_another(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ConversionOptions(semitones=-3, autotune=0.5, f0_file=Path("secret.csv"))
    bench.draft.set_options(options)
    bench.menu.save("Mine")
    file = tmp_path / "out" / "Mine"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(file), ""))
    bench.press("Export “Mine”…")
    written = file.with_suffix(SUFFIX)
    assert "secret" not in written.read_text(encoding="utf-8")
    bench.draft.set_options(ConversionOptions())
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(written), ""))
    bench.press("Import…")
    assert bench.presets.names() == ["Mine", "Mine 2"]
    assert bench.draft.options == ConversionOptions(semitones=-3, autotune=0.5)


GOOD = {"format": "Ultimate RVC preset", "version": 1, "name": "X", "options": {}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not the file of a preset"),
        (b"\xff\xfe\x00", "it is not the file of a preset"),
        (b"[" * 100_000, "it is not the file of a preset"),
        (b" " * 2_000_000, "it is not the file of a preset"),
        ({"options": {"semitones": 1}}, "it is not the file of a preset"),
        ({**GOOD, "version": 2}, "newer version"),
        ({**GOOD, "options": [1]}, "it holds no settings"),
        ({**GOOD, "options": {"evil": 1}}, 'the unknown setting "evil"'),
        ({**GOOD, "options": {"f0_file": "a.csv"}}, 'the unknown setting "f0_file"'),
        ({**GOOD, "options": {"semitones": 99}}, ""),
        ({**GOOD, "options": {"semitones": float("nan")}}, ""),
        ({**GOOD, "options": {"stereo": "yes"}}, "it must be on or off"),
        ({**GOOD, "options": {"f0_min_hz": 900, "f0_max_hz": 1000}}, ""),
        ({**GOOD, "cover": 3}, "it holds no settings"),
        ({**GOOD, "cover": {"evil": 1}}, 'the unknown setting "evil"'),
        ({**GOOD, "cover": {"instrumental": "a.wav"}}, 'the unknown setting "instrumental"'),
        ({**GOOD, "cover": {"lead_db": 99}}, ""),
    ],
)
def test_a_bad_file_is_refused_with_one_sentence_and_changes_nothing(
    bench: Bench, qtbot: QtBot, tmp_path: Path, content: object, why: str
) -> None:
    file = tmp_path / f"bad{SUFFIX}"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with qtbot.waitSignal(bench.menu.refused) as told:
        bench.menu.import_file(file)
    (sentence,) = told.args or ("",)
    assert sentence.startswith(f'Cannot import "bad{SUFFIX}": ')
    assert why in sentence
    assert "\n" not in sentence
    assert bench.presets.names() == []
    assert bench.draft.options == ConversionOptions()


def test_a_folder_and_a_missing_file_are_refused(bench: Bench, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(PresetError):
            bench.presets.import_file(path)
    (tmp_path / "file").touch()
    with pytest.raises(PresetError):
        bench.presets.export("X", tmp_path / "file" / "x")


def test_a_name_from_a_file_is_plain_and_short(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / f"a{SUFFIX}"
    file.write_text(json.dumps({**GOOD, "name": "\u202e<b>" + 500 * "x"}))
    name = bench.presets.import_file(file)
    assert name.startswith("?<b>x")
    assert len(name) <= 60
