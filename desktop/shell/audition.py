"""Audition: a few seconds of the selected file in the present settings, looped.

Each change of the settings converts the stretch again, from what is just heard on; each piece is
heard as soon as it is there. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from desktop.listen.loop_sound import LoopSound
from desktop.listen.stretch import Stretch
from desktop.queue.engine_protocol import Audition as AuditionResult
from desktop.queue.engine_protocol import AuditionOrder
from desktop.queue.job import Job
from desktop.settings.store import Settings
from desktop.translation import translate
from desktop.voices.draft import Draft
from engine.errors import Text

if TYPE_CHECKING:
    from desktop.listen.loop_player import LoopPlayer
    from desktop.queue.runner import JobRunner

_SETTLE_MS = 120
"""A slider that is being dragged does not order a conversion at each of its steps."""


class Audition(QObject):
    """Converts and loops a stretch of one source while it is switched on.

    Parameters
    ----------
    stretch_of : the stretch of a job's source to be heard; None while it cannot be told
    make_player : replaced in tests

    Signals
    -------
    state_changed : it was switched on or off, or is heard from now on
    moved : (float)  the position in the source, in seconds
    problem : (str)  why there is nothing to be heard
    """

    state_changed = Signal()
    moved = Signal(float)
    problem = Signal(str)

    def __init__(
        self,
        runner: JobRunner,
        draft: Draft,
        settings: Settings,
        stretch_of: Callable[[Job], Stretch | None],
        make_player: Callable[[], LoopPlayer] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner, self._draft, self._settings = runner, draft, settings
        self._stretch_of = stretch_of
        self._make_player = make_player
        self._player: LoopPlayer | None = None
        self._job: Job | None = None
        self._shown: Job | None = None
        self._busy = False
        self._stretch: Stretch | None = None
        self._order: AuditionOrder | None = None
        self._sound = LoopSound()
        self._at_s = 0.0
        self.heard: AuditionResult | None = None
        self._soon = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._soon.timeout.connect(self._render)
        draft.changed.connect(self._on_settings)
        runner.auditioned.connect(self._on_auditioned)
        runner.audition_ended.connect(self._on_ended)

    @property
    def stretch(self) -> Stretch | None:
        """What is auditioned; None while it is switched off."""
        return self._stretch

    @property
    def is_heard(self) -> bool:
        """Whether it can be heard already."""
        return self.heard is not None and self._stretch is not None

    @property
    def is_rendering(self) -> bool:
        """Whether more pieces in the present settings are to come."""
        return self._order is not None or self._soon.isActive()

    @property
    def is_busy(self) -> bool:
        """Whether the engine belongs to the jobs."""
        return self._busy

    @property
    def can_start(self) -> bool:
        """Whether there is something to audition now."""
        return self._shown is not None and not self._busy

    @Slot(object)
    def set_job(self, job: Job | None) -> None:
        """Follow the selection; another source switches it off."""
        before, self._shown = self._shown, job
        if job is None or (before is not None and job.source != before.source):
            self.stop()
        self.state_changed.emit()

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Leave the engine to the jobs."""
        self._busy = busy
        if busy:
            self.stop()
        self.state_changed.emit()

    @Slot()
    def toggle(self) -> None:
        """Switch it on or off."""
        if self._stretch is not None:
            self.stop()
        elif self._shown is not None and self.can_start:
            self.start(self._shown)
        else:
            self.state_changed.emit()  # the button was pressed down

    def start(self, job: Job) -> None:
        """Audition a job's source; of a song, as its cover would sound."""
        stretch = self._stretch_of(job)
        if stretch is None:
            return
        self.stop()
        self._job, self._stretch = job, stretch
        self._ready_player()  # now: once the engine loads its libraries, an import would wait
        self._render()
        self.state_changed.emit()

    @Slot()
    def stop(self) -> None:
        """Switch it off."""
        if self._stretch is None:
            return
        self._job = self._stretch = self._order = self.heard = None
        self._sound, self._at_s = LoopSound(), 0.0
        self._soon.stop()
        self._runner.stop_audition()
        if self._player is not None:
            self._player.stop()
        self.state_changed.emit()

    def restart(self) -> None:
        """Audition another stretch of the same source, if it is switched on."""
        if self._job is not None:
            self.start(self._job)

    def close(self) -> None:
        """Stop, and end the thread, before the app quits."""
        self.stop()
        if self._player is not None:
            self._player.close()

    def _ready_player(self) -> LoopPlayer:
        if self._player is None:
            from desktop.listen.loop_player import LoopPlayer

            self._player = (self._make_player or LoopPlayer)()
            self._player.setParent(self)
            self._player.problem.connect(self._on_problem)
            self._player.moved.connect(self._on_moved)
        return self._player

    @Slot()
    def _on_settings(self) -> None:
        if self._stretch is not None:
            self._soon.start()

    @Slot()
    def _render(self) -> None:
        if self._job is None or self._stretch is None:
            return
        self._order = AuditionOrder(
            self._job.source,
            *self._stretch,
            self._draft.voice,
            self._draft.options,
            self._settings.optimization(),
            self._draft.cover,
            self._draft.backing_voice,
            self._stretch[0] + self._at_s,
        )
        self._sound.begin()
        self._runner.audition(self._order)

    @Slot(object, object)
    def _on_auditioned(self, order: AuditionOrder, piece: AuditionResult) -> None:
        if order is not self._order:
            return
        self.heard = piece
        sound = self._sound.put(piece.start_s, piece.samples, piece.rate_hz)
        self._ready_player().play(sound, piece.rate_hz)
        self.state_changed.emit()

    @Slot(object, object)
    def _on_ended(self, order: AuditionOrder, problem: Text | None) -> None:
        if order is not self._order:
            return
        self._order = None
        if problem is not None:
            self.stop()
            self.problem.emit(translate(problem))

    @Slot(str)
    def _on_problem(self, sentence: str) -> None:
        self.stop()
        self.problem.emit(sentence)

    @Slot(float)
    def _on_moved(self, seconds: float) -> None:
        if self._stretch is not None:
            self._at_s = seconds
            self.moved.emit(self._stretch[0] + seconds)
