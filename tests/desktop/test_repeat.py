"""A take is made again exactly, or a sentence says what has changed; with the real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.queue.job import Job, JobState
from desktop.queue.job_text import note_sentences
from desktop.settings.table import OPTIMIZATION_PREFIX, SETTINGS
from desktop.storage import AppPaths, sample_file
from engine.audio.names import RECIPE_SUFFIX
from engine.recipe import Recipe
from tests.engine.audio.sound_file import encode

WAIT_MS = 60_000
SHORT_S = 0.8
SKIP_SILENCE = next(each for each in SETTINGS if each.key == f"{OPTIMIZATION_PREFIX}skip_silence")


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot) -> Iterator[App]:
    made = App(app_paths, leave=lambda _code: None)
    made.start()
    yield made
    made.close()


@pytest.fixture
def sound() -> tuple[np.ndarray, int]:
    samples, rate_hz = soundfile.read(sample_file(), dtype="float32")
    return samples[: round(SHORT_S * rate_hz)], rate_hz


@pytest.fixture
def source(tmp_path: Path, sound: tuple[np.ndarray, int]) -> Path:
    soundfile.write(tmp_path / "a.wav", *sound, "FLOAT")
    return tmp_path / "a.wav"


def converted(app: App, qtbot: QtBot) -> Job:
    """The last take, once everything is over."""
    qtbot.waitUntil(lambda: app.queue.rowCount() > 0 and not app.queue.is_busy, timeout=WAIT_MS)
    return app.queue.jobs()[-1]


def repeat(app: App, job: Job, qtbot: QtBot) -> Job:
    app.window.queue_view.select_job(job.id)
    assert app.window.actions_.repeat.isEnabled()
    app.window.actions_.repeat.trigger()
    return converted(app, qtbot)


def test_repeat_exactly_gives_the_same_samples_whatever_is_set_or_says_what_has_changed(
    app: App, source: Path, sound: tuple[np.ndarray, int], qtbot: QtBot
) -> None:
    app.draft.set_options(app.draft.options.with_values({"semitones": 2.0, "seed": 7}))
    app.window.take([source])
    first = converted(app, qtbot)
    app.draft.set_options(app.draft.options.with_values({"semitones": -5.0, "seed": 1}))
    app.settings.set(SKIP_SILENCE, value=False)
    again = repeat(app, first, qtbot)
    assert (again.state, again.take, again.options) == (JobState.FINISHED, 2, first.options)
    assert first.output is not None
    assert again.output is not None
    assert again.output != first.output
    one, two = (soundfile.read(each.output)[0] for each in (first, again))
    assert np.array_equal(one, two)
    assert np.abs(one).max() > 0.01
    made, remade = (Recipe.from_json(each.recipe) for each in (first, again))
    assert made == remade
    assert note_sentences(again) == [
        "It has exactly the same samples as the take that was repeated"
    ]

    soundfile.write(source, 0.5 * sound[0], sound[1], "FLOAT")
    files = sorted(source.parent.glob("*.wav"))
    refused = repeat(app, first, qtbot)
    assert refused.state is JobState.FAILED
    assert str(refused.message) == (
        'Cannot repeat the result of "a.wav" exactly: the file "a.wav" is another one; '
        "use Convert Again to make it with what is here."
    )
    assert sorted(source.parent.glob("*.wav")) == files


def test_the_picture_and_the_recipe_of_a_video_are_kept_as_the_side_panel_says(
    app: App, tmp_path: Path, sound: tuple[np.ndarray, int], qtbot: QtBot
) -> None:
    video = encode(tmp_path / "clip.mp4", sound[0][:, None], sound[1], "aac", "mpeg4")
    for name in ("video", "recipe"):
        app.window.areas.voice_panel.rows[name].changed.emit(True)
    app.window.take([video])
    made = converted(app, qtbot)
    assert made.output == tmp_path / "clip (Starter).mp4"
    assert made.output.is_file()
    beside = tmp_path / f"clip (Starter){RECIPE_SUFFIX}"
    assert json.loads(beside.read_text()) == json.loads(made.recipe)
