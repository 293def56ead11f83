"""Plays source or result; switches between them at the same position and loudness."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from desktop.listen.mixer import Mixer, PairFeeder, Side
from desktop.listen.output_device import (
    OutputDevice,
    OutputStream,
    PlaybackError,
    PortAudioDevice,
)
from desktop.problems import sentence_for
from engine.errors import UserError

_POLL_MS = 33
_READY_TIMEOUT_S = 3.0

STALLED_POLLS = 60
"""Two seconds without a callback mean that the device was removed without notice."""


@dataclass(frozen=True)
class _Order:
    """What to play from which position; `number` identifies the order."""

    number: int
    first: Path | None
    second: Path | None
    track: int | None
    start_s: float
    mixer: Mixer


class Player(QObject):
    """Opens, reads and closes sound on other threads; never blocks.

    Signals
    -------
    moved : (float) seconds, about 30 times a second while playing, and after `seek`
    state_changed : playing, paused or switched
    problem : (str) why playing failed
    """

    moved = Signal(float)
    state_changed = Signal()
    problem = Signal(str)
    _opened = Signal(object, object)
    _refused = Signal(object, str)
    _ended = Signal(object)

    def __init__(self, device: OutputDevice | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._device: OutputDevice = device or PortAudioDevice()
        self._caller = ThreadPoolExecutor(1, thread_name_prefix="sound-card")
        self._files: tuple[Path | None, Path | None] = (None, None)
        self._track: int | None = None
        self._gains = (1.0, 1.0)
        self._side: Side = 0
        self._position_s = 0.0
        self._order: _Order | None = None
        self._stream: OutputStream | None = None
        self._n_orders = 0
        self._stalled = (0, 0)
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._opened.connect(self._take_stream)
        self._refused.connect(self._give_up)
        self._ended.connect(self._finish)

    @property
    def is_playing(self) -> bool:
        """Whether sound is playing or about to."""
        return self._order is not None

    @property
    def side(self) -> Side:
        """What is played: 0 the source, 1 the result."""
        return self._side

    @property
    def position_s(self) -> float:
        """The current position."""
        return self._position_s

    @property
    def can_play(self) -> bool:
        """Whether the current side has a file."""
        return self._files[self._side] is not None

    def load(self, first: Path | None, second: Path | None, track: int | None = None) -> None:
        """Load other files; starts at 0, with the result if there is one.

        Parameters
        ----------
        track : which sound track of the first file; None is the one that conversions use
        """
        self.pause()
        self._files = (first, second)
        self._track = track
        self._gains = (1.0, 1.0)
        self._side = 0 if second is None else 1
        self._move_to(0.0)
        self.state_changed.emit()

    def replace_result(self, second: Path | None, gains: tuple[float, float]) -> None:
        """Load another result of the same source; what plays goes on at the same instant.

        Parameters
        ----------
        gains : factors of source and result, see `set_gains`
        """
        self._files = (self._files[0], second)
        self._gains = gains
        self._side = 0 if second is None else self._side
        if self._order is not None and self._stream is None:  # not open yet
            self.pause()
            self.play()
        elif self._order is not None and self._stream is not None:
            rate_hz, place_s = self._stream.rate_hz, self._order.mixer.position_s
            feeder = PairFeeder(*self._files, rate_hz, place_s, self._track)
            self._order.mixer.join(feeder, rate_hz, place_s, gains)
            self._order.mixer.side = self._side
        self.state_changed.emit()

    def set_gains(self, gains: tuple[float, float]) -> None:
        """Set the factors of source and result."""
        if gains == self._gains:  # another result may not have joined yet
            return
        self._gains = gains
        if self._order is not None:
            self._order.mixer.gains = gains

    def play(self) -> None:
        """Play from the current position."""
        if self._order is not None or not self.can_play:
            return
        self._n_orders += 1
        mixer = Mixer(self._side, self._gains)
        self._order = _Order(self._n_orders, *self._files, self._track, self._position_s, mixer)
        self._caller.submit(self._open, self._order)
        self.state_changed.emit()

    def pause(self) -> None:
        """Pause and release the sound card."""
        if self._order is None:
            return
        self._order.mixer.close()
        self._order = None
        self._timer.stop()
        if self._stream is not None:
            self._caller.submit(self._stream.close)
            self._stream = None
        self.state_changed.emit()

    def toggle(self) -> None:
        """Play or pause."""
        if self.is_playing:
            self.pause()
        else:
            self.play()

    def seek(self, position_s: float) -> None:
        """Move to a position."""
        self._move_to(max(0.0, position_s))
        if self._order is None:
            return
        if self._stream is None:  # not open yet: open at the new position instead
            self.pause()
            self.play()
            return
        rate_hz = self._stream.rate_hz
        feeder = PairFeeder(*self._files, rate_hz, self._position_s, self._track)
        self._order.mixer.feed(feeder, rate_hz, self._position_s)

    def flip(self) -> None:
        """Switch to the other sound at the same position."""
        self.set_side(0 if self._side else 1)

    def set_side(self, side: Side) -> None:
        """Switch to this sound, if it exists."""
        if side == self._side or self._files[side] is None:
            return
        self._side = side
        if self._order is not None:
            self._order.mixer.side = side
        self.state_changed.emit()

    def close(self) -> None:
        """Stop and end the threads."""
        self.pause()
        self._caller.shutdown(wait=True)

    def _open(self, order: _Order) -> None:
        """On the sound card's thread: opening may be slow, and drivers expect one thread."""
        try:
            stream = self._device.open(order.mixer.fill, lambda: self._ended.emit(order))
            rate_hz, start_s = stream.rate_hz, order.start_s
            feeder = PairFeeder(order.first, order.second, rate_hz, start_s, order.track)
            order.mixer.feed(feeder, stream.rate_hz, order.start_s)
            feeder.wait_until_ready(_READY_TIMEOUT_S)
            if feeder.problem is not None:
                stream.close()
                raise feeder.problem
            stream.start()
        except UserError as error:
            order.mixer.close()
            self._refused.emit(order, sentence_for(error))
        else:
            self._opened.emit(order, stream)

    @Slot(object, object)
    def _take_stream(self, order: _Order, stream: OutputStream) -> None:
        if order is not self._order:  # paused in the meantime
            order.mixer.close()
            self._caller.submit(stream.close)
            return
        self._stream = stream
        order.mixer.side, order.mixer.gains = self._side, self._gains
        self._stalled = (0, 0)
        self._timer.start()

    @Slot(object, str)
    def _give_up(self, order: _Order, sentence: str) -> None:
        if order is self._order:
            self.pause()
            self.problem.emit(sentence)

    @Slot(object)
    def _finish(self, order: _Order) -> None:
        """The stream ended: at the end of the sound, or because the device was removed."""
        if order is not self._order:
            return
        self.pause()
        if order.mixer.problem is not None:
            self.problem.emit(sentence_for(order.mixer.problem))
        elif order.mixer.at_end:
            self._move_to(0.0)
        else:
            self.problem.emit(unplugged())

    @Slot()
    def _poll(self) -> None:
        if self._order is None or self._stream is None:
            return
        mixer = self._order.mixer
        n_calls, n_polls = self._stalled
        self._stalled = (mixer.n_calls, n_polls + 1 if mixer.n_calls == n_calls else 0)
        if self._stalled[1] > STALLED_POLLS:
            self._give_up(self._order, unplugged())
            return
        self._move_to(max(0.0, mixer.position_s - self._stream.latency_s))

    def _move_to(self, position_s: float) -> None:
        self._position_s = position_s
        self.moved.emit(position_s)


def unplugged() -> str:
    """Why playing stopped when the device was removed."""
    return sentence_for(
        PlaybackError(
            "Playing stopped",
            "the sound output went away",
            "connect it again, or choose another in the system's sound settings",
        )
    )
