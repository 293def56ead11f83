"""Where the sound of a container belongs in time."""

from __future__ import annotations

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from engine.audio.source import MAX_DURATION_S

_LATE_S = 0.04
"""A sound that begins less later than the picture is taken for one that begins with it."""
_JITTER_S = 0.1
"""Time stamps of recorders and streams waver; frames that fit that well follow each other."""
_OVERLAP_S = 10.0
"""What goes back further is another recording, not one that was sent twice."""
_DOUBT_S = 1.0
_LEAST_BYTES_PER_S = 100
"""A file with less for each second of silence has a broken clock."""


class Timeline:
    """Where each frame belongs, by its time stamp: a phone or a stream may leave sound out.

    Parameters
    ----------
    is_timed : whether the container's time stamps are meant, and exact

    Attributes
    ----------
    origin_s, first_origin_s : time stamp of the beginning, now and before a new recording
    late_s : how much later than the picture the sound begins
    rate_hz : of the first frame
    n_frames, n_silent : how many have been placed, and how many of them are silence
    """

    def __init__(self, container: InputContainer, stream: AudioStream, *, is_timed: bool) -> None:
        self._is_timed = is_timed
        start_s = float((stream.start_time or 0) * (stream.time_base or 0))
        self.origin_s, self.late_s = start_s, 0.0
        streams = [each for each in container.streams if each.type in ("audio", "video")]
        if len(streams) > 1 and self._is_timed and container.start_time is not None:
            late_s = start_s - container.start_time / av.time_base
            if _LATE_S < late_s < MAX_DURATION_S:
                self.origin_s, self.late_s = start_s - late_s, late_s
        stated_s = (container.duration or 0) / av.time_base
        stated_s = min(stated_s, _DOUBT_S + (container.size or 0) / _LEAST_BYTES_PER_S)
        self._end_s = stated_s + self.origin_s + _DOUBT_S
        self.first_origin_s = self.origin_s
        self.rate_hz = 0
        self.n_frames = 0
        self.n_silent = 0
        self._from_s: float | None = None
        self._is_dropping = False

    def begin_at(self, start_s: float) -> None:
        """The first frame will be one near this time, because of a seek."""
        self._from_s = start_s

    def place(self, frame: AudioFrame) -> tuple[int, int, int]:
        """Samples of silence before a frame, of it to leave out, and the place of its others."""
        self.rate_hz = self.rate_hz or frame.sample_rate
        samples = round(frame.samples * self.rate_hz / frame.sample_rate)
        silent, dropped = self._misplaced(frame, samples)
        self.n_silent += silent
        at = self.n_frames + silent
        self.n_frames = at + samples - dropped
        return silent, round(dropped * frame.sample_rate / self.rate_hz), at

    def _misplaced(self, frame: AudioFrame, samples: int) -> tuple[int, int]:
        if frame.pts is None or frame.time_base is None:
            return 0, 0
        stamp_s = float(frame.pts * frame.time_base)
        index = round((stamp_s - self.origin_s) * self.rate_hz)
        if self._from_s is not None:
            self.n_frames = max(0, min(index, round(self._from_s * self.rate_hz)))
            self._from_s = None
            return max(0, index - self.n_frames), 0
        gap = index - self.n_frames
        is_late = self.n_frames == 0 and self.late_s > 0 and gap > 0
        is_near = abs(gap) <= _JITTER_S * self.rate_hz and not is_late
        if not self._is_timed or (is_near and not (self._is_dropping and gap < 0)):
            self._is_dropping = False
            return 0, 0
        if gap > 0 and stamp_s <= self._end_s:
            return gap, 0
        starts_again = index < _DOUBT_S * self.rate_hz
        if gap > 0 or starts_again or gap < -_OVERLAP_S * self.rate_hz:
            # Recordings written one after the other, or a broken clock: go on from here.
            self.origin_s += gap / self.rate_hz
            self._end_s += max(0.0, gap / self.rate_hz)
            return 0, 0
        self._is_dropping = -gap >= samples  # to the sample, once it is begun
        return 0, min(-gap, samples)
