"""The sound card: a small interface, and PortAudio behind it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRIAL_CODE = "import sounddevice; sounddevice._terminate(); sounddevice._initialize()"
_TIMEOUT_S = 15.0


class _PortAudioTrial:
    """Tries to start PortAudio in a child process, until that has succeeded once.

    On Linux PortAudio ends the whole program (a failed ``assert``) where ALSA names no default
    device, e.g. on a server without a sound system. On macOS it never does.
    """

    def __init__(self) -> None:
        self._passed = sys.platform != "linux"

    def passes(self) -> bool:
        """Whether PortAudio starts or raises an exception; takes 0.1 s once."""
        if not self._passed:
            self._passed = _survives()
        return self._passed


def _survives() -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - this very Python, and a fixed text
            [sys.executable, "-c", _TRIAL_CODE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode >= 0  # positive after an exception, negative after a signal


FillCallback = Callable[["NDArray[np.float32]"], bool]
"""Fills float32 [n, 2] in place, on the sound card's thread; False ends the stream."""

EndCallback = Callable[[], None]
"""Called on the sound card's thread when the stream ended or the device was removed."""

_PREFERRED_RATES_HZ = (48_000, 44_100, 96_000, 32_000, 16_000)


_TRIAL = _PortAudioTrial()


class PlaybackError(UserError):
    """Playing is not possible: no device, or it refuses."""


class OutputStream(Protocol):
    """A running output."""

    rate_hz: int
    latency_s: float

    def start(self) -> None:
        """Start the stream.

        Raises
        ------
        PlaybackError : if the device was removed
        """

    def close(self) -> None:
        """End immediately; never raises."""


class OutputDevice(Protocol):
    """A sound output."""

    def open(self, fill: FillCallback, ended: EndCallback) -> OutputStream:
        """Open two channels at a rate that the device supports.

        Raises
        ------
        PlaybackError : if there is no device, or it supports no usual rate
        """


class PortAudioDevice:
    """The system's current default output."""

    def open(self, fill: FillCallback, ended: EndCallback) -> OutputStream:
        """As `OutputDevice.open`."""
        sounddevice = _portaudio()
        refusal: Exception | None = None
        for rate_hz in _rates_hz(sounddevice):
            try:
                return _PortAudioStream(sounddevice, rate_hz, fill, ended)
            except (sounddevice.PortAudioError, ValueError) as error:
                refusal = error
        raise PlaybackError(
            "Cannot play",
            "the sound output takes none of the usual sample rates",
            "choose another output in the system's sound settings",
        ) from refusal


class _PortAudioStream:
    def __init__(
        self, sounddevice: Any, rate_hz: int, fill: FillCallback, ended: EndCallback
    ) -> None:
        def callback(out: Any, _n_frames: int, _time: Any, _status: Any) -> None:
            if not fill(out):
                raise sounddevice.CallbackStop

        def finished() -> None:  # C expects no result
            ended()

        self._error = sounddevice.PortAudioError
        self._stream = sounddevice.OutputStream(
            samplerate=rate_hz,
            channels=2,
            dtype="float32",
            callback=callback,
            finished_callback=finished,
        )
        self.rate_hz = rate_hz
        self.latency_s = float(self._stream.latency)

    def start(self) -> None:
        try:
            self._stream.start()
        except self._error as error:
            raise _gone() from error

    def close(self) -> None:
        try:
            self._stream.close()
        except self._error:
            return  # its device was removed


def _portaudio() -> Any:
    """The sounddevice module, with a current list of devices."""
    if not _TRIAL.passes():
        raise PlaybackError(
            "Cannot play",
            "the sound system of this computer cannot be started",
            "check its sound settings (ALSA has no default device) and play again",
        )
    try:
        import sounddevice
    except (OSError, ImportError) as error:
        raise PlaybackError(
            "Cannot play",
            "the sound library PortAudio is not installed",
            'install it (on Debian or Ubuntu: "sudo apt install libportaudio2") and start again',
        ) from error
    try:
        sounddevice._terminate()  # noqa: SLF001 - the only way to refresh the list of devices
        sounddevice._initialize()  # noqa: SLF001
        sounddevice.query_devices(kind="output")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise PlaybackError(
            "Cannot play", "there is no sound output", "connect headphones or a speaker"
        ) from error
    return sounddevice


def _rates_hz(sounddevice: Any) -> tuple[int, ...]:
    try:
        own_hz = int(sounddevice.query_devices(kind="output")["default_samplerate"])
    except (sounddevice.PortAudioError, ValueError, KeyError) as error:
        raise _gone() from error
    return (own_hz, *(rate for rate in _PREFERRED_RATES_HZ if rate != own_hz))


def _gone() -> PlaybackError:
    return PlaybackError(
        "Cannot play",
        "the sound output went away",
        "connect it again, or choose another in the system's sound settings",
    )
