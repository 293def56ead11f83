"""How long the window's thread is ever kept from its turn: ``python -m tests.desktop.heartbeat``.

The whole app runs off screen with the real engine. A timer wants its turn every 5 ms; how late it
gets it is how long a click would have waited. The kernel tells how much of that the thread worked,
and how much it was ready and no core was free; the rest it waited for a lock or a disk. Before and
after everything an empty event loop is measured, which tells what the machine alone does.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import soundfile
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from desktop.app import App
from desktop.listen import loop_player
from desktop.listen.output_device import EndCallback, FillCallback, OutputStream
from desktop.listen.player import Player
from desktop.queue.job import Job, JobState
from desktop.shell.application import Application
from desktop.storage import AppPaths, sample_file
from engine.device import prepare_environment

BEAT_MS = 5
SUSPECT_S = 0.04
_LONG_RATE_HZ = 22_050


class Beat(NamedTuple):
    """One turn of the timer: seconds since the one before it.

    Attributes
    ----------
    late_s : how long it had to wait
    worked_s : the thread was on a core
    queued_s : it was ready, and every core had other work
    """

    late_s: float
    worked_s: float
    queued_s: float

    @property
    def own_s(self) -> float:
        """How late it would have been on a machine that has nothing else to do."""
        return max(0.0, self.late_s - self.queued_s)

    @property
    def waited_s(self) -> float:
        """It waited for a lock, a disk or another thread, if it was late."""
        return max(0.0, self.late_s - self.worked_s - self.queued_s)


class Heart:
    """Beats on the thread that makes it; a second thread notes what all did when it was late."""

    def __init__(self) -> None:
        self.beats: list[Beat] = []
        self.stacks: list[tuple[float, str]] = []
        self._beat_s = time.perf_counter()
        self._spent = thread_times_s()
        self._on = False
        self._timer = QTimer(interval=BEAT_MS)
        self._timer.timeout.connect(self._beat)
        threading.Thread(target=self._watch, daemon=True).start()

    def start(self) -> None:
        """Forget what was."""
        self.beats.clear()
        self.stacks.clear()
        self._beat_s = time.perf_counter()
        self._spent = thread_times_s()
        self._on = True
        self._timer.start()

    def stop(self) -> None:
        """Hold on."""
        self._timer.stop()
        self._on = False

    def _beat(self) -> None:
        now_s, spent = time.perf_counter(), thread_times_s()
        late_s = max(0.0, now_s - self._beat_s - BEAT_MS / 1000)
        worked_s, queued_s = (now - before for now, before in zip(spent, self._spent, strict=True))
        self.beats.append(Beat(late_s, worked_s, queued_s))
        self._beat_s, self._spent = now_s, spent

    def _watch(self) -> None:
        noted_s = 0.0
        while True:
            time.sleep(0.01)
            beat_s = self._beat_s
            if self._on and time.perf_counter() - beat_s > SUSPECT_S and beat_s != noted_s:
                noted_s = beat_s
                late_s = time.perf_counter() - beat_s
                self.stacks.append((late_s, all_stacks()))


def thread_times_s() -> tuple[float, float]:
    """Seconds that this thread was on a core, and was ready for one; only Linux tells (else 0)."""
    try:
        worked, queued, _ = Path("/proc/thread-self/schedstat").read_text().split()
    except OSError:
        return 0.0, 0.0
    return int(worked) / 1e9, int(queued) / 1e9


def all_stacks() -> str:
    """What every thread does; taken in C, for a frame held here would keep its painter alive.

    A thread that held Python's lock for long is found at, or just after, the line that did.
    """
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        threads = [text.splitlines()[1:5] for text in file.read().split("\n\n")]
    return "\n".join(line for lines in threads for line in ("-", *lines) if "heartbeat" not in line)


def wait(condition: Callable[[], bool], longest_s: float) -> None:
    """Let the app run until a state or a time is reached."""
    end_s = time.monotonic() + longest_s
    while not condition() and time.monotonic() < end_s:
        QApplication.processEvents()
        time.sleep(0.001)


@contextmanager
def measured(heart: Heart, name: str) -> Iterator[None]:
    """Print percentiles of how late the beats inside were, and what the latest waited for."""
    heart.start()
    yield
    heart.stop()
    beats = heart.beats or [Beat(0.0, 0.0, 0.0)]
    late_ms = np.array([beat.late_s for beat in beats]) * 1000
    figures = "  ".join(f"{np.percentile(late_ms, p):6.1f}" for p in (50, 99, 99.9, 100))
    over = int((late_ms > 50).sum())
    own_ms = 1000 * max(beat.own_s for beat in beats)
    print(
        f"{name:<44} {len(late_ms):>6} beats  {figures} ms  {over} over 50 ms"
        f"  without the waits for a core {own_ms:.1f} ms",
        flush=True,
    )
    worst = {*sorted(beats)[-2:], max(beats, key=lambda beat: beat.own_s)}
    for beat in sorted(worst, reverse=True):
        worked, queued, waited = (
            round(1000 * each) for each in (beat.worked_s, beat.queued_s, beat.waited_s)
        )
        print(
            f"    {1000 * beat.late_s:.0f} ms late: worked {worked}, no free core {queued}, "
            f"waited for others {waited}"
        )
    for late_s, stack in sorted(heart.stacks, reverse=True)[:3]:
        print(f"    seen after {late_s * 1000:.0f} ms\n    " + stack.replace("\n", "\n    "))


def write_long(path: Path, hours: float) -> Path:
    """Tones and pauses, written fast."""
    minute = np.zeros(60 * _LONG_RATE_HZ, dtype=np.float32)
    seconds = np.arange(20 * _LONG_RATE_HZ) / _LONG_RATE_HZ
    minute[: len(seconds)] = 0.3 * np.sin(2 * np.pi * 220 * seconds)
    with soundfile.SoundFile(path, "w", _LONG_RATE_HZ, 1, format="FLAC") as file:
        for _ in range(round(hours * 60)):
            file.write(minute)
    return path


def conversion(app: App, heart: Heart, folder: Path) -> None:
    """The first one, which loads everything, and another."""
    source = Path(shutil.copy(sample_file(), folder / "song.wav"))
    for name in ("first conversion (loads torch, networks)", "conversion, loaded"):
        with measured(heart, name):
            app.window.take([source])
            wait(lambda: not app.queue.is_busy, 60)
    app.queue.clear_over()


def many(app: App, heart: Heart, folder: Path, count: int) -> None:
    """A folder of many files: added, converted for a while, cancelled, cleared."""
    source = sample_file()
    where = folder / "many"
    where.mkdir()
    for number in range(count):
        (where / f"song {number:04d}.wav").symlink_to(source)
    with measured(heart, f"{count} files dropped"):
        app.window.take([where])
        wait(lambda: app.queue.rowCount() == count, 30)
        wait(lambda: False, 1)
    with measured(heart, f"{count} files being converted, 40 s"):
        wait(lambda: False, 40)
    with measured(heart, f"{count} files cancelled"):
        app.window.cancel_all()
        wait(lambda: not app.queue.is_busy, 30)
    with measured(heart, f"{count} files tried again and cancelled"):
        app.queue.retry([job.id for job in app.queue.jobs()])
        wait(lambda: False, 1)
        app.window.cancel_all()
        wait(lambda: not app.queue.is_busy, 30)
    with measured(heart, f"{count} files removed one selection"):
        app.window.queue_view.selectAll()
        app.window.remove_selected()
        wait(lambda: False, 1)


def long_file(app: App, heart: Heart, folder: Path, hours: float) -> None:
    """A file of hours: its waveform is read while it is being converted."""
    source = write_long(folder / "long.flac", hours)
    with measured(heart, f"{hours:g} hours: waveform and conversion, 90 s"):
        app.window.take([source])
        wait(lambda: False, 90)
    with measured(heart, f"{hours:g} hours: cancelled"):
        app.window.cancel_all()
        wait(lambda: not app.queue.is_busy, 60)


class TimedStream:
    """Asks for sound as often as a sound card would."""

    rate_hz = 48_000
    latency_s = 0.0

    def __init__(self, fill: FillCallback, ended: EndCallback) -> None:
        self._fill, self._ended = fill, ended
        self._over = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._work, daemon=True).start()

    def close(self) -> None:
        self._over.set()

    def _work(self) -> None:
        out = np.zeros((512, 2), dtype=np.float32)
        while not self._over.wait(len(out) / self.rate_hz):
            if not self._fill(out):
                self._ended()
                return


class TimedDevice:
    """A sound card that nobody hears."""

    def open(self, fill: FillCallback, ended: EndCallback) -> OutputStream:
        return TimedStream(fill, ended)


def add_takes(app: App, folder: Path, count: int) -> str:
    """Three takes of an hour among many rows; what to call them."""
    source = write_long(folder / "hour.flac", 1.0)
    takes = [Path(shutil.copy(source, folder / f"take {k}.flac")) for k in range(3)]
    voice = app.draft.voice
    made = [Job(source=source, voice=voice, state=JobState.FINISHED, output=path) for path in takes]
    rows = [
        Job(source=folder / f"{k}.wav", voice=voice, state=JobState.FINISHED) for k in range(count)
    ]
    app.queue.add([*made, *rows])
    return f"1 hour, {count} rows: "


def listening(app: App, heart: Heart, folder: Path, count: int) -> None:
    """Takes of a long source: read, played, flipped, zoomed, looped."""
    panel = app.listen_panel
    panel.playback.make_player = lambda: Player(TimedDevice())
    named = add_takes(app, folder, count)
    with measured(heart, named + "waveforms read while playing"):
        app.window.queue_view.select_job(app.queue.jobs()[0].id)
        panel.toggle_play()
        wait(lambda: panel.is_read, 300)
    assert panel.is_read
    assert panel.is_playing

    def every(ms: int, act: Callable[[int], object], longest_s: float) -> None:
        steps = iter(range(10_000))
        timer = QTimer(interval=ms)
        timer.timeout.connect(lambda: act(next(steps)))
        timer.start()
        wait(lambda: False, longest_s)
        timer.stop()

    with measured(heart, named + "flipped 10 times a second"):
        every(100, lambda k: panel.choose(k % 4), 10)
    with measured(heart, named + "zoomed and scrolled"):
        every(50, lambda k: panel.foot.zoom_in() if k % 40 < 20 else panel.foot.zoom_out(), 10)
    with measured(heart, named + "sought 5 times a second"):
        every(200, lambda k: panel.seek_by(300.0 if k % 10 < 5 else -290.0), 10)
    lane = panel.lanes.rows[1].view
    with measured(heart, named + "loops selected"):
        every(500, lambda k: lane.selected.emit((60.0 * k, 60.0 * k + 20)), 10)
    panel.pause()
    app.queue.remove([job.id for job in app.queue.jobs()])


def auditioning(app: App, heart: Heart, folder: Path, count: int) -> None:
    """A long source, heard in other keys as fast as the engine converts it."""
    named = add_takes(app, folder, count)
    audition, draft = app.audition, app.draft
    with measured(heart, named + "first audition (loads torch, networks)"):
        app.window.queue_view.select_job(app.queue.jobs()[0].id)
        audition.toggle()
        wait(lambda: audition.is_heard and not audition.is_rendering, 3600)
    assert audition.is_heard
    with measured(heart, named + "audition in 12 other keys"):
        for key in range(12):
            draft.set_options(draft.options.with_values({"semitones": float(key + 1)}))
            wait(lambda: not audition.is_rendering, 60)
    field = app.window.areas.voice_panel.rows["semitones"].slider  # type: ignore[attr-defined]
    with measured(heart, named + "audition while its slider is dragged"):
        end_s = time.monotonic() + 20
        while time.monotonic() < end_s:
            field.setValue(field.minimum() + (field.value() + 1) % field.maximum())
            wait(lambda: False, 0.05)
    audition.stop()
    app.queue.remove([job.id for job in app.queue.jobs()])


def main() -> None:
    """Run what is asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.desktop.heartbeat")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--only", choices=("conversion", "many", "long", "listen", "audition"))
    given = parser.parse_args()
    prepare_environment()
    loop_player.PortAudioDevice = TimedDevice  # type: ignore[misc, assignment]
    application = Application(["heartbeat"])
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        app = App(AppPaths(folder / "app", folder / "app/cache", folder / "app/logs"))
        app.start()
        heart = Heart()
        wait(lambda: False, 1)
        with measured(heart, "nothing to do, 10 s"):
            wait(lambda: False, 10)
        if given.only in (None, "conversion"):
            conversion(app, heart, folder)
        if given.only in (None, "many"):
            many(app, heart, folder, given.files)
        if given.only in (None, "long"):
            long_file(app, heart, folder, given.hours)
        if given.only in (None, "listen"):
            listening(app, heart, folder, given.files)
        if given.only in (None, "audition"):
            auditioning(app, heart, folder, given.files)
        with measured(heart, "nothing to do again, 10 s"):
            wait(lambda: False, 10)
        app.close()
        application.processEvents()


if __name__ == "__main__":
    main()
