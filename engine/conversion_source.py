"""Where the sound of a conversion comes from: a file, a stretch read alone, or samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.audio.reader import decode_audio, decode_part
from engine.audio.source import Decoded, Receiver
from engine.options import ConversionOptions
from engine.pipeline import Region

_LEAD_S = 4
"""Read around an excerpt: what the networks need, and with ten seconds still a window of 21 s."""


@dataclass(frozen=True)
class ConversionSource:
    """Sound, and what tells it from others.

    Attributes
    ----------
    play : gives it to a receiver
    key : None is not known
    start_s : where in its file it begins
    """

    play: Callable[[Receiver], Decoded]
    key: tuple[object, ...] | None = None
    start_s: int = 0

    @classmethod
    def file(
        cls, path: Path, options: ConversionOptions, excerpt: Region | None = None
    ) -> ConversionSource:
        """A file while it is not changed, or an excerpt with some sound around it.

        A pitch curve counts from the beginning of the file, which is then read whole.
        """
        channels = 2 if options.stereo else 1
        play: Callable[[Receiver], Decoded]
        play = partial(decode_audio, path, channels=channels, track=options.track)
        start_s = 0
        part: tuple[int, float] | tuple[()] = ()
        if excerpt is not None and options.f0_file is None:
            start_s = max(math.floor(excerpt.start_s) - _LEAD_S, 0)
            stop_s = excerpt.stop_s + _LEAD_S
            part = start_s, stop_s
            play = partial(
                decode_part, path, start_s, stop_s, channels=channels, track=options.track
            )
        try:
            status = path.stat()
        except OSError:
            return cls(play, None, start_s)
        key = (str(path.absolute()), status.st_ino, status.st_size, status.st_mtime_ns, *part)
        return cls(play, key, start_s)
