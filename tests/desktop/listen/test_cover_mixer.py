"""The parts of a cover are mixed while they are heard; what is heard is what is written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.listen.feeder import PlayedFile
from desktop.listen.lane import SOURCE, Lane, part_lane
from desktop.listen.lane_list import LaneList
from desktop.listen.mix_levels import MixLevels
from desktop.listen.player import Player
from desktop.listen.time_axis import TimeAxis
from desktop.queue.job import Job, JobState
from desktop.storage import AppPaths
from desktop.voices.draft import SONG
from engine.cover.options import CoverOptions
from engine.library import separation_networks
from engine.library.network import NetworkFile
from engine.library.separation_networks import KARAOKE
from tests.desktop.listen.fake_device import FakeDevice
from tests.engine.separation.small_networks import song_samples, write_network

WAIT_MS = 120_000
RATE_HZ = 44_100


@pytest.fixture
def app(
    app_paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> Iterator[App]:
    """The app with small networks that take songs apart into all four parts."""
    folder = tmp_path / "models"
    (folder / "separation").mkdir(parents=True)
    write_network("htdemucs", tmp_path).rename(folder / "separation" / "04573f0d.safetensors")
    made = write_network("mel", tmp_path)
    karaoke, dry = KARAOKE.variants[1][0], NetworkFile("separation/dry.ckpt")  # of any size
    small = replace(separation_networks.DEREVERB, variants=((dry,),))
    monkeypatch.setattr(separation_networks, "DEREVERB", small)
    for file in (karaoke, dry):
        shutil.copy(made, file.path(folder))
        shutil.copy(made.with_suffix(".yaml"), file.path(folder).with_suffix(".yaml"))
    monkeypatch.setenv("URVC_MODELS_DIR", str(folder))
    monkeypatch.setenv("URVC_CACHE_DIR", str(tmp_path / "kept"))
    started = App(app_paths, leave=lambda _code: None)
    started.listen_panel.playback.make_player = lambda: Player(FakeDevice(RATE_HZ))
    started.start()
    yield started
    started.close()


def finished(qtbot: QtBot, app: App, count: int) -> Job:
    """The last take, once so many are finished."""
    qtbot.waitUntil(
        lambda: app.queue.rowCount() == count and not app.queue.is_busy, timeout=WAIT_MS
    )
    job = app.queue.jobs()[-1]
    assert job.state is JobState.FINISHED, job.message
    assert job.output is not None
    return job


def heard(qtbot: QtBot, app: App, n_frames: int) -> np.ndarray:
    """What the sound card gets from the beginning."""
    panel = app.listen_panel
    player = panel.playback.player
    assert player is not None
    panel.pause()
    player.seek(0.0)
    panel.toggle_play()
    device = player._device
    assert isinstance(device, FakeDevice)
    qtbot.waitUntil(lambda: player._stream is not None, timeout=WAIT_MS)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < n_frames:
        before = (
            panel.playback.player._order.mixer.position_s if panel.playback.player._order else 0.0
        )
        out = device.stream.play(1024)
        taken = round((player._order.mixer.position_s - before) * RATE_HZ) if player._order else 0
        parts.append(out[:taken])
        if taken < len(out):
            qtbot.wait(5)
    panel.pause()
    return np.concatenate(parts)[:n_frames]


def test_a_part_is_muted_live_and_the_mix_is_saved_without_separating_or_converting(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, 0.3 * song_samples(RATE_HZ), RATE_HZ, subtype="FLOAT")
    app.draft.set_file_kind(SONG)
    app.draft.set_song(CoverOptions(karaoke="on"))
    app.take([song])
    cover = finished(qtbot, app, 1)
    panel = app.listen_panel
    assert panel.mixer.toggle.isVisible()
    panel.mixer.toggle.click()
    qtbot.waitUntil(lambda: len(panel.lanes.rows) == 6 and panel.is_read, timeout=WAIT_MS)
    names = [row.button.text() for row in panel.lanes.rows]
    assert names == ["Source", "Result", "Lead", "Backing", "Room", "Instruments"]
    assert not panel.mixer.save.isEnabled()
    strips = {row.strip.part: row.strip for row in panel.lanes.rows if row.strip is not None}
    strips["backing"].mute.click()
    strips["lead"].level.setValue(-12)
    assert panel.mixer.save.isEnabled()
    assert panel.heard == 1
    live = heard(qtbot, app, RATE_HZ // 2)
    panel.mixer.save.click()
    assert not panel.mixer.save.isEnabled()  # a second click would make the same take again
    mix = finished(qtbot, app, 2)
    assert not panel.mixer.save.isEnabled()
    lead = next(row.strip for row in panel.lanes.rows if row.strip and row.strip.part == "lead")
    before = lead.level.value()
    lead.level.setValue(before + 1)
    assert panel.mixer.save.isEnabled()
    lead.level.setValue(before)
    assert mix.cover == CoverOptions(karaoke="on", lead_db=-6.0, backing_db=-60.0)
    assert {each.stage for each in mix.stages} <= {"load", "mix"}
    assert panel.heard == 1
    assert [row.button.text() for row in panel.lanes.rows[:3]] == ["Source", "Take 1", "Take 2"]
    written, _ = soundfile.read(mix.output, dtype="float32")
    factor = np.linalg.norm(live) / np.linalg.norm(written[: len(live)])
    np.testing.assert_allclose(live, factor * written[: len(live)], atol=1e-3)
    before, _ = soundfile.read(cover.output, dtype="float32")
    assert np.abs(before - written).max() > 1e-3
    panel.mixer.reset.click()
    assert panel.mixer.gains() is None


def test_the_level_of_a_take_ends_where_those_of_the_parts_do(qtbot: QtBot) -> None:
    lanes = LaneList(TimeAxis())
    qtbot.addWidget(lanes)
    lanes.resize(700, 200)
    source = Lane(SOURCE, "Source", "", PlayedFile(Path("song.wav")))
    lanes.show_lanes([source, part_lane("lead", Path("lead.wav"))])
    lanes.show_gains([-3.4, 0.0])
    lanes.show()
    ends = [
        widget.mapTo(lanes, widget.rect().topRight()).x()
        for widget in (lanes.rows[0].level, lanes.rows[1].strip)
        if widget is not None
    ]
    assert len(ends) == 2
    assert ends[0] == ends[1]


def test_levels_become_the_options_of_a_cover_that_sounds_the_same() -> None:
    cover = CoverOptions(backing="mute", lead_db=-3.0)
    levels = MixLevels.of(cover, ("lead", "backing", "instrumental"))
    assert levels.gains(cover) == {
        part: gain for part, gain in cover.gains().items() if part != "room"
    }
    assert levels.applied(cover) == cover
    unmuted = levels.with_muted("backing", muted=False).with_level("backing", -1.0)
    assert unmuted.applied(cover) == CoverOptions(lead_db=-3.0, backing_db=-1.0)
    alone = levels.with_soloed("lead", soloed=True)
    assert {part for part, gain in alone.gains(cover).items() if gain} == {"lead"}
    assert alone.with_soloed("lead", soloed=False) == levels
    silent = levels.with_level("instrumental", -60.0)
    assert silent.gains(cover)["instrumental"] == 0.0
