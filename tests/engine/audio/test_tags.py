"""Title, artist, picture and so on go from the source to the result; no sample changes."""

from __future__ import annotations

import dataclasses
import io
import resource
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from engine.audio.reader import read_audio
from engine.audio.source import Sound
from engine.audio.tags import id3
from engine.audio.tags.file_tags import read_tags, write_tags
from engine.audio.tags.tag import FIELDS, Picture, Tags
from engine.audio.writer import write_sound
from engine.errors import OutputFileError
from engine.options import FILE_FORMATS, FileFormat
from tests.engine.audio.sound_file import encode, music

RATE_HZ = 44_100
DICE = np.random.default_rng(3)


def image(kind: str, side: int = 8) -> bytes:
    made = io.BytesIO()
    pixels = DICE.integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(made, kind)
    return made.getvalue()


JPEG = image("JPEG")
TAGS = Tags.of(
    [
        ("TITLE", "夜に駆ける – Live"), ("ARTIST", "Ådne"), ("ALBUM", "Ðe Bœk"),
        ("ALBUMARTIST", "Various"), ("TRACKNUMBER", "3/12"), ("DISCNUMBER", "1/2"),
        ("DATE", "2021-05-06"), ("GENRE", "City Pop"), ("COMPOSER", "Ayase"),
        ("COMMENT", "for a friend"), ("LYRICS", "la la\nla"), ("COPYRIGHT", "me"),
    ],
    [Picture(JPEG)],
)  # fmt: skip
SOUND = Sound.of(music(50_000, RATE_HZ, 2), RATE_HZ)


SOUND_SAMPLES = np.arange(30_001, dtype=np.int16)


def written(path: Path, file_format: FileFormat, tags: Tags = TAGS) -> Path:
    return write_sound(
        path / f"a{len([*path.iterdir()])}.{file_format}", SOUND, file_format, tags=tags
    )


def ffmpeg_tags(path: Path) -> tuple[dict[str, str], list[bytes]]:
    """What another program finds."""
    with av.open(str(path), metadata_errors="ignore") as file:
        values = {**file.streams.audio[0].metadata, **file.metadata}
        pictures = (
            [bytes(p) for p in file.demux(*file.streams.video) if p.size]
            if (file.streams.video)
            else []
        )
    return {name.lower(): value for name, value in values.items()}, pictures


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_another_program_finds_what_was_written(tmp_path: Path, file_format: FileFormat) -> None:
    found, pictures = ffmpeg_tags(written(tmp_path, file_format))
    asked = {"title": "TITLE", "artist": "ARTIST", "album": "ALBUM", "date": "DATE",
             "genre": "GENRE", "comment": "COMMENT", "album_artist": "ALBUMARTIST",
             "composer": "COMPOSER", "copyright": "COPYRIGHT"}  # fmt: skip
    if file_format == "ogg":
        found["album_artist"] = found.get("album_artist", found.get("albumartist", ""))
    if file_format == "wav":  # FFmpeg reads the INFO list, which has less
        del asked["album_artist"], asked["composer"]
    if file_format == "wav":
        assert read_tags(next(tmp_path.iterdir())) == TAGS
    assert {name: found.get(name) for name in asked} == {
        name: TAGS.texts[key][0] for name, key in asked.items()
    }
    assert found["track"].split("/")[0] == "3"
    if file_format != "wav":
        assert pictures == [JPEG]


@pytest.mark.parametrize("source_format", FILE_FORMATS)
def test_tags_go_from_every_format_to_every_other(
    tmp_path: Path, source_format: FileFormat
) -> None:
    source = written(tmp_path, source_format)
    for file_format in FILE_FORMATS:
        assert read_tags(written(tmp_path, file_format, read_tags(source))) == TAGS


@pytest.mark.parametrize("file_format", FILE_FORMATS)
@pytest.mark.parametrize("side", [8, 400])  # the tag takes 500 kB: in Ogg over many pages
def test_no_sample_changes(tmp_path: Path, file_format: FileFormat, side: int) -> None:
    plain = read_audio(written(tmp_path, file_format, Tags()))
    tags = dataclasses.replace(TAGS, pictures=(Picture(image("PNG", side)),))
    tagged = written(tmp_path, file_format, tags)
    found = read_audio(tagged)
    np.testing.assert_array_equal(found.samples, plain.samples)
    assert found.notes == plain.notes
    with av.open(str(tagged)) as file:
        frames = [f.samples for f in file.decode(audio=0)]
    assert abs(sum(frames) - len(plain.samples)) <= (1152 if file_format in ("mp3", "m4a") else 0)
    assert read_tags(tagged) == tags


def test_the_pages_of_an_ogg_file_stay_in_order_with_right_checksums(tmp_path: Path) -> None:
    big = dataclasses.replace(TAGS, pictures=(Picture(image("PNG", 200)),))
    path = written(tmp_path, "ogg", big)
    content, numbers = path.read_bytes(), []
    table = [0] * 256
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
        table[byte] = value
    at = 0
    while at < len(content):
        lacing = content[at + 27 : at + 27 + content[at + 26]]
        end = at + 27 + len(lacing) + sum(lacing)
        number, stated = struct.unpack_from("<II", content, at + 18)
        numbers.append(number)
        sum_ = 0
        for byte in content[at : at + 22] + bytes(4) + content[at + 26 : end]:
            sum_ = (sum_ << 8 & 0xFFFFFFFF) ^ table[sum_ >> 24 ^ byte]
        assert sum_ == stated
        at = end
    assert numbers == [*range(len(numbers))]
    assert len(numbers) > 5


