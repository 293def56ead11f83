"""An engine whose behaviour is spelt out in the names of the files it is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from desktop.queue.engine_protocol import Audition, AuditionOrder, Finished, Order
from desktop.queue.job import Job, StageTime, Voice
from desktop.queue.live_timings import LiveTimings
from engine.errors import AudioFileError, ConversionCancelled, Text
from engine.key import VoicePitch
from engine.optimization import OptimizationConfig
from engine.pipeline import Region
from engine.progress import CancelToken, StageProgress

VOICE = Voice("Aria", Path("aria.pth"), None, "aria")


def job(name: str = "song.wav", **changes: object) -> Job:
    """A job for a file that need not exist."""
    return Job(source=Path("folder", name), voice=VOICE, **changes)  # type: ignore[arg-type]


SLOW_S = 300.0
"""Longer than a test takes on a busy machine: such a source ends because it is cancelled."""


class FakeEngine:
    """``slow`` works until cancelled, ``bad`` fails as engines do, ``bug`` as programs do."""

    def __init__(self, optimization: OptimizationConfig | None = None) -> None:
        self.optimization = optimization
        self.done: list[str] = []
        self.tidied = 0
        self.unloaded = 0
        self.warmed: list[tuple[Voice, CancelToken]] = []
        self.learnt: list[Voice] = []
        self.auditions: list[AuditionOrder] = []
        self.warms_long = False
        self.threads: set[int] = set()

    def convert(self, order: Order, live: LiveTimings) -> Finished:
        self.threads.add(threading.get_ident())
        name = order.job.source.name
        live.source(2.0)
        live.stage_begins("content")
        if name.startswith("bad"):
            what = Text('Cannot read "{name}"', name=name)
            raise AudioFileError(what, "it is broken", "choose another file")
        if name.startswith("bug"):
            raise ZeroDivisionError("a mistake in /somewhere/private/file.py")
        if name.startswith("memory"):
            raise RuntimeError("CUDA out of memory")
        end_s = time.monotonic() + (SLOW_S if name.startswith("slow") else 0.0)
        while time.monotonic() < end_s:
            live.step(StageProgress("content", 0.1, "cpu", 0.25))
            live.stage_begins("synthesis")
            if order.cancel.cancelled:
                raise ConversionCancelled
            time.sleep(0.002)
        live.stage_ends("content", 0.5)
        self.done.append(name)
        stages = (StageTime("content", 0.5, "cpu"), StageTime("synthesis", 1.5, "cpu"))
        output = order.job.source.with_name(f"{order.job.source.stem} (Aria).wav")
        return Finished(order.job.id, output, 2.0, 2.0, stages, "cpu", 10**9, 10**8)

    def audition(self, order: AuditionOrder) -> Iterator[Audition]:
        self.auditions.append(order)
        end_s = time.monotonic() + (SLOW_S if order.source.name.startswith("slow") else 0.0)
        while time.monotonic() < end_s and not order.cancel.cancelled:
            time.sleep(0.002)
        order.cancel.raise_if_cancelled()
        if order.source.name.startswith("bad"):
            raise AudioFileError("Cannot read it", "it is broken", "choose another file")
        level = order.options.semitones / 100
        for piece in Region(order.start_s, order.stop_s).pieces(order.first_s):
            order.cancel.raise_if_cancelled()
            n = round(piece.stop_s * 40_000) - round(piece.start_s * 40_000)
            made = np.full(n, level, dtype=np.float32)
            yield Audition(made, 40_000, ("synthesis",), piece.start_s - order.start_s)

    def warm_up(self, voice: Voice, cancel: CancelToken) -> bool:
        self.warmed.append((voice, cancel))
        while self.warms_long and not cancel.cancelled:
            time.sleep(0.002)
        return not cancel.cancelled

    def learn_pitch(self, voice: Voice, cancel: CancelToken) -> VoicePitch | None:
        self.learnt.append(voice)
        while self.warms_long and not cancel.cancelled:
            time.sleep(0.002)
        cancel.raise_if_cancelled()
        return VoicePitch(220.0, 150.0, 320.0, "learnt")

    def tidy(self) -> None:
        self.tidied += 1

    def unload(self) -> None:
        self.unloaded += 1
