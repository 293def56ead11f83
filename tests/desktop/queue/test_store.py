import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from desktop.queue.job import JobState, StageTime
from desktop.queue.job_text import describe_job
from desktop.queue.queue_store import QueueStore, remove_leftovers
from engine.errors import AudioFileError, Text
from engine.options import ConversionOptions
from tests.desktop.fake_engine import job

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "queue.json"


@pytest.fixture
def store(file: Path) -> Iterator[QueueStore]:
    made = QueueStore(file)
    yield made
    made.close()


def test_finished_jobs_stay_and_the_rest_is_offered_again(store: QueueStore) -> None:
    jobs = [replace(job(f"{state}.wav"), state=state) for state in JobState]
    store.save(jobs)
    assert store.flush()
    loaded = {each.title: each.state for each in store.load()}
    assert loaded == {
        "waiting.wav": JobState.INTERRUPTED,
        "needs networks.wav": JobState.NEEDS_NETWORKS,
        "running.wav": JobState.INTERRUPTED,
        "finished.wav": JobState.FINISHED,
        "failed.wav": JobState.FAILED,
        "cancelled.wav": JobState.CANCELLED,
        "interrupted.wav": JobState.INTERRUPTED,
    }


def test_a_recipe_is_kept_and_a_take_that_was_to_repeat_another_still_does(
    store: QueueStore,
) -> None:
    finished = job("a.wav", state=JobState.FINISHED, recipe='{"format": 1}')
    store.save([finished, job("a.wav", repeats=finished.recipe, take=2)])
    assert store.flush()
    first, second = store.load()
    assert (first.recipe, first.repeats) == (finished.recipe, "")
    assert (second.state, second.repeats) == (JobState.INTERRUPTED, finished.recipe)


def test_order_and_last_state_are_saved(store: QueueStore) -> None:
    jobs = [job(f"{place}.wav") for place in range(300)]
    for count in range(0, 301, 30):
        store.save(jobs[:count][::-1])
    assert store.flush()
    assert [each.id for each in store.load()] == [each.id for each in reversed(jobs)]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"jobs": 3}', '{"jobs": [1, {}]}', "\x00" * 50])
def test_a_damaged_file_gives_an_empty_queue_and_is_put_aside(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    store = QueueStore(file)
    try:
        assert store.load() == ()
        store.save([job()])
        assert store.flush()
        assert len(store.load()) == 1
    finally:
        store.close()
    if text in ("", "{"):
        assert file.with_name("queue.json.damaged").read_text() == text


FIRST_VERSION = """{"version": 1, "jobs": [
{"source": "/m/a.wav", "voice": {"name": "Aria", "weights": "/v/a.pth", "index": null,
"key": "aria", "built_in": false}, "options": {"semitones": 3.0},
"output_dir": null, "id": "1", "state": "failed",
"stages": [["load", 0.5, "cpu"], ["pitch", 1.5, "mps", 7]], "source_s": 0.0, "taken_s": 0.0,
"output": null, "message": "Cannot read \\"{a}.wav\\": it is broken; choose another file.",
"report": "trace", "notes": [], "device": "", "memory_bytes": 0, "peak_memory_bytes": 0},
{"source": "/m/b.wav", "voice": {"name": "Aria", "weights": "/v/a.pth", "index": "/v/a.index",
"key": "aria", "built_in": true}, "options": {}, "output_dir": "/out", "id": "2",
"state": "finished", "stages": [], "source_s": 2.0, "taken_s": 1.0, "output": "/out/b (Aria).wav",
"message": "", "report": "", "notes": ["the file is cut off: its end is missing"],
"device": "mps+cpu", "memory_bytes": 3, "peak_memory_bytes": 4}
]}
"""
"""As the app wrote it when messages were plain text."""


def test_a_queue_of_an_older_version_is_read_and_its_messages_are_shown_as_they_are(
    file: Path, store: QueueStore
) -> None:
    file.parent.mkdir()
    file.write_text(FIRST_VERSION)
    failed, finished = store.load()
    assert str(failed.message) == 'Cannot read "{a}.wav": it is broken; choose another file.'
    assert failed.stages == (StageTime("load", 0.5, "cpu"), StageTime("pitch", 1.5, "mps", 7))
    assert failed.options == ConversionOptions(semitones=3.0)
    assert (finished.message, finished.output) == (None, Path("/out/b (Aria).wav"))
    assert finished.notes == ("the file is cut off: its end is missing",)
    assert describe_job(failed).endswith("choose another file.")


def test_a_message_is_kept_with_its_values_and_translated_when_it_is_shown(
    file: Path, store: QueueStore, chinese: None
) -> None:
    error = AudioFileError(
        Text('Cannot read "{name}"', name="it: {x}; y.wav"),
        "the file is empty",
        "choose another file",
    )
    store.save([replace(job(), state=JobState.FAILED, message=error.text)])
    assert store.flush()
    (loaded,) = store.load()
    assert str(loaded.message) == str(error)
    assert "無法讀取「it: {x}; y.wav」" in describe_job(loaded)


def test_a_read_only_folder_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    store = QueueStore(tmp_path / "data" / "queue.json")
    store.save([job()])
    assert store.flush()
    store.close()


KILLED = """
import sys, time
from pathlib import Path
from desktop.queue.queue_store import QueueStore
from engine.errors import AudioFileError, Text
from engine.options import ConversionOptions
from tests.desktop.fake_engine import job
store = QueueStore(Path(sys.argv[1]))
jobs = []
for place in range(100_000):
    jobs.append(job(f"{place}.wav"))
    store.save(jobs[-200:])
    if place == 400:
        print("go", flush=True)
    time.sleep(0.0005)
"""


def test_a_kill_while_writing_leaves_a_complete_file(file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(file)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    assert len(json.loads(file.read_text())["jobs"]) == 200
    store = QueueStore(file)
    assert [each.state for each in store.load()] == [JobState.INTERRUPTED] * 200
    store.close()


def test_partial_results_are_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.queue.queue_store._QUIET_S", 0.2)
    part = tmp_path / f".{'0a' * 8}.part"
    fresh = tmp_path / f".{'0b' * 8}.part"
    just_left = tmp_path / f".{'0c' * 8}.part"
    others = [tmp_path / name for name in ("song.wav", ".hidden", f"{'0a' * 8}.part", ".x.part")]
    for path in (part, fresh, just_left, *others):
        path.write_text("x")
        os.utime(path, (time.time() - 60,) * 2)
    os.utime(just_left)

    def wait(seconds: float) -> None:
        time.sleep(seconds)
        os.utime(fresh)  # somebody is still writing it

    undone = replace(job(), source=tmp_path / "song.wav", state=JobState.INTERRUPTED)
    assert remove_leftovers([replace(undone, state=JobState.FINISHED)]) == 0
    assert remove_leftovers([undone], wait) == 2
    assert not part.exists()
    assert not just_left.exists()
    assert fresh.exists()
    assert all(path.exists() for path in others)


def test_a_tool_tip_names_every_setting_that_differs_from_the_defaults() -> None:
    options = ConversionOptions(semitones=5, noise=False, output_rate_hz=44_100)
    told = describe_job(job(options=options)).splitlines()
    assert told[:2] == ["song.wav", "Aria"]
    assert told[2:] == ["Key +5", "Random noise off", "Sample rate 44100 Hz"]
