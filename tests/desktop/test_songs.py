"""A whole song in the app: separated, converted, mixed back; it waits for its network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtWidgets import QCheckBox
from pytestqt.qtbot import QtBot

from desktop.app import App
from desktop.listen.loop_player import LoopPlayer
from desktop.queue.job import Job, JobState, job_from_record, job_to_record
from desktop.queue.job_text import describe_job, settings_text
from desktop.queue.needs_panel import NeedsPanel
from desktop.queue.worker import ConverterEngine
from desktop.settings.store import Settings
from desktop.storage import AppPaths
from desktop.voices.draft import SONG, VOCALS, VOICE, Draft
from desktop.voices.option_controls import NumberRow
from desktop.voices.voice_list import VoiceList
from desktop.voices.voice_panel import VoicePanel
from engine.cover.options import COVER_OPTIONS, CoverOptions
from engine.cover.parts import PartCache
from tests.desktop.fake_engine import FakeEngine, job
from tests.desktop.listen.fake_device import FakeDevice
from tests.engine.separation.small_networks import write_network
from tests.sound import starter_speech

WAIT_MS = 60_000


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    (folder / "separation").mkdir(parents=True)
    monkeypatch.setenv("URVC_MODELS_DIR", str(folder))
    monkeypatch.setenv("URVC_CACHE_DIR", str(tmp_path / "kept"))
    return folder


@pytest.fixture
def start(app_paths: AppPaths, models: Path, qtbot: QtBot) -> Iterator[Callable[..., App]]:
    made: list[App] = []

    def make(engine: type = ConverterEngine) -> App:
        app = App(app_paths, engine, leave=lambda _code: None)
        made.append(app)
        app.start()
        return app

    yield make
    for app in made:
        app.close()


def song(folder: Path, seconds: float = 1.6, name: str = "A song 歌.wav") -> Path:
    """Speech in the middle, chords on the sides."""
    n = round(seconds * 44_100)
    voice = np.resize(starter_speech(44_100), n)
    time_s = np.arange(n) / 44_100
    sides = sum(0.08 * np.sin(2 * np.pi * hz * time_s) for hz in (110.0, 138.6, 164.8))
    soundfile.write(folder / name, np.stack([voice + sides, voice - sides], 1), 44_100)
    return folder / name


def install(models: Path, folder: Path) -> None:
    write_network("htdemucs", folder).rename(models / "separation" / "04573f0d.safetensors")


def over(app: App) -> bool:
    return app.queue.rowCount() > 0 and not app.queue.is_busy


def test_a_song_becomes_its_cover_once_the_network_is_there(
    start: Callable[..., App], models: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    app = start()
    app.draft.set_file_kind(SONG)
    app.take([song(tmp_path, 0.8)])
    (waiting,) = app.queue.jobs()
    assert waiting.state is JobState.NEEDS_NETWORKS
    assert waiting.needs == ("vocals-fast",)
    needs = app.window.detail.needs
    assert "song" in needs.text
    assert needs.download.text() == "Download 84 MB"
    install(models, tmp_path)
    app.queue.look_for_networks()  # as a download does at its end
    qtbot.waitUntil(lambda: over(app), timeout=WAIT_MS)
    (made,) = app.queue.jobs()
    assert made.state is JobState.FINISHED, made.message
    assert made.output == tmp_path / "A song 歌 (Starter).wav"
    assert soundfile.info(made.output).channels == 2
    assert {"decode", "separate", "content", "synthesis", "mix"} <= {s.stage for s in made.stages}
    in_stages_s = sum(each.seconds for each in made.stages)
    assert 0.5 * made.taken_s < in_stages_s <= made.taken_s * 1.01
    assert set(app.window.detail.timings.bar_widths()) >= {"separate", "mix"}
    # Another key of the same song: separated already.
    app.draft.set_options(app.draft.options.with_values({"semitones": 12}))
    app.take([made.source])
    qtbot.waitUntil(lambda: over(app), timeout=WAIT_MS)
    again = app.queue.jobs()[1]
    assert again.state is JobState.FINISHED
    assert "separate" not in {each.stage for each in again.stages}
    # Other levels of the same cover: converted already, too.
    app.draft.set_song(app.draft.song.with_values({"instrumental_db": -6.0}))
    app.take([made.source])
    qtbot.waitUntil(lambda: over(app), timeout=WAIT_MS)
    quieter = app.queue.jobs()[2]
    assert quieter.state is JobState.FINISHED
    assert {each.stage for each in quieter.stages} == {"mix"}
    parts = PartCache().find(quieter.parts)
    assert parts is not None
    assert quieter.parts == again.parts != made.parts
    assert set(parts.paths) == {"instrumental", "lead"}


def test_a_song_is_auditioned_before_it_is_converted(
    start: Callable[..., App], models: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    app = start()
    device = FakeDevice()
    app.audition._make_player = lambda: LoopPlayer(device)
    app.draft.set_file_kind(SONG)
    source = song(tmp_path, 2.0)
    app.queue.add([Job(source=source, voice=app.draft.voice, state=JobState.CANCELLED)])
    app.window.queue_view.select_job(app.queue.jobs()[0].id)
    with qtbot.waitSignal(app.audition.problem, timeout=WAIT_MS) as told:
        app.window.areas.audition.click()
    assert "not installed (84.1 MB)" in (told.args or [""])[0]
    install(models, tmp_path)
    app.window.areas.audition.click()
    qtbot.waitUntil(lambda: app.audition.is_heard, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not app.audition.is_rendering, timeout=WAIT_MS)
    first = app.audition.heard
    assert first is not None
    assert {"decode", "separate", "synthesis", "mix"} <= set(first.stages)
    app.draft.set_song(CoverOptions(lead_db=-60.0))
    qtbot.waitUntil(
        lambda: app.audition.heard is not first and not app.audition.is_rendering, timeout=WAIT_MS
    )
    second = app.audition.heard
    assert second is not None
    assert not {"decode", "separate", "pitch", "content"} & set(second.stages)
    assert first.samples.shape == second.samples.shape == (2 * 44_100, 2)
    assert np.abs(first.samples - second.samples).max() > 0.01
    assert list(tmp_path.glob("*(Starter)*")) == []


def test_vocals_and_an_own_instrumental_need_no_network(
    start: Callable[..., App], tmp_path: Path, qtbot: QtBot
) -> None:
    app = start()
    source = song(tmp_path, 1.0)
    instrumental = Path(shutil.copy(source, tmp_path / "instrumental.wav"))
    app.draft.set_file_kind(VOCALS)
    app.draft.set_song(CoverOptions(instrumental=instrumental))
    app.take([source])
    qtbot.waitUntil(lambda: over(app), timeout=WAIT_MS)
    (made,) = app.queue.jobs()
    assert made.state is JobState.FINISHED, made.message
    assert made.output is not None
    mixed, _ = soundfile.read(made.output)
    before, _ = soundfile.read(instrumental)
    sides = [each[:, 0] - each[:, 1] for each in (mixed, before)]
    assert len(mixed) == len(before)
    assert np.abs(mixed - before).max() > 0.01
    assert np.corrcoef(*sides)[0, 1] > 0.9


def test_a_song_is_cancelled_at_once_while_it_is_separated(
    start: Callable[..., App], models: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    install(models, tmp_path)
    app = start()
    app.draft.set_file_kind(SONG)
    app.take([song(tmp_path, 60.0)])

    def separating() -> bool:
        running = app.queue.running()
        progress = running and app.queue.progress(running.id)
        return bool(progress) and progress.stage == "separate"

    qtbot.waitUntil(separating, timeout=WAIT_MS)
    app.window.cancel_all()
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    (given_up,) = app.queue.jobs()
    assert given_up.state is JobState.CANCELLED
    assert [each.name for each in tmp_path.glob("*(Starter)*")] == []
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


class Bench:
    """The side panel with what it needs."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.settings = Settings(folder / "settings.json", {})
        self.voices = VoiceList(folder / "voices")
        self.draft = Draft(self.settings, self.voices)
        self.panel = VoicePanel(self.draft, self.voices, self.settings)
        qtbot.addWidget(self.panel)
        self.panel.show()
        self.songs = self.panel.songs

    def choose(self, place: int) -> None:
        self.songs.kind.setCurrentIndex(place)
        self.songs.kind.activated.emit(place)

    def job(self) -> Job:
        (made,) = self.draft.make_jobs([Path("song.wav")])
        return made


