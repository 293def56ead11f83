"""Sounds and files for the audio tests."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from engine.audio.source import Intake

Samples = NDArray[np.float32]


class Collected:
    """A receiver that keeps everything."""

    def begin(self, rate_hz: int, channels: int) -> None:
        self.rate_hz, self.channels = rate_hz, channels
        self._blocks: list[Samples] = []

    def append(self, block: Samples) -> None:
        self._blocks.append(block.copy())

    @property
    def samples(self) -> Samples:
        return np.concatenate(self._blocks)


def decoded_by(decoder: Any, path: Path) -> Samples:
    """What one decoder makes of a file, float32 [n, channels]."""
    collected = Collected()
    facts = decoder.decode(path, Intake(path, collected, None))
    assert len(collected.samples) == facts.n_frames
    return collected.samples


def music(n: int, rate_hz: int, channels: int = 1) -> Samples:
    """float32 [n, channels]: a rising two-note sound, the channels differently loud."""
    t = np.arange(n) / rate_hz
    wave = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * 700 * t * (1 + t / 10))
    return np.stack([wave * (1 - c / (2 * channels)) for c in range(channels)], 1).astype("f4")


def encode(path: Path, sound: Samples, rate_hz: int, codec: str, video: str | None = None) -> Path:
    """A file made by FFmpeg; its container follows from the name."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream(video, rate=25) if video else None
        if codec:
            stream = cast(AudioStream, container.add_stream(codec, rate=rate_hz))
            stream.layout = {1: "mono", 2: "stereo", 6: "5.1"}[sound.shape[1]]
            stream.bit_rate = 128_000
        if picture is not None:
            _mux_pictures(container, cast(VideoStream, picture), len(sound) / rate_hz)
        if codec:
            _mux_sound(container, stream, sound, rate_hz)
    return path


def _mux_pictures(container: Any, stream: VideoStream, duration_s: float) -> None:
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for k in range(max(1, int(duration_s * 25))):
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), k % 256, dtype=np.uint8))
        container.mux(stream.encode(picture))
    container.mux(stream.encode(None))


def _mux_sound(container: Any, stream: AudioStream, sound: Samples, rate_hz: int) -> None:
    context = stream.codec_context
    if not context.is_open:  # writing pictures first has opened it
        context.open()
    layout = stream.layout.name
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), "fltp", layout)
    frame.sample_rate = rate_hz
    frame.pts = 0
    size = context.frame_size or 1024
    fitter = av.AudioResampler(context.format.name, layout, rate_hz, size)
    for piece in fitter.resample(frame) + fitter.resample(None):
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


@dataclass(frozen=True)
class Track:
    """A sound for `mux`: when it starts, and where time stamps jump (at second, by seconds)."""

    sound: Samples
    codec: str = "flac"
    start_s: float = 0.0
    jump: tuple[float, float] | None = None
    title: str = ""
    is_default: bool = True
    layout: str = ""


def mux(path: Path, rate_hz: int, tracks: Sequence[Track], video_s: float = 0.0) -> Path:
    """A container with pictures and any number of sounds, each frame with a time stamp."""
    with av.open(str(path), "w") as box:
        streams, packets = [], []
        if video_s:
            picture = cast(VideoStream, box.add_stream("mpeg4", rate=25))
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        for track in tracks:
            stream = cast(AudioStream, box.add_stream(track.codec, rate=rate_hz))
            usual = {1: "mono", 2: "stereo", 6: "5.1"}[track.sound.shape[1]]
            stream.layout = track.layout or usual
            if track.codec == "flac":
                stream.format = "s16"
            stream.metadata["title"] = track.title
            stream.disposition = Disposition.default if track.is_default else Disposition(0)
            streams.append(stream)
        if video_s:
            for k in range(int(video_s * 25)):
                shown = av.VideoFrame.from_ndarray(np.full((64, 64, 3), k % 256, np.uint8))
                shown.pts = k
                packets += picture.encode(shown)
            packets += picture.encode(None)
        for track, stream in zip(tracks, streams, strict=True):
            packets += _encoded(track, stream, rate_hz)
        for packet in sorted(packets, key=lambda each: float((each.dts or 0) * each.time_base)):
            box.mux(packet)
    return path


def _encoded(track: Track, stream: AudioStream, rate_hz: int) -> list[Any]:
    packets, at = [], round(track.start_s * rate_hz)
    for first in range(0, len(track.sound), 1024):
        if track.jump is not None and first <= track.jump[0] * rate_hz < first + 1024:
            at += round(track.jump[1] * rate_hz)
        block = track.sound[first : first + 1024]
        if stream.format.name == "fltp":
            values = np.ascontiguousarray(block.T)
        else:
            values = np.round(block * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(values, stream.format.name, stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, at, Fraction(1, rate_hz)
        at += len(block)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def with_gapless_tag(m4a: bytes, n_samples: int) -> bytes:
    """The file with the ``iTunSMPB`` tag that Apple's encoder writes."""
    words = [0, 1024, 300, n_samples, *[0] * 8]
    text = "".join(f" {w:016X}" if k == 3 else f" {w:08X}" for k, w in enumerate(words)).encode()
    tag = _box(
        b"----",
        _box(b"mean", b"\0\0\0\0com.apple.iTunes")
        + _box(b"name", b"\0\0\0\0iTunSMPB")
        + _box(b"data", b"\0\0\0\1\0\0\0\0" + text),
    )
    start = m4a.find(b"ilst") - 4
    end = start + struct.unpack_from(">I", m4a, start)[0]
    grown = bytearray(m4a[:end] + tag + m4a[end:])
    for name in (b"moov", b"udta", b"meta", b"ilst"):
        at = grown.find(name) - 4
        struct.pack_into(">I", grown, at, struct.unpack_from(">I", grown, at)[0] + len(tag))
    return bytes(grown)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def lag_samples(a: NDArray[Any], b: NDArray[Any]) -> int:
    """By how many samples `b` is delayed."""
    n = min(len(a), len(b))
    spectrum = np.fft.rfft(b[:n], 2 * n) * np.conj(np.fft.rfft(a[:n], 2 * n))
    k = int(np.argmax(np.fft.irfft(spectrum)))
    return k if k < n else k - 2 * n


def snr_db(a: NDArray[Any], b: NDArray[Any]) -> float:
    """How far the difference of `b` lies below `a`."""
    return float(10 * np.log10(np.square(a).sum() / (np.square(a - b).sum() + 1e-30)))


@contextmanager
def without_root() -> Iterator[None]:
    """Run as another user: root may read and write everything."""
    import os

    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
