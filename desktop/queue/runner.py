"""Connects queue and worker: one job at a time, polls progress, frees memory when idle."""

from __future__ import annotations

import os

from PySide6.QtCore import QCoreApplication, QObject, Qt, QThread, QTimer, Signal

from desktop.queue.engine_protocol import (
    Audition,
    AuditionOrder,
    Cancelled,
    Finished,
    Learnt,
    MakeEngine,
    Order,
    Outcome,
)
from desktop.queue.job import Voice
from desktop.queue.job_queue import JobQueue
from desktop.queue.live_timings import LiveTimings
from desktop.queue.worker import ConverterEngine, Worker
from desktop.settings.store import Settings
from desktop.settings.table import IDLE_MINUTES
from engine.errors import Text
from engine.progress import CancelToken

LOOK_EVERY_MS = 50
"""Polling does not disturb the engine."""

_MINUTE_MS = 60_000


class JobRunner(QObject):
    """Runs the jobs of the queue.

    Parameters
    ----------
    make_engine : creates the engine, on the worker's thread

    Signals
    -------
    learnt : (Voice, VoicePitch or None)  see `learn`
    pitch_found : (Path, float32 [T])  the result of a job, and the pitch of its source
    auditioned : (AuditionOrder, Audition)  a piece, see `audition`; not of cancelled ones
    audition_ended : (AuditionOrder, Text or None)  why it failed; not for cancelled ones
    """

    auditioned = Signal(object, object)
    audition_ended = Signal(object, object)
    learnt = Signal(object, object)
    pitch_found = Signal(object, object)

    _ordered = Signal(object)
    _unload_wanted = Signal()
    _warm_up_wanted = Signal(object, object)
    _audition_wanted = Signal(object)
    _learning_wanted = Signal(object, object, object)

    def __init__(
        self, queue: JobQueue, settings: Settings, make_engine: MakeEngine = ConverterEngine
    ) -> None:
        super().__init__()
        self._queue = queue
        self._settings = settings
        self._order: Order | None = None
        self._live: LiveTimings | None = None
        self._closing = False
        self._warming = CancelToken()
        self._auditioning: AuditionOrder | None = None
        self._next_audition: AuditionOrder | None = None
        self._unknown: Voice | None = None
        self._tried: set[Voice] = set()
        self._thread = QThread()
        self._thread.setObjectName("converter")
        self._worker = Worker(make_engine)
        self._worker.moveToThread(self._thread)
        queued = Qt.ConnectionType.QueuedConnection
        self._ordered.connect(self._worker.work, queued)
        self._unload_wanted.connect(self._worker.unload, queued)
        self._warm_up_wanted.connect(self._worker.warm_up, queued)
        self._learning_wanted.connect(self._worker.learn, queued)
        self._audition_wanted.connect(self._worker.audition, queued)
        self._worker.auditioned.connect(self._on_auditioned, queued)
        self._worker.audition_ended.connect(self._on_audition_ended, queued)
        self._worker.learning_ended.connect(self._on_learning_ended, queued)
        self._worker.began.connect(self._on_began, queued)
        self._worker.ended.connect(self._on_ended, queued)
        self._look = QTimer(self, interval=LOOK_EVERY_MS)
        self._look.timeout.connect(self._on_look)
        self._idle = QTimer(self, singleShot=True)
        self._idle.timeout.connect(self._unload_wanted)
        queue.queue_changed.connect(self._take_next)
        queue.cancel_wanted.connect(self._on_cancel_wanted)
        self._thread.start()

    def start(self) -> None:
        """Start with the waiting jobs."""
        self._take_next()

    def learn(self, voice: Voice) -> None:
        """Learn the range of a voice while nothing is to be converted; tried once.

        A job that comes meanwhile goes first.
        """
        if voice not in self._tried and voice != self._unknown:
            self._unknown = voice
            self._learn_if_idle()

    def audition(self, order: AuditionOrder) -> None:
        """Convert a stretch for listening while nothing is to be converted.

        At most one is at work; a newer one replaces it, and every one that waits.
        """
        self.stop_audition()
        if self._order is not None or self._closing:
            return
        self._next_audition = order
        self._begin_audition()

    def stop_audition(self) -> None:
        """Cancel the audition that is running or waiting."""
        self._next_audition = None
        if self._auditioning is not None:
            self._auditioning.cancel.cancel()

    def _begin_audition(self) -> None:
        if self._auditioning is not None or self._next_audition is None:
            return
        self._auditioning, self._next_audition = self._next_audition, None
        self._warming.cancel()
        self._idle.start(self._settings.value(IDLE_MINUTES) * _MINUTE_MS)
        self._audition_wanted.emit(self._auditioning)

    def _on_auditioned(self, order: AuditionOrder, piece: Audition) -> None:
        if not self._closing and not order.cancel.cancelled:
            self.auditioned.emit(order, piece)

    def _on_audition_ended(self, order: AuditionOrder, problem: Text | None) -> None:
        self._auditioning = None
        if self._closing:
            return
        if not order.cancel.cancelled:
            self.audition_ended.emit(order, problem)
        self._begin_audition()

    def close(self, patience_s: float = 10.0) -> bool:
        """Stop the running job, end the thread and free its networks; True if it ended in time.

        The job is not marked as cancelled: it is offered again at the next start.
        """
        self._closing = True
        self._look.stop()
        self._idle.stop()
        self._warming.cancel()
        self.stop_audition()
        if self._order is not None:
            self._order.cancel.cancel()
        self._thread.quit()
        has_ended = self._thread.wait(int(patience_s * 1000))
        if has_ended:
            self._worker.unload()
        return has_ended

    def _take_next(self) -> None:
        if self._closing or self._order is not None:
            return
        job = self._queue.next_ready()
        if job is None:
            return
        self._idle.stop()
        self._warming.cancel()
        self.stop_audition()
        self._order = Order(job, self._settings.optimization(), CancelToken())
        self._queue.begin(job.id)
        self._ordered.emit(self._order)

    def _learn_if_idle(self) -> None:
        if self._unknown is None or self._order is not None or self._closing:
            return
        self._warming.cancel()
        self._warming = CancelToken()
        self._learning_wanted.emit(self._unknown, self._settings.optimization(), self._warming)
        self._idle.start(self._settings.value(IDLE_MINUTES) * _MINUTE_MS)

    def _on_learning_ended(self, voice: Voice, outcome: Learnt | None) -> None:
        self._tried.add(voice)
        if voice == self._unknown:
            self._unknown = None
        if outcome is not None and not self._closing:
            self.learnt.emit(voice, outcome.pitch)

    def _on_began(self, live: LiveTimings) -> None:
        if not self._closing and self._order is not None and not self._order.cancel.cancelled:
            self._live = live
            self._look.start()

    def _on_look(self) -> None:
        if self._live is not None:
            self._queue.set_progress(self._live.look())

    def _on_ended(self, outcome: Outcome) -> None:
        self._look.stop()
        self._live = None
        if self._closing:
            return
        order, self._order = self._order, None
        self._queue.finish(outcome)
        if isinstance(outcome, Finished) and outcome.f0_hz is not None:
            self.pitch_found.emit(outcome.output, outcome.f0_hz)
        self._take_next()
        if self._order is None:
            self._idle.start(self._settings.value(IDLE_MINUTES) * _MINUTE_MS)
            if self._unknown is not None:
                self._learn_if_idle()
            elif order is not None and isinstance(outcome, Finished):
                self._warming = CancelToken()
                self._warm_up_wanted.emit(order.job.voice, self._warming)

    def _on_cancel_wanted(self, job_id: str) -> None:
        if self._order is None or self._order.job.id != job_id:
            return
        self._order.cancel.cancel()
        if not self._worker.has_engine:
            # Nothing can interrupt the import of torch, but the job will not be converted.
            self._look.stop()
            self._live = None
            self._queue.finish(Cancelled(job_id))


def force_exit(code: int) -> None:
    """End the process while the engine is still inside a long step.

    A result gets its name only when complete, so no partial file is left under it. A thread cannot
    be ended from outside safely, a process can.
    """
    QCoreApplication.sendPostedEvents()
    os._exit(code)
