import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import qCritical, qWarning
from pytestqt.qtbot import QtBot

from desktop.problems import LOG_FILE, CrashReporter, report_for
from engine.plain_text import without_folders


@pytest.fixture
def reporter(tmp_path: Path, qapp: object) -> Iterator[CrashReporter]:
    made = CrashReporter(tmp_path / "logs")
    made.install()
    yield made
    made.uninstall()


SONG = Path.home() / "Music" / "Secret Song.wav"


def fail() -> None:
    raise RuntimeError(f"cannot open {SONG}")


def test_an_error_in_any_thread_is_recorded_and_reported(
    reporter: CrashReporter, qtbot: QtBot, tmp_path: Path
) -> None:
    with qtbot.waitSignal(reporter.crashed):
        threading.Thread(target=fail).start()
    try:
        fail()
    except RuntimeError as error:
        with qtbot.waitSignal(reporter.crashed):
            sys.excepthook(type(error), error, error.__traceback__)
    report = reporter.report()
    assert report.count("RuntimeError: cannot open") == 2
    assert "Python" in report
    assert (tmp_path / "logs" / LOG_FILE).read_text().count("RuntimeError: cannot open") == 2


def test_messages_of_qt_are_in_the_report(reporter: CrashReporter, tmp_path: Path) -> None:
    qWarning("a plain warning")
    qCritical("something grave in /opt/private/x.so")
    assert "a plain warning" in reporter.report()
    assert "/opt/private" not in reporter.report()
    log = (tmp_path / "logs" / LOG_FILE).read_text()
    assert "something grave" in log
    assert "a plain warning" not in log


def test_a_report_names_no_folder_of_the_user() -> None:
    try:
        fail()
    except RuntimeError as error:
        report = report_for(error)
    assert str(Path.home()) not in report
    assert "Music" not in report
    assert "test_crash.py" in report
    assert str(Path(__file__).parent) not in report


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x '/a/b c/d.wav' y", "x '…/d.wav' y"),
        ('File "/usr/lib/x.py", line 3', 'File "…/x.py", line 3'),
        ("(C:\\Me\\My Songs\\a.wav)", "(…/a.wav)"),
        ("12 / 3 and and/or", "12 / 3 and and/or"),
    ],
)
def test_paths_are_shortened_to_their_last_part(text: str, expected: str) -> None:
    assert without_folders(text) == expected


def test_uninstalling_restores_the_previous_hooks(tmp_path: Path) -> None:
    before = sys.excepthook, threading.excepthook
    reporter = CrashReporter(tmp_path)
    reporter.install()
    assert (sys.excepthook, threading.excepthook) != before
    reporter.uninstall()
    assert (sys.excepthook, threading.excepthook) == before
