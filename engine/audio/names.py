"""File names: endings to offer in dialogs, and the names of results."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Container
from itertools import count
from pathlib import Path

from engine.plain_text import HIDDEN

AUDIO_SUFFIXES = frozenset(
    {
        ".wav", ".wave", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif",
        ".aiff", ".aifc", ".caf", ".au", ".m4a", ".m4b", ".aac", ".ac3", ".amr", ".ape", ".tta",
        ".wma", ".wv", ".weba",
    }
)  # fmt: skip
VIDEO_SUFFIXES = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".mka", ".webm", ".avi", ".wmv", ".asf", ".flv",
        ".3gp", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    }
)  # fmt: skip
SUPPORTED_SUFFIXES = AUDIO_SUFFIXES | VIDEO_SUFFIXES
"""Lower-case endings for file dialogs; the reader goes by content, not by name."""

RECIPE_SUFFIX = ".rvcrecipe"
"""Of a recipe beside its result."""

_MAX_NAME_BYTES = 255
_MAX_VOICE_BYTES = 100
_ZERO_WIDTH_JOINER = "\u200d"

# Separators, also of old Mac disks, and characters that exFAT and network disks refuse.
_FOREIGN = frozenset('/\\:*?"<>|')


def output_path_for(
    source_path: Path, voice_name: str, directory: Path | None, ending: str
) -> Path:
    """A free name for the conversion of a file by a voice.

    ``name (Voice).wav``, or ``name (Voice) 2.wav`` and so on where that is taken. The name fits
    255 bytes in either Unicode spelling; the source's part is shortened first. `write_sound`
    checks again that the name is free.

    Parameters
    ----------
    source_path : what was converted
    voice_name : any text; characters a file name cannot hold become ``-``
    directory : where to; None is the source's folder
    ending : without its dot
    """
    folder = source_path.parent if directory is None else directory
    voice = _shortened(_clean(voice_name), _MAX_VOICE_BYTES) or "voice"
    for number in count(1):
        tail = f" ({voice})" + (f" {number}" if number > 1 else "") + f".{ending}"
        stem = _shortened(source_path.stem, _MAX_NAME_BYTES - _name_bytes(tail))
        path = folder / f"{stem}{tail}"
        if not os.path.lexists(path):
            break
    return path


def is_result_of(name: str, stems: Container[str], voice_name: str) -> bool:
    """Whether a file's name is one that `output_path_for` gives, and its source is there too.

    Parameters
    ----------
    stems : the names of the files in its folder, without their endings
    """
    voice = _shortened(_clean(voice_name), _MAX_VOICE_BYTES) or "voice"
    match = re.fullmatch(rf"(.+) \({re.escape(voice)}\)( \d+)?", Path(name).stem, re.DOTALL)
    return match is not None and match[1] in stems


def number_of(path: Path) -> str:
    """The number of a name that `output_path_for` numbered, e.g. ``(2)``; else ""."""
    match = re.search(r"\) (\d+)$", path.stem)
    return "" if match is None else f"({match[1]})"


def _clean(voice_name: str) -> str:
    text = unicodedata.normalize("NFC", voice_name)
    kept = "".join(
        "-" if c in _FOREIGN else c
        for c in text
        if c == _ZERO_WIDTH_JOINER or unicodedata.category(c) not in HIDDEN
    )
    return " ".join(kept.split()).lstrip(". ").rstrip(". ")


def _shortened(text: str, max_bytes: int) -> str:
    """The text cut to a size, not inside a character that is made of several."""
    if _name_bytes(text) <= max_bytes:
        return text
    end = len(text)
    while end and (_name_bytes(text[:end]) > max_bytes or _is_joined(text, end)):
        end -= 1
    return text[:end].rstrip(". ")


def _is_joined(text: str, at: int) -> bool:
    """Whether a cut before `at` would separate a character from its accents or joined emoji."""
    following = text[at : at + 1]
    return (
        text[at - 1] == _ZERO_WIDTH_JOINER
        or following == _ZERO_WIDTH_JOINER
        or (following != "" and unicodedata.category(following) in {"Mn", "Me", "Mc"})
    )


def _name_bytes(text: str) -> int:
    """Size in the longer of the two spellings that disks use (APFS keeps, HFS+ takes apart)."""
    spellings = (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))
    return max(len(s.encode(errors="surrogateescape")) for s in spellings)
