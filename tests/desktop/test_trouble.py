"""What goes wrong between dropping and hearing, with the real engine: a sentence for each."""

import os
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.queue.job import Job, JobState, Voice
from desktop.settings.table import OUTPUT_FOLDER, OUTPUT_PLACE
from desktop.storage import AppPaths, sample_file

WAIT_MS = 60_000


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot) -> Iterator[App]:
    made = App(app_paths, leave=lambda _code: None)
    made.start()
    yield made
    made.close()


def ends(app: App, qtbot: QtBot) -> dict[str, tuple[JobState, str]]:
    """State and sentence of each file once all are over."""
    qtbot.waitUntil(lambda: app.queue.rowCount() > 0 and not app.queue.is_busy, timeout=WAIT_MS)
    return {job.source.name: (job.state, str(job.message or "")) for job in app.queue.jobs()}


def test_unreadable_files_give_sentences_and_the_good_one_is_converted(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / "Songs"
    folder.mkdir()
    (folder / "1 nowhere.wav").symlink_to(tmp_path / "gone.wav")
    os.mkfifo(folder / "2 pipe.wav")
    (folder / "3 empty.wav").touch()
    good = unicodedata.normalize("NFD", "4 é 🎤\n副歌.wav")
    shutil.copy(sample_file(), folder / good)
    app.take([folder])
    found = ends(app, qtbot)
    assert found.pop(good)[0] is JobState.FINISHED
    assert {state for state, _ in found.values()} == {JobState.FAILED}
    assert {name: sentence.partition(": ")[2] for name, (_, sentence) in found.items()} == {
        "1 nowhere.wav": "the file does not exist; check the name and the folder.",
        "2 pipe.wav": "it isn't a regular file; choose an audio or video file.",
        "3 empty.wav": "the file is empty; choose another file.",
    }
    assert not list(folder.glob(".*.part"))


def test_a_voice_or_a_folder_that_disappeared_is_named(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    source = Path(shutil.copy(sample_file(), tmp_path / "a.wav"))
    app.settings.set(OUTPUT_PLACE, "folder")
    app.settings.set(OUTPUT_FOLDER, str(tmp_path / "Results"))
    app.take([source])
    gone = Voice("Gone", tmp_path / "gone.pth", None, "gone")
    options = app.draft.options
    app.queue.add([Job(source=source.with_name("b.wav"), voice=gone, options=options)])
    shutil.copy(source, tmp_path / "b.wav")
    found = ends(app, qtbot)
    assert found["a.wav"][0] is found["b.wav"][0] is JobState.FAILED
    assert '"Results" does not exist' in found["a.wav"][1]
    assert '"gone.pth": the file does not exist' in found["b.wav"][1]
    app.settings.set(OUTPUT_PLACE, "beside")
    app.take([source])
    qtbot.waitUntil(lambda: app.queue.count(JobState.FINISHED) == 1, timeout=WAIT_MS)
