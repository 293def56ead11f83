"""A video comes back with the new sound at its place, and everything else as it was."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream

from engine.audio import video as video_module
from engine.audio.reader import read_audio
from engine.audio.result_file import ResultFile
from engine.audio.source import Sound
from engine.errors import OutputFileError
from engine.options import ConversionOptions
from tests.engine.audio.sound_file import Samples, encode, lag_samples, music

RATE_HZ = 48_000
SECONDS = 3.0
SPEECH = music(round(SECONDS * RATE_HZ), RATE_HZ)
OTHER = np.random.default_rng(1).standard_normal(SPEECH.shape).astype(np.float32) * 0.1
KEEP = ConversionOptions(video=True)
ROTATED = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
PLAIN = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@dataclass(frozen=True)
class Made:
    """How a test video is made."""

    ending: str = "mp4"
    late_s: float = 0.0
    codec: str = "aac"
    second: bool = False
    uneven: bool = False
    subtitles: bool = False
    options: tuple[tuple[str, str], ...] = ()


def make_video(folder: Path, made: Made) -> Path:
    path = folder / f"film.{made.ending}"
    with av.open(str(path), "w", options=dict(made.options)) as box:
        box.metadata["title"] = "Film"
        picture = cast(VideoStream, box.add_stream("libx264", rate=25))
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        picture.options = {"bf": "2", "g": "12"}
        tracks = [SPEECH, OTHER] if made.second else [SPEECH]
        sounds = []
        for number, _ in enumerate(tracks):
            stream = cast(AudioStream, box.add_stream(made.codec, rate=RATE_HZ, layout="mono"))
            stream.metadata["language"] = ("swe", "eng")[number]
            stream.disposition = Disposition.default if not number else Disposition(0)
            sounds.append(stream)
        words: Any = None
        if made.subtitles:
            words = box.add_mux_stream("mov_text" if made.ending == "mp4" else "subrip")
            words.time_base = Fraction(1, 1000)
        chapter = {"start": 0, "end": 1000, "time_base": Fraction(1, 1000)}
        box.set_chapters([{**chapter, "id": 1, "metadata": {"title": "One"}}])  # type: ignore[list-item]
        if made.ending == "mkv":
            box.add_attachment("font.ttf", "font/ttf", b"not a font")
        packets: list[Any] = []
        for k in range(round(SECONDS * 25)):
            shown = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * k, np.uint8))
            shown.pts = k + (k // 7 if made.uneven else 0)
            shown.time_base = Fraction(1, 25)
            packets += picture.encode(shown)
        packets += picture.encode(None)
        for samples, stream in zip(tracks, sounds, strict=True):
            packets += sound_packets(stream, samples, made.late_s)
        for packet in sorted(packets, key=lambda each: float((each.dts or 0) * each.time_base)):
            box.mux(packet)
        if words is not None:
            text = b"\0\5hello" if made.ending == "mp4" else b"hello"
            line = av.Packet(text)
            line.pts = line.dts = 500
            line.duration, line.time_base, line.stream = 900, Fraction(1, 1000), words
            box.mux(line)
    return path


def sound_packets(stream: AudioStream, samples: Samples, late_s: float) -> list[Any]:
    packets = []
    context = stream.codec_context
    context.open()
    size = context.frame_size or 1024
    kind = context.format.name
    for at in range(0, len(samples), size):
        block = np.ascontiguousarray(samples[at : at + size].T)
        values = block if kind.startswith("flt") else np.round(block * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(values, kind, "mono")
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = at + round(late_s * RATE_HZ)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def packets(path: Path, kind: str, number: int = 0) -> list[tuple[Any, Any, Any, bytes]]:
    """Times and content of all packets of a track."""
    with av.open(str(path)) as box:
        stream = getattr(box.streams, kind)[number]
        return [
            (p.pts * p.time_base, p.dts and p.dts * p.time_base, p.is_keyframe, bytes(p))
            for p in box.demux(stream)
            if p.size
        ]


def replaced(source: Path, options: ConversionOptions = KEEP) -> tuple[Path, Samples]:
    """A new video, and the sound it was given: what the reader finds, upside down and louder."""
    found = read_audio(source)
    target = ResultFile.plan(source, "Aria", options, None, None)
    samples = -1.2 * found.samples
    return target.write(Sound.of(samples, found.rate_hz)).path, samples


def holds(path: Path, samples: Samples) -> None:
    """Its sound is this one, with every sample at its place."""
    found = read_audio(path)
    assert found.samples.shape == samples.shape
    assert lag_samples(samples[:, 0], found.samples[:, 0]) == 0
    assert float(np.abs(found.samples - samples).mean()) < 0.02


KINDS = {
    "plain": Made(),
    "late": Made(late_s=0.75),
    "a little late": Made(late_s=0.02),
    "QuickTime with PCM": Made("mov", codec="pcm_s16le"),
    "uneven pictures": Made(uneven=True),
    "two tracks and words": Made(second=True, subtitles=True),
    "index first": Made(options=(("movflags", "faststart"),)),
    "fragments": Made(options=(("movflags", "frag_keyframe+empty_moov"),)),
    "Matroska": Made("mkv", second=True, subtitles=True),
    "late Matroska": Made("mkv", late_s=0.75, codec="flac"),
    "uneven Matroska": Made("mkv", uneven=True, codec="libopus"),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_picture_is_copied_and_the_sound_is_at_its_place(tmp_path: Path, name: str) -> None:
    source = make_video(tmp_path, KINDS[name])
    result, samples = replaced(source)
    assert result.name == f"film (Aria).{KINDS[name].ending}"
    assert packets(result, "video") == packets(source, "video")
    holds(result, samples)
    with av.open(str(source)) as old, av.open(str(result)) as new:
        assert [each.type for each in new.streams] == [each.type for each in old.streams]
        assert new.start_time == old.start_time
        assert new.metadata["title"] == "Film"
        assert [each["metadata"] for each in new.chapters()] == [{"title": "One"}]
        starts = [s.start_time * s.time_base for s in (old.streams.audio[0], new.streams.audio[0])]
        late_s = KINDS[name].late_s
        assert float(starts[1]) == pytest.approx(
            0 if late_s > 0.04 else float(starts[0]), abs=0.011
        )
        if KINDS[name].second:
            tags = [each.metadata.get("language") for each in new.streams.audio]
            assert tags == [each.metadata.get("language") for each in old.streams.audio]
            assert packets(result, "audio", 1) == packets(source, "audio", 1)
        if KINDS[name].subtitles:
            assert packets(result, "subtitles") == packets(source, "subtitles")
        if KINDS[name].ending == "mkv":
            kept = [each for each in new.streams if each.type == "attachment"]
            assert [each.data for each in kept] == [b"not a font"]  # type: ignore[attr-defined]


def test_the_other_track_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    for made in (Made(second=True), Made("mkv", second=True)):
        source = make_video(tmp_path, made)
        options = ConversionOptions(video=True, track=2)
        target = ResultFile.plan(source, "Aria", options, None, None)
        result = target.write(Sound.of(SPEECH * 0.5, RATE_HZ)).path
        assert packets(result, "audio", 0) == packets(source, "audio", 0)
        found = read_audio(source).samples
        assert lag_samples(found[:, 0], read_audio(result).samples[:, 0]) == 0
        with av.open(str(result)) as box:
            frames = [f.to_ndarray() for f in box.decode(box.streams.audio[1])]
        assert lag_samples(SPEECH[:, 0], np.concatenate(frames, 1)[0] / 1.0) in (0, 1024)


def test_a_turned_picture_stays_turned(tmp_path: Path) -> None:
    for made in (Made(), Made(options=(("movflags", "frag_keyframe+empty_moov"),))):
        source = make_video(tmp_path, made)
        content = source.read_bytes()
        source.write_bytes(content.replace(PLAIN, ROTATED, 2).replace(ROTATED, PLAIN, 1))
        result, _ = replaced(source)
        with av.open(str(source)) as old, av.open(str(result)) as new:
            turned = [next(each.decode(video=0)).rotation for each in (old, new)]
        assert turned[0] != 0
        assert turned[1] == turned[0]


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_the_old_voice_is_not_left_in_the_file(tmp_path: Path, codec: str) -> None:
    source = make_video(tmp_path, Made("mov", codec=codec))
    result, _ = replaced(source)
    content = result.read_bytes()
    spoken = [data for *_, data in packets(source, "audio") if len(data) > 100]
    assert len(spoken) > 50
    assert [data for data in spoken if data in content] == []


def test_a_file_without_a_picture_gives_a_sound_file_and_says_so(tmp_path: Path) -> None:
    source = encode(tmp_path / "a.m4a", SPEECH, RATE_HZ, "aac")
    target = ResultFile.plan(source, "Aria", KEEP, None, None)
    assert [str(each) for each in target.notes] == [
        "there is no picture in it, so the result is a sound file"
    ]
    assert target.write(Sound.of(SPEECH, RATE_HZ)).path.name == "a (Aria).wav"
    with pytest.raises(OutputFileError, match=r"there is no picture in it.*end it with \.wav"):
        ResultFile.plan(source, "Aria", KEEP, tmp_path / "b.mp4", None)
    film = encode(tmp_path / "a.avi", SPEECH, RATE_HZ, "mp3", "mpeg4")
    target = ResultFile.plan(film, "Aria", KEEP, None, None)
    assert "only that of MP4, MOV and Matroska files" in target.notes[0]
    assert target.choose().suffix == ".wav"


def test_the_name_of_a_video_must_say_that_it_is_one(tmp_path: Path) -> None:
    source = make_video(tmp_path, Made())
    with pytest.raises(OutputFileError, match=r"end it with \.mp4"):
        ResultFile.plan(source, "Aria", KEEP, tmp_path / "a.wav", None)


def test_without_ffmpeg_an_mp4_is_made_and_one_in_fragments_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_video(tmp_path, Made(late_s=0.75))
    monkeypatch.setattr(video_module, "find_spec", dict[str, None]().get)
    target = ResultFile.plan(whole, "Aria", KEEP, None, None)
    assert target.video is not None
    # macOS decodes a track from its own beginning on.
    assert target.video.facts.starts_s == pytest.approx(0.75 - 1024 / RATE_HZ, abs=0.03)
    result = target.write(Sound.of(SPEECH, RATE_HZ)).path
    assert packets(result, "video") == packets(whole, "video")
    found = read_audio(result).samples
    late = round(target.video.facts.starts_s * RATE_HZ)
    assert lag_samples(SPEECH[:, 0], found[late:, 0]) in range(-48, 49)
    pieces = make_video(tmp_path, Made(options=(("movflags", "frag_keyframe+empty_moov"),)))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputFileError, match="its picture cannot be copied"):
        ResultFile.plan(pieces, "Aria", KEEP, None, None).write(Sound.of(SPEECH, RATE_HZ))
    assert sorted(tmp_path.iterdir()) == before
