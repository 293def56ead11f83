from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from desktop.voices.voices_page import VoicesPage
from engine.errors import LibraryError
from engine.library.installed_voice import InstalledVoice
from engine.paths import starter_dir
from engine.voice_checkpoint import load_voice
from tests.engine.loading import zoo
from tests.weights_maker import small_record


@pytest.fixture
def aria(tmp_path: Path) -> Path:
    path = tmp_path / "Aria.pth"
    torch.save(small_record(), path)
    return path


@pytest.fixture
def page(qtbot: QtBot, tmp_path: Path) -> Iterator[VoicesPage]:
    made = VoicesPage(tmp_path / "voices", lambda *_: [tmp_path / "chosen"])
    qtbot.addWidget(made)
    made.resize(700, 520)
    made.show()
    yield made
    made.close_tasks()


def ended(qtbot: QtBot, page: VoicesPage) -> str:
    qtbot.waitUntil(lambda: not page.task.is_running, timeout=20_000)
    return page.message.text()


def names(page: VoicesPage) -> list[str]:
    return [page.list.item(row).text() for row in range(page.list.count())]


def imported(qtbot: QtBot, page: VoicesPage, path: Path) -> None:
    page.import_paths([path])
    assert ended(qtbot, page).startswith("Imported: Aria.")


def test_the_starter_is_there_and_cannot_be_changed(page: VoicesPage) -> None:
    assert names(page) == ["Starter"]
    rate_hz = load_voice(starter_dir() / "voice.pth").card.sample_rate_hz
    assert f"Sample rate: {rate_hz / 1000:g} kHz" in page.card.facts_text()
    assert page.card.name.isReadOnly()
    assert not page.card.remove_button.isEnabled()