def test_what_a_file_is_and_its_mix_are_chosen_in_the_panel_and_remembered(
    qtbot: QtBot, tmp_path: Path
) -> None:
    bench = Bench(qtbot, tmp_path)
    assert bench.job().cover is None
    assert not any(row.isVisible() for row in bench.songs.rows.values())
    bench.choose(1)
    assert bench.job().cover == CoverOptions()
    assert bench.songs.rows["quality"].isVisible()
    assert not bench.songs.rows["lead_db"].isVisible()
    bench.songs.mix.click()
    lead = bench.songs.rows["lead_db"]
    assert isinstance(lead, NumberRow)
    lead.field.setValue(-4.5)
    bench.songs.rows["keep_stems"].findChild(QCheckBox).click()
    assert bench.job().cover == CoverOptions(lead_db=-4.5, keep_stems=True)
    bench.draft.set_song(bench.draft.song.with_values({"instrumental": tmp_path / "one.wav"}))
    bench.settings.flush()
    later = Bench(qtbot, tmp_path)
    assert later.draft.file_kind == SONG
    # The instrumental of one song is not that of the next.
    assert later.job().cover == CoverOptions(lead_db=-4.5, keep_stems=True)
    later.choose(2)
    assert not later.songs.rows["quality"].isVisible()
    assert later.job().cover == CoverOptions(source_kind="vocals", lead_db=-4.5, keep_stems=True)
    later.choose(0)
    assert later.draft.file_kind == VOICE
    assert later.job().cover is None


