"""Files that macOS decodes: m4a, aac, amr and the sound of mp4, m4v and mov.

The twin of `container_decoder` for the app's bundle, which must not hold FFmpeg with its GPL parts.
macOS' own ``afconvert`` writes the sound into a temporary file, which libsndfile then reads; where
it does not take a video, ``avconvert`` (AVFoundation) takes the sound out of it first.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from engine.audio import sndfile_decoder
from engine.audio.headers import SoundTrack, is_cut_off, is_movie, read_header, sound_track
from engine.audio.source import (
    DAMAGED_NOTE,
    AudioInfo,
    Decoded,
    DecoderRefusal,
    Intake,
    SoundBlock,
    cut_off_note,
    refused,
)
from engine.audio.spool import temporary_disk_errors
from engine.errors import AudioFileError, Message, Text
from engine.files import scratch_folder

AFCONVERT = Path("/usr/bin/afconvert")
AVCONVERT = Path("/usr/bin/avconvert")

_FOREIGN = (
    (0, b"\x1a\x45\xdf\xa3", "a WebM or Matroska file"),
    (0, bytes.fromhex("3026b275 8e66cf11"), "a Windows Media file"),
    (8, b"AVI ", "an AVI video"),
    (0, b"FLV", "a Flash video"),
    (0, b"OggS", "an Ogg file with no sound of a known kind"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b"wvpk", "a WavPack file"),
    (0, b"TTA1", "a TTA file"),
)
"""Offset, bytes found there, kind of file: macOS decodes none of these."""

_HEAD_BYTES = 16
_CUT_S = 0.5
_RIFF_BYTES = (1 << 32) - (1 << 20)
"""A longer sound goes into a CAF file, whose lengths have 64 bits."""

_ROOM_BYTES = 16 << 20
"""With less free space than this, a full disk is taken for the cause of a failure."""


def probe(path: Path, track: int | None = None) -> AudioInfo:
    """Read the header; where it tells nothing, decode the file.

    Raises
    ------
    AudioFileError : if there is no sound that macOS decodes
    OSError : if the file cannot be opened
    """
    found = _examine(path, track)
    if found is not None and found.channels:
        kind = f"mov ({found.codec.strip()})"
        return AudioInfo(path, kind, found.rate_hz, found.channels, found.duration_s)
    with _decoded(path, found) as sound:
        return replace(sndfile_decoder.probe(sound), path=path, format=_kind(path, found))


def decode(
    path: Path, intake: Intake, track: int | None = None, *, damaged: bool = False
) -> Decoded:
    """Decode the first sound, without the encoder's padding where the file tells it.

    Parameters
    ----------
    intake : takes the sound
    track : 1 or None; macOS' tools take the first one only
    damaged : True if the file is known to be damaged; then a note says so

    Raises
    ------
    AudioFileError : if there is no sound that macOS decodes
    OutputFileError : the disk for temporary files has no room for the decoded sound
    OSError : if the file cannot be opened
    """
    found = _examine(path, track)
    with _decoded(path, found) as sound:
        decoded = sndfile_decoder.decode(sound, intake)
    notes: list[Message] = [DAMAGED_NOTE] if damaged else []
    if found is not None and decoded.duration_s < found.duration_s - _CUT_S and is_cut_off(path):
        notes.append(cut_off_note(found.duration_s, decoded.duration_s))
    return replace(decoded, format=_kind(path, found), notes=tuple(notes))


def blocks(path: Path, start_s: float, track: int | None = None) -> Iterator[SoundBlock]:
    """Decode from `start_s` on, a block at a time, through a temporary file.

    Raises
    ------
    AudioFileError : if there is no sound that macOS decodes
    OutputFileError : the disk for temporary files has no room for the decoded sound
    OSError : if the file cannot be opened
    """
    with _decoded(path, _examine(path, track)) as sound:
        yield from sndfile_decoder.blocks(sound, start_s)


def starts_anywhere(_path: Path) -> bool:
    """False: macOS' tools decode a file whole."""
    return False


def _examine(path: Path, number: int | None) -> SoundTrack | None:
    """Refuse files that macOS cannot decode; the track of a movie file, None for other kinds."""
    if number is not None and number != 1:
        why = "macOS can read only its first sound track"
        raise refused(path, why, "choose track 1, or save the other track as a file of its own")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for at, mark, kind in _FOREIGN:
        if head[at : at + len(mark)] == mark:
            foreign = Text("it is {kind}, which macOS does not decode", kind=Text(kind))
            raise refused(path, foreign, "convert it to m4a, mp4 or wav first")
    if not is_movie(path):
        return None
    header = read_header(path)
    if header is None:
        why = "it is an unfinished or cut-off video or audio file"
        raise refused(path, why, "get or record it again")
    track = sound_track(header)
    if track is None:
        raise refused(path, "this video has no sound", "choose a file with sound")
    if track.is_protected:
        why = "it is copy-protected (DRM)"
        raise refused(path, why, "use a file without protection")
    return track


@contextmanager
def _decoded(path: Path, track: SoundTrack | None) -> Iterator[Path]:
    """The sound as a temporary file that libsndfile reads.

    Raises
    ------
    AudioFileError : the tools cannot decode it
    OutputFileError : the disk for temporary files has no room for it
    """
    if not AFCONVERT.is_file():
        why = "neither PyAV nor macOS' afconvert is installed"
        raise refused(path, why, "install PyAV, or convert it to a WAV file first")
    with scratch_folder() as folder:
        # Under a name of ours: no name is then taken for an option, and the ending is right.
        source = folder / ("source" + (path.suffix.lower() if track is None else ".mp4"))
        source.symlink_to(path.absolute())
        caf = track is not None and track.duration_s * track.rate_hz * 8 > _RIFF_BYTES
        sound = folder / ("sound.caf" if caf else "sound.wav")
        unpacked = folder / "unpacked.m4a"
        well = run_tool(afconvert_command(source, sound)) or (
            track is not None
            and run_tool(avconvert_command(source, unpacked))
            and run_tool(afconvert_command(unpacked, sound))
        )
        if not well or not sound.is_file():
            if shutil.disk_usage(folder).free < _ROOM_BYTES:
                with temporary_disk_errors():
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise _unknown(path)
        try:
            yield sound
        except DecoderRefusal as error:
            raise _unknown(path) from error


def afconvert_command(source: Path, target: Path) -> list[str]:
    """Decode to 32-bit float, little-endian; rate and channels stay as they are."""
    container = "caff" if target.suffix == ".caf" else "WAVE"
    return [str(AFCONVERT), "-f", container, "-d", "LEF32", str(source), str(target)]


def avconvert_command(source: Path, target: Path) -> list[str]:
    """Extract the sound of a video as AAC."""
    options = ["--preset", "PresetAppleM4A", "--source", str(source), "--output", str(target)]
    return [str(AVCONVERT), *options]


def run_tool(command: list[str]) -> bool:
    """Run a tool of macOS without input; whether it is there and succeeded."""
    try:
        done = subprocess.run(  # noqa: S603 - a tool of macOS, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=os.environ
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


def _kind(path: Path, track: SoundTrack | None) -> str:
    if track is not None:
        return f"mov ({track.codec.strip()})"
    return path.suffix.lower().removeprefix(".") or "sound"


def _unknown(path: Path) -> AudioFileError:
    why = "it isn't an audio or video file that macOS can decode, or it is damaged"
    return refused(path, why, "convert it to m4a, mp4 or wav first")
