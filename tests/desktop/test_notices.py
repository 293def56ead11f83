"""Notices are stacked by importance; none takes the place of a question."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from desktop import notices
from desktop.notices import NoticeBar

WAIT_MS = 10_000


@pytest.fixture
def bar(qtbot: QtBot) -> NoticeBar:
    made = NoticeBar()
    qtbot.addWidget(made)
    return made


def test_an_unanswered_question_stays_above_whatever_comes_later(
    bar: NoticeBar, qtbot: QtBot
) -> None:
    answers: list[str] = []
    bar.tell("Continue?", (("No", lambda: answers.append("no")), ("Yes", lambda: None)))
    bar.tell("Skipped: a.txt", warning=True)
    bar.tell("Copied")
    bar.tell("It crashed", (("Copy Report", lambda: None),), warning=True)
    assert bar.text.splitlines() == ["It crashed", "Continue?", "Skipped: a.txt"]
    by_title = {button.text(): button for button in bar.buttons()}
    qtbot.mouseClick(by_title["No"], Qt.MouseButton.LeftButton)
    assert answers == ["no"]
    assert bar.text.splitlines() == ["It crashed", "Skipped: a.txt", "Copied"]  # which waited


def test_information_goes_by_itself_and_the_rest_stays(
    bar: NoticeBar, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "READ_MS", 1)
    monkeypatch.setattr(notices, "READ_MS_PER_CHARACTER", 0)
    bar.tell("Copied")
    bar.tell("Skipped: a.txt", warning=True)
    bar.tell("Continue?", (("Yes", lambda: None),))
    assert bar.text.splitlines() == ["Continue?", "Skipped: a.txt", "Copied"]
    bar.move(300, 300)  # not under the mouse
    with qtbot.waitActive(bar, timeout=WAIT_MS):
        bar.show()
        bar.activateWindow()
    qtbot.waitUntil(lambda: "Copied" not in bar.text, timeout=WAIT_MS)
    assert bar.text.splitlines() == ["Continue?", "Skipped: a.txt"]
    for button in bar.buttons():
        button.click()
    assert bar.isHidden()
    assert bar.text == ""


def test_information_stays_while_another_window_is_in_front(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "READ_MS", 1)
    monkeypatch.setattr(notices, "READ_MS_PER_CHARACTER", 0)
    window, other = QWidget(), QWidget()
    bar = NoticeBar()
    QVBoxLayout(window).addWidget(bar)
    for each in (window, other):
        qtbot.addWidget(each)
        each.setGeometry(300, 300, 400, 100)  # not under the mouse
        with qtbot.waitActive(each, timeout=WAIT_MS):
            each.show()
            each.activateWindow()
    bar.tell("Copied")
    qtbot.wait(50)
    assert bar.text == "Copied"
    window.activateWindow()
    qtbot.waitUntil(lambda: bar.text == "", timeout=WAIT_MS)


def test_the_same_notice_is_told_once(bar: NoticeBar) -> None:
    for _ in range(3):
        bar.tell("The report is in the clipboard")
    assert bar.text == "The report is in the clipboard"


def test_another_window_takes_over_what_is_still_to_be_said(bar: NoticeBar, qtbot: QtBot) -> None:
    class Window(QWidget):
        def __init__(self, language: str) -> None:
            super().__init__()
            self.language, self.notice = language, NoticeBar()
            qtbot.addWidget(self)
            qtbot.addWidget(self.notice)

    def tell(window: Window) -> None:
        answer = (f"Copy ({window.language})", lambda: None)
        window.notice.tell(f"It crashed ({window.language})", (answer,), warning=True, again=tell)

    before, after = Window("en"), Window("zh")
    tell(before)
    before.notice.tell("Skipped: a.txt", warning=True)
    after.notice.take_over(before.notice, after)
    assert after.notice.text.splitlines() == ["It crashed (zh)", "Skipped: a.txt"]
    assert after.notice.buttons()[0].text() == "Copy (zh)"


def test_a_long_notice_is_as_high_as_its_lines(qtbot: QtBot) -> None:
    bar = NoticeBar()
    bar.tell("Skipped: " + "a sentence of several lines " * 8, warning=True)
    bar.tell("Continue?", (("Yes", lambda: None),))
    holder = QWidget()
    qtbot.addWidget(holder)
    column = QVBoxLayout(holder)
    column.addWidget(bar)
    column.addStretch()
    holder.resize(400, 400)
    holder.show()
    for label in bar.findChildren(QLabel):
        assert label.height() >= label.heightForWidth(label.width()), label.text()