def test_backing_voices_are_kept_or_sung_by_the_same_or_another_voice_or_muted(
    qtbot: QtBot, tmp_path: Path
) -> None:
    bench = Bench(qtbot, tmp_path)
    bench.choose(1)
    assert not bench.songs.backing_voice.isVisible()
    bench.draft.set_song(CoverOptions(backing="convert"))
    choice = bench.songs.backing_voice
    assert choice.isVisible()
    assert [choice.itemText(row) for row in range(choice.count())] == ["The same voice", "Starter"]
    assert bench.job().backing_voice is None
    choice.setCurrentIndex(1)
    choice.activated.emit(1)
    starter = bench.voices.voices()[0]
    asked = bench.job()
    assert asked.backing_voice == starter
    assert settings_text(asked).endswith(" · Backing voices Convert · backing by Starter")
    assert job_from_record(job_to_record(asked)) == asked
    assert asked.again().backing_voice == starter
    bench.settings.flush()
    later = Bench(qtbot, tmp_path)
    assert later.job().backing_voice == starter
    assert later.songs.backing_voice.currentText() == "Starter"
    later.draft.set_song(CoverOptions(backing="mute"))
    assert later.job().backing_voice is None
    assert not later.songs.backing_voice.isVisible()
    later.draft.set_song(CoverOptions(backing="convert"))
    later.songs.backing_voice.activated.emit(0)
    assert later.job().backing_voice is None


