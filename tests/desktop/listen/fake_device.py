"""A sound card that plays when it is told to, and keeps what it played."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from desktop.listen.output_device import EndCallback, FillCallback, OutputStream, PlaybackError


class FakeStream:
    def __init__(self, rate_hz: int, fill: FillCallback, ended: EndCallback) -> None:
        self.rate_hz = rate_hz
        self.latency_s = 0.0
        self.started = False
        self.closed = False
        self._fill = fill
        self._ended = ended

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.closed = True

    def play(self, n_frames: int) -> NDArray[np.float32]:
        """What the card would play next: float32 [n_frames, 2]."""
        out = np.full((n_frames, 2), 9, dtype=np.float32)
        if not self._fill(out):
            self._ended()
        return out

    def unplug(self) -> None:
        self._ended()


class FakeDevice:
    def __init__(self, rate_hz: int = 48_000, refusal: str = "") -> None:
        self.rate_hz = rate_hz
        self.refusal = refusal
        self.streams: list[FakeStream] = []

    def open(self, fill: FillCallback, ended: EndCallback) -> OutputStream:
        if self.refusal:
            raise PlaybackError("Cannot play", self.refusal, "connect headphones or a speaker")
        self.streams.append(FakeStream(self.rate_hz, fill, ended))
        return self.streams[-1]

    @property
    def stream(self) -> FakeStream:
        return self.streams[-1]