def test_a_dropped_voice_is_imported_shown_and_reported(
    qtbot: QtBot, page: VoicesPage, aria: Path
) -> None:
    content = QMimeData()
    content.setUrls([QUrl.fromLocalFile(str(aria))])
    drop = QDropEvent(
        QPointF(50, 50),
        Qt.DropAction.CopyAction,
        content,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    with qtbot.waitSignal(page.changed, timeout=20_000):
        page.dropEvent(drop)
    assert names(page) == ["Starter", "Aria"]
    assert page.card.name.text() == "Aria"
    assert "Index: none" in page.card.facts_text()
    assert "Source: Aria.pth" in page.card.facts_text()


def test_a_voice_installed_elsewhere_appears_when_the_pane_is_shown_again(
    page: VoicesPage, aria: Path
) -> None:
    page.hide()
    page.library.import_files([aria])
    assert page.list.count() == 1
    page.show()
    assert page.list.count() == 2


def test_a_voice_can_be_renamed_but_not_to_a_taken_name(
    qtbot: QtBot, page: VoicesPage, aria: Path
) -> None:
    imported(qtbot, page, aria)
    page.card.name.setText("Zoë 雅")
    page.card.name.editingFinished.emit()
    ended(qtbot, page)
    assert names(page) == ["Starter", "Zoë 雅"]
    assert page.card.name.text() == "Zoë 雅"
    page.card.name.setText("starter")
    page.card.name.editingFinished.emit()
    assert "another voice has the name" in ended(qtbot, page)
    assert page.card.name.text() == "Zoë 雅"


def test_a_picture_is_copied(qtbot: QtBot, page: VoicesPage, aria: Path, tmp_path: Path) -> None:
    imported(qtbot, page, aria)
    image = QImage(64, 40, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    image.save(str(tmp_path / "chosen"), "PNG")
    page.card.picture_button.click()
    ended(qtbot, page)
    shown = page.card._picture.pixmap().toImage()
    assert shown.pixelColor(shown.rect().center()).name() == "#ff0000"


def test_a_file_that_is_not_a_voice_gives_one_sentence(
    qtbot: QtBot, page: VoicesPage, tmp_path: Path
) -> None:
    (tmp_path / "song.pth").write_bytes(b"no voice" * 100)
    page.import_paths([tmp_path / "song.pth"])
    sentence = ended(qtbot, page)
    assert "song.pth" in sentence
    assert names(page) == ["Starter"]


def test_one_bad_archive_does_not_prevent_the_import_of_a_good_one(
    qtbot: QtBot, page: VoicesPage, aria: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK" + b"x" * 200)
    page.import_paths([tmp_path / "bad.zip", aria])
    sentence = ended(qtbot, page)
    assert "Imported: Aria." in sentence
    assert "bad.zip" in sentence
    assert names(page) == ["Starter", "Aria"]


def test_a_removed_voice_is_in_the_trash(
    qtbot: QtBot, page: VoicesPage, aria: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Path] = []

    def trash(path: Path) -> None:
        moved.append(path.rename(tmp_path / "trash"))

    monkeypatch.setattr("desktop.voices.voice_tasks.move_to_trash", trash)
    imported(qtbot, page, aria)
    page.card.remove_button.click()
    ended(qtbot, page)
    assert names(page) == ["Starter"]
    assert any((tmp_path / "trash").iterdir())


def test_a_removed_voice_comes_back_whole_until_something_else_is_done(
    qtbot: QtBot, page: VoicesPage, aria: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trash(path: Path) -> Path:
        (tmp_path / "trash").mkdir(exist_ok=True)
        return path.rename(tmp_path / "trash" / path.name)

    monkeypatch.setattr("desktop.voices.voice_tasks.move_to_trash", trash)
    imported(qtbot, page, aria)
    (before,) = [voice for voice in page.library.voices() if not voice.built_in]
    assert page.undo.isHidden()
    page.card.remove_button.click()
    assert ended(qtbot, page) == "“Aria” is in the Trash."
    assert page.undo.isVisible()
    page.undo.click()
    ended(qtbot, page)
    assert names(page) == ["Starter", "Aria"]
    assert page.card.voice == before
    assert page.undo.isHidden()
    page.card.remove_button.click()
    ended(qtbot, page)
    shutil.rmtree(tmp_path / "trash")
    page.undo.click()
    assert "no longer in the trash" in ended(qtbot, page)


def test_an_import_says_what_it_does_and_how_far_it_is(
    qtbot: QtBot, page: VoicesPage, aria: Path
) -> None:
    said: set[str] = set()
    page.task.progressed.connect(lambda *_: said.add(page.doing.text()))
    imported(qtbot, page, aria)
    assert any(text.startswith("Importing “Aria.pth”…  ") for text in said)
    assert all(text.endswith(" %") for text in said)


def test_the_starters_card_says_that_it_is_for_trying_out(
    qtbot: QtBot, page: VoicesPage, aria: Path
) -> None:
    def said() -> str:
        return " ".join(each.text() for each in page.card.findChildren(QLabel) if each.isVisible())

    assert "trying the app out" in said()
    imported(qtbot, page, aria)
    assert "trying the app out" not in said()


def test_an_index_that_does_not_fit_is_refused_by_name(
    qtbot: QtBot, page: VoicesPage, aria: Path, tmp_path: Path
) -> None:
    imported(qtbot, page, aria)
    (tmp_path / "chosen").write_bytes(b"no index")
    page.card.index_button.click()
    assert "chosen" in ended(qtbot, page)


def test_a_voices_defaults_are_shown_and_saved(qtbot: QtBot, page: VoicesPage, aria: Path) -> None:
    assert not page.card.defaults.isVisible()
    imported(qtbot, page, aria)
    assert page.card.defaults.isVisible()
    page.card.defaults.rows["semitones"].slider.setValue(36)
    with qtbot.waitSignal(page.changed, timeout=10_000):
        page.card.defaults.rows["protect"].slider.setValue(10)
    assert page.library.get("Aria").defaults == {"protect": 0.1, "semitones": 12.0}
    page.refresh()
    assert page.card.defaults.rows["protect"].value() == 0.1


def test_a_change_is_saved_even_if_another_voice_is_shown_immediately(
    qtbot: QtBot, page: VoicesPage, aria: Path
) -> None:
    imported(qtbot, page, aria)
    with qtbot.waitSignal(page.changed, timeout=10_000):
        page.card.defaults.rows["semitones"].slider.setValue(20)
        page.list.setCurrentRow(0)
    assert page.library.get("Aria").defaults == {"semitones": -4.0}


def defaults(page: VoicesPage, name: str = "Aria") -> Mapping[str, Any]:
    return page.library.get(name).defaults


def test_only_the_slider_that_was_moved_is_written(
    qtbot: QtBot, page: VoicesPage, aria: Path
) -> None:
    imported(qtbot, page, aria)
    page.library.set_defaults("Aria", {"protect": 0.1, "pitch_method": "yin"})  # elsewhere
    with qtbot.waitSignal(page.changed, timeout=10_000):
        page.card.defaults.rows["semitones"].slider.setValue(36)
    assert defaults(page) == {"pitch_method": "yin", "protect": 0.1, "semitones": 12.0}
    assert page.card.defaults.rows["protect"].value() == 0.1
    with qtbot.waitSignal(page.changed, timeout=10_000):  # back to what is usual
        page.card.defaults.rows["semitones"].slider.setValue(24)
    assert defaults(page) == {"pitch_method": "yin", "protect": 0.1}


def test_reloading_keeps_what_the_user_is_editing(
    qtbot: QtBot, page: VoicesPage, aria: Path, tmp_path: Path
) -> None:
    imported(qtbot, page, aria)
    page.card.name.setText("Ari")
    page.card.defaults.rows["semitones"].slider.setValue(30)
    (tmp_path / "Bela.pth").write_bytes(zoo.voice(9))
    page.library.import_files([tmp_path / "Bela.pth"])
    page.library.set_defaults("Aria", {"protect": 0.1})
    page.look_again()
    assert names(page) == ["Starter", "Aria", "Bela"]
    assert page.list.currentItem().text() == "Aria"
    assert page.card.name.text() == "Ari"
    assert page.card.defaults.rows["semitones"].value() == 6
    assert page.card.defaults.rows["protect"].value() == 0.1
    qtbot.waitUntil(lambda: defaults(page) == {"protect": 0.1, "semitones": 6}, timeout=10_000)


def test_a_slider_that_cannot_be_saved_is_reset_with_the_reason(
    qtbot: QtBot, page: VoicesPage, aria: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(qtbot, page, aria)

    def full(*_: object) -> InstalledVoice:
        raise LibraryError("Cannot keep it", "the disk is full", "make room")

    monkeypatch.setattr(page.library, "set_defaults", full)
    with qtbot.waitSignal(page.keeper.refused, timeout=10_000):
        page.card.defaults.rows["semitones"].slider.setValue(30)
    assert page.card.defaults.rows["semitones"].value() == 0
    assert "the disk is full" in page.message.text()


@pytest.fixture
def slow(page: VoicesPage, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The first change is not kept before this is set."""
    go = threading.Event()
    set_defaults = page.library.set_defaults

    def slowly(key: str, values: Mapping[str, Any]) -> InstalledVoice:
        go.wait(10)
        return set_defaults(key, values)

    monkeypatch.setattr(page.library, "set_defaults", slowly)
    return go


def moved_while_another_is_kept(qtbot: QtBot, page: VoicesPage, aria: Path, other: Path) -> None:
    """A slider of Aria and one of Bela while the first of Aria is being kept."""
    other.write_bytes(zoo.voice(9))
    page.library.import_files([other])
    imported(qtbot, page, aria)
    page.card.defaults.rows["semitones"].slider.setValue(30)
    qtbot.waitUntil(lambda: page.keeper.is_busy, timeout=10_000)
    page.card.defaults.rows["protect"].slider.setValue(10)
    page.list.setCurrentRow(2)
    page.card.defaults.rows["semitones"].slider.setValue(20)
    page.list.setCurrentRow(0)


def test_sliders_of_several_voices_are_all_saved(
    qtbot: QtBot, page: VoicesPage, aria: Path, tmp_path: Path, slow: threading.Event
) -> None:
    moved_while_another_is_kept(qtbot, page, aria, tmp_path / "Bela.pth")
    slow.set()
    qtbot.waitUntil(lambda: not page.keeper.is_busy, timeout=10_000)
    assert defaults(page) == {"protect": 0.1, "semitones": 6}
    assert defaults(page, "Bela") == {"semitones": -4}


def test_quitting_saves_pending_changes(
    qtbot: QtBot, page: VoicesPage, aria: Path, tmp_path: Path, slow: threading.Event
) -> None:
    moved_while_another_is_kept(qtbot, page, aria, tmp_path / "Bela.pth")
    page.list.setCurrentRow(1)
    page.card.defaults.rows["index_rate"].slider.setValue(50)
    slow.set()
    page.close_tasks()
    assert defaults(page) == {"index_rate": 0.5, "protect": 0.1, "semitones": 6}
    assert defaults(page, "Bela") == {"semitones": -4}


def test_a_dropped_link_opens_the_dialog(page: VoicesPage) -> None:
    content = QMimeData()
    content.setText("https://127.0.0.1:9/x")
    drop = QDropEvent(
        QPointF(50, 50),
        Qt.DropAction.CopyAction,
        content,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    page.dropEvent(drop)
    assert page.links.isVisible()
    assert page.links.field.text() == "https://127.0.0.1:9/x"