def test_backing_voices_are_sung_by_the_voice_of_the_job(
    start: Callable[..., App], models: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    lead = models / "separation" / "bs_roformer_karaoke_frazer_becruily.ckpt"
    made = write_network("mel", tmp_path)
    made.with_suffix(".yaml").rename(lead.with_suffix(".yaml"))
    made.rename(lead)
    app = start()
    app.draft.set_file_kind(VOCALS)
    app.draft.set_song(CoverOptions(karaoke="on", backing="convert"))
    source = song(tmp_path, 0.5)
    starter = app.voices.voices()[0]
    plain = replace(starter, index=None)
    (asked,) = app.draft.make_jobs([source])
    app.queue.add([asked, replace(asked.another_take(), backing_voice=plain)])
    assert [each.needs for each in app.queue.jobs()] == [(), ()]
    qtbot.waitUntil(lambda: over(app), timeout=WAIT_MS)
    same, other = app.queue.jobs()
    assert same.state is other.state is JobState.FINISHED, (same.message, other.message)
    parts = [PartCache().find(each.parts) for each in (same, other)]
    assert parts[0] is not None
    assert parts[1] is not None
    lead, backing = (
        [soundfile.read(each.paths[part])[0] for each in parts if each is not None]
        for part in ("lead", "backing")
    )
    np.testing.assert_array_equal(lead[0], lead[1])
    assert np.abs(backing[0] - backing[1]).max() > 1e-4


def test_every_setting_of_a_cover_has_a_control(qtbot: QtBot, tmp_path: Path) -> None:
    rows = Bench(qtbot, tmp_path).songs.rows
    assert rows.keys() == {each.name for each in COVER_OPTIONS} - {"source_kind"}


def test_the_queue_keeps_what_a_song_is_asked_to_be_and_reads_older_queues() -> None:
    asked = CoverOptions(backing="mute", room_db=-9.0, instrumental=Path("/m/bed.wav"))
    made = job(cover=asked)
    record = job_to_record(made)
    found = job_from_record(record)
    assert found is not None
    assert found.cover == asked
    assert found.again().cover == asked
    assert job_from_record(record | {"cover": {"backing": "shout"}}).cover == CoverOptions()  # type: ignore[union-attr]
    del record["cover"]  # as written before there were songs
    older = job_from_record(record)
    assert older is not None
    assert older.cover is None
    assert older.options == made.options


def test_a_row_says_that_it_is_a_song_and_how_it_is_mixed() -> None:
    made = job(cover=CoverOptions(backing="mute", quality="best"))
    assert settings_text(made) == " · whole song · Separation Best · Backing voices Mute"
    assert "whole song" in describe_job(made)
    assert settings_text(job()) == ""


@pytest.mark.parametrize(
    ("cover", "needs"),
    [
        (CoverOptions(quality="best"), ("vocals-best",)),
        (CoverOptions(karaoke="on"), ("vocals-fast", "karaoke")),
        (CoverOptions(source_kind="vocals"), ()),
        (None, ()),
    ],
)
def test_a_song_waits_for_the_networks_that_it_cannot_do_without(
    start: Callable[..., App], cover: CoverOptions | None, needs: tuple[str, ...]
) -> None:
    app = start(FakeEngine)
    starter = app.voices.voices()[0]
    (lacking,) = app.needs.missing([Job(source=Path("a.wav"), voice=starter, cover=cover)])
    assert lacking[: len(needs)] == needs
    assert bool(lacking) == bool(needs)


@pytest.mark.parametrize(
    ("needs", "says"),
    [(("content", "pitch"), "“Aria” needs"), (("vocals-fast", "content"), "Separating this song")],
)
def test_a_song_that_waits_says_whether_its_separation_or_its_voice_lacks_networks(
    qtbot: QtBot, needs: tuple[str, ...], says: str
) -> None:
    panel = NeedsPanel()
    qtbot.addWidget(panel)
    panel.show_job(job(cover=CoverOptions(), needs=needs), None)
    assert panel.text.startswith(says)


def is_found(app: App, text: str) -> bool:
    return text in app.window.notice.text


def test_a_dropped_song_is_suggested_as_one_and_becomes_one_when_asked_to(
    start: Callable[..., App], tmp_path: Path, qtbot: QtBot
) -> None:
    app = start(FakeEngine)
    app.take([song(tmp_path, 35.0, "slow.wav"), song(tmp_path, 2.0, "short.wav")])
    qtbot.waitUntil(lambda: is_found(app, "slow.wav"), timeout=WAIT_MS)
    assert "whole song" in app.window.notice.text
    assert [each.cover for each in app.queue.jobs()] == [None, None]
    assert app.draft.file_kind == VOICE  # nothing is changed unasked
    app.window.notice.buttons()[1].click()
    songs = [each for each in app.queue.jobs() if each.cover is not None]
    assert [each.source.name for each in songs] == ["slow.wav"]
    assert app.draft.file_kind == SONG
    qtbot.waitUntil(lambda: not app.queue.is_busy, timeout=WAIT_MS)
    voices = {each.source.name: each.state for each in app.queue.jobs() if each.cover is None}
    assert voices == {"slow.wav": JobState.CANCELLED, "short.wav": JobState.FINISHED}
