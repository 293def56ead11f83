"""espeak-ng through its library: speech and the sample at which each phoneme starts.

The numbers are those of espeak-ng's ``speak_lib.h``.
"""

from __future__ import annotations

import ctypes
from ctypes.util import find_library
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipe.phoneme import FIRST_OF_TWO, espeak_classes

LANGUAGES = (*["en-us"] * 5, "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029")
VARIANTS = (
    "Alicia Andy Annie Denis Gene Hugo Jacky Lee Marco Mario Mike Mr adam anika antonio aunty"
    " belinda benjamin boris caleb david ed edward2 f1 f2 f3 f4 f5 grandma gustave iven iven3 john"
    " kaukovalta klatt klatt2 klatt3 klatt5 klatt6 m1 m2 m4 m5 m6 m7 m8 marcelo max michel miguel"
    " norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 travis victor zac"
    " whisper"
).split()
"""All but klatt4 and m3, which the reports speak, and those that nobody understands."""

_SYNCHRONOUS = 2
_REPORT_PHONEMES = 1
_EVENT_END, _EVENT_PHONEME = 0, 7
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_UTF8 = 1


class _Identity(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Manner:
    """How a sentence is to be spoken: espeak-ng's own figures (words a minute, 0..99, 0..99)."""

    voice: str
    rate: int = 170
    pitch: int = 50
    pitch_range: int = 50


def espeak_is_installed() -> bool:
    """Whether the library can be found."""
    return find_library("espeak-ng") is not None


class Espeak:
    """The library, opened once; its state is global, so one of them is enough."""

    def __init__(self) -> None:
        name = find_library("espeak-ng")
        if name is None:
            raise FileNotFoundError("espeak-ng is not installed (Debian: libespeak-ng1)")
        self._library = ctypes.CDLL(name)
        self._chunks: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _Callback(self._collect)  # kept alive: the library calls it
        self.rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _REPORT_PHONEMES)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: object, count: int, events: object) -> int:
        if count > 0 and samples:
            chunk = np.ctypeslib.as_array(samples, (count,))
            self._chunks.append(chunk.copy())
        i = 0
        while events[i].type != _EVENT_END:  # type: ignore[index]
            event = events[i]  # type: ignore[index]
            if event.type == _EVENT_PHONEME:
                self._events.append((event.sample, event.id.string.decode("utf-8", "ignore")))
            i += 1
        return 0

    def speak(self, text: str, manner: Manner) -> tuple[NDArray[np.float32], list[tuple[int, str]]]:
        """Speech float32 [N] at `rate_hz`, and (first sample, mnemonic) of each phoneme."""
        self._chunks.clear()
        self._events.clear()
        library = self._library
        library.espeak_SetVoiceByName(manner.voice.encode())
        for parameter, value in (
            (_RATE, manner.rate),
            (_PITCH, manner.pitch),
            (_PITCH_RANGE, manner.pitch_range),
        ):
            library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode() + b"\0"
        size = ctypes.c_size_t(len(encoded))
        library.espeak_Synth(encoded, size, 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
        sound = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        return (sound / 32_768).astype(np.float32), list(self._events)


def phoneme_ends(
    events: list[tuple[int, str]], n_samples: int, rate_hz: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Ends in seconds and classes, from the *starts* that espeak-ng reports."""
    ends: list[float] = [events[0][0] / rate_hz] if events else []
    classes: list[int] = [0] if events else []
    for (start, mnemonic), stop in zip(
        events, [*(event[0] for event in events[1:]), n_samples], strict=True
    ):
        low, high = start / rate_hz, stop / rate_hz
        found = espeak_classes(mnemonic)
        if found is None:
            ends[-1] = high
            continue
        if len(found) > 1:
            ends.append(low + (high - low) * FIRST_OF_TWO)
            classes.append(found[0])
        ends.append(high)
        classes.append(found[-1])
    return np.array(ends, np.float32), np.array(classes, np.uint8)
