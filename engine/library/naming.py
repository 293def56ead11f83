"""What voices are called: by their files at first, by the user later, and in names of files."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from engine.file_name import SAYS_NOTHING, is_training_file, plain_name, split_training

LONGEST_NAME = 80


def display_name(place: PurePosixPath, origin: str, label: str | None = None) -> str:
    """What an imported voice is called at first.

    Parameters
    ----------
    place : of its weights in the archive or folder
    origin : stem of the archive, or name of the folder
    label : the name that the checkpoint itself bears
    """
    folders = [parent.name for parent in place.parents if parent.name]
    stem = "" if is_training_file(place.name) else place.stem
    for text in (stem, *folders, origin, label or ""):
        name = clean_name(split_training(text)[0])
        if plain_name(name) not in SAYS_NOTHING:
            return name
    return "Voice"


def clean_name(text: str) -> str:
    """A name of one visible line without control or direction characters; "" if nothing is left."""
    normal = unicodedata.normalize("NFC", text[: 4 * LONGEST_NAME])
    visible = "".join(
        " " if c.isspace() or unicodedata.category(c)[0] == "C" else c for c in normal
    )
    return " ".join(visible.split())[:LONGEST_NAME].strip(" ._-")


def numbered(name: str, taken: frozenset[str]) -> str:
    """``name``, or ``name 2``, ``name 3`` … if others bear it (``taken`` in lower case)."""
    result, number = name, 1
    while result.casefold() in taken:
        number += 1
        result = f"{name} {number}"
    return result


def file_stem(name: str) -> str:
    """A voice's name as the stem of a file on any system."""
    clean = re.sub(r'[<>:"|?*/\\]', "_", name).strip(" .")
    short = clean.encode("utf-8", "ignore")[:180].decode("utf-8", "ignore").strip(" .")
    return short or "voice"
