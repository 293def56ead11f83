"""Gives a prepared voice its place in the library, or completes the one that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from engine.library.installed_voice import (
    ORIGINAL_FILE,
    PICTURE_FILES,
    InstalledVoice,
    read_entry,
    write_card,
)
from engine.library.intake import PreparedVoice
from engine.library.naming import clean_name, numbered
from engine.library.staging import changing, flush_folder
from engine.paths import VOICE_INDEX_FILE, VOICE_ROWS_FILE, VOICE_WEIGHTS_FILE

Outcome = Literal["added", "completed", "already there"]
_ID_DIGITS = 16


@dataclass(frozen=True)
class Imported:
    """A voice that is installed now.

    Attributes
    ----------
    outcome : ``already there``: the same voice was installed before; ``completed``: it was, and
        has got the index or picture that it lacked
    notes : sentences about what could not be taken along
    """

    voice: InstalledVoice
    outcome: Outcome
    notes: tuple[str, ...] = ()


def installed_voices(root: Path) -> list[InstalledVoice]:
    """The voices in a library's folder, in no order.

    Raises
    ------
    OSError : the folder cannot be read
    """
    if not root.is_dir():
        return []
    folders = [each for each in root.iterdir() if not each.name.startswith(".")]
    return [voice for folder in folders if (voice := read_entry(folder)) is not None]


def install(
    root: Path, ready: PreparedVoice, name: str, source: str, taken: Sequence[str]
) -> Imported:
    """Move a prepared folder into the library in one step.

    Two processes that import the same voice at once agree on its folder, so one of them finds it
    there already.

    Parameters
    ----------
    taken : names that no voice of the folder may bear

    Raises
    ------
    OSError : the disk fails; the library is then as it was
    """
    target = root / ready.content_sha256[:_ID_DIGITS]
    with changing(root):
        there = read_entry(target)
        if there is not None:
            return _completed(there, ready)
        others = [voice.name for voice in installed_voices(root)] + list(taken)
        free = numbered(name, frozenset(other.casefold() for other in others))
        card = InstalledVoice(
            id=target.name,
            name=free,
            folder=ready.folder,
            weights=ready.folder / VOICE_WEIGHTS_FILE,
            source=clean_source(source),
            imported=datetime.now(UTC).isoformat(timespec="seconds"),
            content_sha256=ready.content_sha256,
            facts=ready.facts,
        )
        write_card(card, ready.folder)
        flush_folder(ready.folder)
        if target.is_dir():  # a folder that holds no voice any more
            target.rename(ready.folder.with_name(f"{ready.folder.name}.old"))
        ready.folder.rename(target)
        flush_folder(root)
    return Imported(read_entry(target) or replace(card, folder=target), "added", ready.notes)


def clean_source(source: str) -> str:
    """A file's name or an address as one printable line."""
    return "".join(letter for letter in source if letter.isprintable())[:1000]


def _completed(there: InstalledVoice, ready: PreparedVoice) -> Imported:
    gained = []
    if there.index is None:
        gained += [VOICE_ROWS_FILE, VOICE_INDEX_FILE]
    if there.original is None:
        gained.append(ORIGINAL_FILE)
    if there.picture is None:
        gained.extend(PICTURE_FILES)
    moved = [name for name in gained if (ready.folder / name).is_file()]
    for name in moved:
        (ready.folder / name).replace(there.folder / name)
    notes = () if there.index is not None else ready.notes
    if not moved:
        return Imported(there, "already there", notes)
    return Imported(read_entry(there.folder) or there, "completed", notes)


def chosen_name(name: str, label: str | None) -> str:
    """The name by the file, or the checkpoint's own where the file's says nothing."""
    own = clean_name(label or "")
    return own if name == "Voice" and own else name
