"""Plays several sounds in sync: each with its weight, in a loop if wanted."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from desktop.listen.feeder import Feeder, PlayedFile
from desktop.listen.mixer import Feed, Mixer, Weights
from desktop.listen.output_device import (
    OutputDevice,
    OutputStream,
    PlaybackError,
    PortAudioDevice,
)
from desktop.listen.stretch import Stretch
from desktop.problems import sentence_for
from engine.errors import UserError

_POLL_MS = 33
_READY_TIMEOUT_S = 3.0

STALLED_POLLS = 60
"""Two seconds without a callback mean that the device was removed without notice."""


@dataclass(frozen=True, eq=False)
class _Order:
    """What to play from which position."""

    files: tuple[PlayedFile, ...]
    weights: Weights
    start_s: float
    loop: Stretch | None
    mixer: Mixer


class Player(QObject):
    """Opens, reads and closes sound on other threads; never blocks.

    Signals
    -------
    moved : (float) seconds, about 30 times a second while playing, and after `seek`
    state_changed : playing or paused
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
        self._files: tuple[PlayedFile, ...] = ()
        self._weights: Weights = ()
        self._volume = 1.0
        self._loop: Stretch | None = None
        self._position_s = 0.0
        self._order: _Order | None = None
        self._stream: OutputStream | None = None
        self._closed = False
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
    def position_s(self) -> float:
        """The current position."""
        return self._position_s

    @property
    def weights(self) -> Weights:
        """Factor of each sound, without the volume."""
        return self._weights

    @property
    def loop(self) -> Stretch | None:
        """What is repeated."""
        return self._loop

    def load(self, files: Sequence[PlayedFile], weights: Weights) -> None:
        """Load other files; paused, at 0, without a loop."""
        self.pause()
        self._files, self._weights, self._loop = tuple(files), weights, None
        self._move_to(0.0)

    def change(self, files: Sequence[PlayedFile], weights: Weights) -> None:
        """Change the weights, or the files too; what plays goes on at the same instant."""
        known = tuple(files) == self._files
        self._files, self._weights = tuple(files), weights
        if self._order is None:
            return
        if known:
            self._order.mixer.set_weights(self._loudness)
        elif not self._files:
            self.pause()
        else:
            self._go_on()

    def set_volume(self, volume: float) -> None:
        """Set the factor 0..1 of everything."""
        self._volume = volume
        if self._order is not None:
            self._order.mixer.set_weights(self._loudness)

    def set_loop(self, loop: Stretch | None) -> None:
        """Repeat a stretch from its start on; None plays on to the end."""
        if loop == self._loop:
            return
        self._loop = loop
        if loop is not None:
            self.seek(loop[0])
        elif self._order is not None:
            self._go_on()

    def play(self) -> None:
        """Play from the current position."""
        if self._order is not None or not self._files:
            return
        loop, place_s = self._loop, self._position_s
        self._order = _Order(self._files, self._loudness, place_s, loop, Mixer())
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
        """Move to a position; what plays goes on there."""
        self._move_to(max(0.0, position_s))
        if self._order is not None and not self._opens_again():
            self._feed_from(self._position_s)

    def close(self) -> None:
        """Stop and end the threads."""
        self.pause()
        self._closed = True
        self._caller.shutdown(wait=True)

    @property
    def _loudness(self) -> Weights:
        return tuple(self._volume * weight for weight in self._weights)

    def _opens_again(self) -> bool:
        """Whether the sound card is not open yet; then it is opened with what is wanted now."""
        if self._stream is not None:
            return False
        self.pause()
        self.play()
        return True

    def _go_on(self) -> None:
        """Play what is wanted now, at the same instant."""
        if self._order is not None and not self._opens_again():
            self._feed_from(*self._order.mixer.place())

    def _feed_from(self, place_s: float, since_s: float | None = None) -> None:
        if self._order is None or self._stream is None:
            return
        rate_hz, loop = self._stream.rate_hz, self._loop
        feeder = Feeder(self._files, rate_hz, place_s, loop)
        self._order.mixer.feed(Feed(feeder, rate_hz, place_s, self._loudness, loop, since_s))

    def _open(self, order: _Order) -> None:
        """On the sound card's thread: opening may be slow, and drivers expect one thread."""
        try:
            stream = self._device.open(order.mixer.fill, lambda: self._ended.emit(order))
            feeder = Feeder(order.files, stream.rate_hz, order.start_s, order.loop)
            order.mixer.feed(Feed(feeder, stream.rate_hz, order.start_s, order.weights, order.loop))
            feeder.wait_until_ready(_READY_TIMEOUT_S)
            problem = feeder.problem(order.weights)
            if problem is not None:
                stream.close()
                raise problem
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
            if self._closed:  # and so is the thread
                stream.close()
            else:
                self._caller.submit(stream.close)
            return
        self._stream = stream
        order.mixer.set_weights(self._loudness)
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