def test_a_large_wav_gets_its_tags_in_64_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, SOUND_SAMPLES, RATE_HZ, "PCM_16", format="RF64")
    before = path.read_bytes()
    with path.open("r+b") as file:
        write_tags(file.fileno(), "wav", TAGS)
    assert before[:4] == b"RF64"
    assert int.from_bytes(path.read_bytes()[20:28], "little") == path.stat().st_size - 8
    assert read_tags(path) == TAGS
    np.testing.assert_array_equal(soundfile.read(path, dtype="int16")[0], SOUND_SAMPLES)


def test_what_would_be_wrong_of_another_sound_is_dropped(tmp_path: Path) -> None:
    source = encode(tmp_path / "a.flac", music(9000, RATE_HZ), RATE_HZ, "flac")
    tagged = tmp_path / "b.flac"
    with av.open(str(source)) as old, av.open(str(tagged), "w") as new:
        new.metadata.update(
            {"title": "One", "REPLAYGAIN_TRACK_GAIN": "-9 dB", "LENGTH": "99", "ISRC": "X",
             "ACOUSTID_FINGERPRINT": "abc", "encoded_by": "me", "R128_TRACK_GAIN": "3"}
        )  # fmt: skip
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(audio=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    result = written(tmp_path, "flac", read_tags(tagged))
    assert read_tags(tagged).texts == {"TITLE": ("One",)}
    assert {name for name in ffmpeg_tags(result)[0] if name != "encoder"} == {"title"}


def frame(name: bytes, content: bytes, *, short: bool = False) -> bytes:
    sized = len(content).to_bytes(3 if short else 4)
    return name + sized + (b"" if short else b"\0\0") + content


def tag(version: int, body: bytes, flags: int = 0) -> bytes:
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, flags]) + size + body


def test_old_and_odd_spellings_of_id3_are_read() -> None:
    wide = "歌".encode("utf-16")
    third = (
        frame(b"TIT2", b"\x01" + wide)
        + frame(b"TYER", b"\0001999")
        + frame(b"APIC", b"\x01image/jpg\0\x03" + wide + b"\0\0" + JPEG)
        + frame(b"TCON", b"\0(17)")
        + frame(b"COMM", b"\0engiTunNORM\0 00000A")
    )
    found = id3.parse(tag(3, third + bytes(50)))
    assert found.texts == {"TITLE": ("歌",), "DATE": ("1999",), "GENRE": ("Rock",)}
    assert found.pictures == (Picture(JPEG, 3, "歌"),)
    second = frame(b"TT2", b"\0Caf\xe9", short=True) + frame(
        b"PIC", b"\0JPG\x03\0" + JPEG, short=True
    )
    assert id3.parse(tag(2, second)).texts == {"TITLE": ("Café",)}
    assert id3.parse(tag(2, second)).pictures == (Picture(JPEG),)
    stuffed = frame(b"TPE1", b"\x01" + wide) + frame(b"APIC", b"\0image/jpeg\0\3\0" + JPEG)
    unsynchronised = stuffed.replace(b"\xff", b"\xff\0")
    found = id3.parse(tag(3, unsynchronised, 0x80))
    assert (found.texts, found.pictures) == ({"ARTIST": ("歌",)}, (Picture(JPEG),))


def test_an_mp3_with_only_the_oldest_kind_of_tag_keeps_it(tmp_path: Path) -> None:
    path = written(tmp_path, "mp3", Tags())
    old = b"TAG" + b"One".ljust(30, b"\0") + b"Me".ljust(30, b"\0") + bytes(30) + b"1984"
    path.write_bytes(path.read_bytes() + old + bytes(29) + b"\x05" + b"\x11")
    assert read_tags(path).texts == {
        "TITLE": ("One",), "ARTIST": ("Me",), "DATE": ("1984",), "TRACKNUMBER": ("5",),
        "GENRE": ("Rock",),
    }  # fmt: skip


def test_tags_of_files_that_only_ffmpeg_knows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as file:
        file.metadata.update({"title": "One", "ARTIST": "Me"})
        stream = file.add_stream("flac", rate=RATE_HZ, layout="mono")
        frame_ = av.AudioFrame.from_ndarray(np.zeros((1, 4608), np.int16), "s16", "mono")
        frame_.sample_rate = RATE_HZ
        file.mux(stream.encode(frame_))
        file.mux(stream.encode(None))
    assert read_tags(path).texts == {"TITLE": ("One",), "ARTIST": ("Me",)}


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_a_damaged_tag_is_left_out_and_stops_nothing(
    tmp_path: Path, file_format: FileFormat
) -> None:
    path = written(tmp_path, file_format)
    content = path.read_bytes()
    start = content.find(b"for a friend") - 300
    for _ in range(60):
        hurt = bytearray(content)
        for at in DICE.integers(max(0, start), start + 500, 8):
            hurt[at % len(hurt)] = DICE.integers(256)
        path.write_bytes(hurt[: DICE.integers(40, len(hurt)) if DICE.random() < 0.3 else None])
        found = read_tags(path)
        assert set(found.texts) <= {each.name for each in FIELDS}
    assert read_tags(tmp_path / "none").texts == {}


def test_a_disk_that_fills_up_with_the_tag_leaves_no_file(tmp_path: Path) -> None:
    plain = written(tmp_path, "mp3", Tags())
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (plain.stat().st_size + 100, usual[1]))
    try:
        with pytest.raises(OutputFileError):
            written(tmp_path, "mp3")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert [*tmp_path.iterdir()] == [plain]
