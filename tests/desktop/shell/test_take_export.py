"""A result is copied to where the user wants it, or the app says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from desktop.notices import NoticeBar
from desktop.queue.job import JobState
from desktop.shell.take_export import TakeExport
from tests.desktop.fake_engine import job


class Bench:
    """A finished take, and what is answered when it is exported."""

    def __init__(self, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.output = folder / "song (Aria).wav"
        self.output.write_bytes(b"RIFF" * 700_000)
        self.asked_for = ""
        self.notice = NoticeBar()
        self._window = QWidget()
        for widget in (self._window, self.notice):
            qtbot.addWidget(widget)
        self._qtbot = qtbot
        self._export = TakeExport(self._window, self.notice)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (self.asked_for, ""))

    def export_as(self, target: Path) -> str:
        """Export it; what is said at the end."""
        self.asked_for = str(target)
        self._export.ask(job(state=JobState.FINISHED, output=self.output))
        self._qtbot.waitUntil(lambda: bool(self.notice.text))
        return self.notice.text


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(qtbot, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["best 歌.wav", "best 歌", "best 歌.mp3"])
def test_an_export_is_the_same_file_with_the_same_ending(
    bench: Bench, tmp_path: Path, name: str
) -> None:
    expected = name if name.endswith(".wav") else f"{name}.wav"
    assert bench.export_as(tmp_path / name) == f"Exported as “{expected}”"
    assert (tmp_path / expected).read_bytes() == bench.output.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_an_export_does_not_replace_a_file_that_nobody_asked_about(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "other.wav").write_text("precious")
    assert bench.export_as(tmp_path / "other").startswith("Cannot export “other.wav”")
    assert (tmp_path / "other.wav").read_text() == "precious"


def test_the_file_that_the_dialog_asked_about_is_replaced(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "older.wav").write_text("older")
    bench.export_as(tmp_path / "older.wav")
    assert (tmp_path / "older.wav").read_bytes() == bench.output.read_bytes()


def test_a_result_that_is_gone_gives_one_sentence(bench: Bench, tmp_path: Path) -> None:
    bench.output.unlink()
    assert bench.export_as(tmp_path / "copy.wav").startswith("Cannot export “copy.wav”: ")
    assert not (tmp_path / "copy.wav").exists()
