"""Plays a short sound again and again, and exchanges it without a gap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from desktop.listen.output_device import OutputDevice, OutputStream, PortAudioDevice
from desktop.listen.player import unplugged
from desktop.problems import sentence_for
from engine.errors import UserError

_POLL_MS = 33
_FADE_S = 0.012

Stereo = NDArray[np.float32]
"""float32 [n, 2]"""


class Loop:
    """What the sound card is filled with; `exchange` may be called from any thread.

    Parameters
    ----------
    sound : its end is faded into its beginning
    """

    def __init__(self, sound: Stereo, rate_hz: int) -> None:
        self._n_fade = max(1, round(_FADE_S * rate_hz))
        self._sound = self._seamless(sound)
        self._next: Stereo | None = None
        self._at = 0
        self.closed = False

    @property
    def at_frames(self) -> int:
        """The frame that is played next."""
        return self._at

    def exchange(self, sound: Stereo) -> None:
        """Continue with another sound at the same place."""
        self._next = self._seamless(sound)

    def fill(self, out: Stereo) -> bool:
        """Fill the sound card's float32 [n, 2]; False once it is closed."""
        following, self._next = self._next, None
        places = (self._at + np.arange(len(out))) % len(self._sound)
        out[:] = self._sound[places]
        if following is not None:
            places %= len(following)
            share = np.minimum(np.arange(1, len(out) + 1) / min(self._n_fade, len(out)), 1)
            out[:] = (1 - share)[:, None] * out + share[:, None] * following[places]
            self._sound = following
        self._at = (int(places[-1]) + 1) % len(self._sound) if len(out) else self._at
        return not self.closed

    def _seamless(self, sound: Stereo) -> Stereo:
        n = min(self._n_fade, len(sound) // 2)
        if n == 0:
            return sound if len(sound) else np.zeros((1, 2), dtype=np.float32)
        share = np.linspace(0, 1, n, dtype=np.float32)[:, None]
        made = np.clip(sound[: len(sound) - n], -1, 1)
        made[:n] = share * made[:n] + (1 - share) * np.clip(sound[len(sound) - n :], -1, 1)
        return made


@dataclass(eq=False)
class _Playing:
    """A sound card that is open, or about to be."""

    stream: OutputStream | None = None
    loop: Loop | None = None


class LoopPlayer(QObject):
    """Opens the sound card and resamples on a thread of its own.

    Signals
    -------
    moved : (float)  seconds from the beginning of the sound
    problem : (str)  why it cannot be played
    """

    moved = Signal(float)
    problem = Signal(str)
    _refused = Signal(object, str)
    _ended = Signal(object)

    def __init__(self, device: OutputDevice | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._device: OutputDevice = device or PortAudioDevice()
        self._caller = ThreadPoolExecutor(1, thread_name_prefix="loop")
        self._playing: _Playing | None = None
        self._refused.connect(self._give_up)
        self._ended.connect(lambda playing: self._give_up(playing, unplugged()))
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def is_playing(self) -> bool:
        """Whether a sound is played or about to be."""
        return self._playing is not None

    def play(self, samples: NDArray[np.float32], rate_hz: int) -> None:
        """Play a sound, float32 [n] or [n, channels], instead of the one before, from its place."""
        self._playing = self._playing or _Playing()
        self._caller.submit(self._put, self._playing, samples, rate_hz)
        self._timer.start()

    def stop(self) -> None:
        """Release the sound card."""
        playing, self._playing = self._playing, None
        self._timer.stop()
        if playing is not None:
            self._caller.submit(_close, playing)

    def close(self) -> None:
        """Stop and end the thread."""
        self.stop()
        self._caller.shutdown(wait=True)

    def _put(self, playing: _Playing, samples: NDArray[np.float32], rate_hz: int) -> None:
        """On the thread."""
        from engine.audio.resampling import resample

        if playing is not self._playing:  # stopped meanwhile
            return
        try:
            if playing.stream is None:
                self._open(playing)
            stream = playing.stream
            if stream is None:
                return
            wide = np.repeat(samples[:, None], 2, axis=1) if samples.ndim == 1 else samples[:, :2]
            sound = resample(np.ascontiguousarray(wide), rate_hz, stream.rate_hz)
            if playing.loop is None:
                playing.loop = Loop(sound, stream.rate_hz)
                stream.start()
            else:
                playing.loop.exchange(sound)
        except UserError as error:
            self._refused.emit(playing, sentence_for(error))

    def _open(self, playing: _Playing) -> None:
        def fill(out: Stereo) -> bool:
            if playing.loop is None:
                out[:] = 0
                return True
            return playing.loop.fill(out)

        playing.stream = self._device.open(fill, lambda: self._ended.emit(playing))

    @Slot(object, str)
    def _give_up(self, playing: _Playing, sentence: str) -> None:
        if playing is self._playing:
            self.stop()
            self.problem.emit(sentence)

    @Slot()
    def _poll(self) -> None:
        playing = self._playing
        if playing is not None and playing.loop is not None and playing.stream is not None:
            self.moved.emit(playing.loop.at_frames / playing.stream.rate_hz)


def _close(playing: _Playing) -> None:
    if playing.loop is not None:
        playing.loop.closed = True
    if playing.stream is not None:
        playing.stream.close()
