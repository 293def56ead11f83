"""From files, folders, archives and links into the library.

A voice is prepared in a staging folder (weights, index, picture) and then moved into the library
in one step, so that it appears there whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.errors import (
    IndexFileError,
    LibraryError,
    Message,
    Text,
    UserError,
    WeightsError,
    as_text,
    as_user_error,
    on_disk,
)
from engine.files import PIECE_BYTES, flush_folder, open_file, require_room
from engine.library.archive import SourceFile
from engine.library.installed_voice import (
    ORIGINAL_FILE,
    PICTURE_FILES,
    Fact,
    InstalledVoice,
    read_voice,
    write_card,
)
from engine.library.member_name import printable
from engine.library.naming import clean_name, numbered
from engine.library.networks import encoder_for
from engine.library.picture import PictureError, read_picture_header
from engine.library.scan import VoiceCandidate
from engine.library.staging import changing
from engine.paths import (
    CONFIG_FILE,
    STARTER_EMBEDDER,
    VOICE_INDEX_FILE,
    VOICE_ROWS_FILE,
    VOICE_WEIGHTS_FILE,
    advised,
    content_encoder_path,
    encoder_name,
    models_dir,
)
from engine.progress import CancelToken
from engine.retrieval.index_cache import keep_rows
from engine.retrieval.index_file import read_index

if TYPE_CHECKING:
    from engine.voice import VoiceCard

Outcome = Literal["added", "completed", "already there"]
ProgressListener = Callable[[float], None]
"""Receives the fraction of the work that is done, 0..1."""

_ID_DIGITS = 16


def no_progress(_: float) -> None:
    """No-op listener."""


@dataclass(frozen=True)
class Imported:
    """A voice that is installed now.

    Attributes
    ----------
    outcome : ``already there``: the same voice was installed before; ``completed``: it was, and
        an index or picture that it lacked was added
    notes : sentences about what was left out
    """

    voice: InstalledVoice
    outcome: Outcome
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True)
class ImportReport:
    """The voices of one source.

    Attributes
    ----------
    imported : those that are now installed, in the order of the choice
    refused : an error for each that cannot be used
    """

    imported: tuple[Imported, ...]
    refused: tuple[UserError, ...] = ()


@dataclass(frozen=True)
class PreparedVoice:
    """A voice in a staging folder.

    Attributes
    ----------
    content_sha256 : of weights and sizes
    label : the name in the checkpoint, if any
    facts : what the checkpoint says about the voice
    notes : sentences about what was left out
    """

    folder: Path
    content_sha256: str
    label: str | None
    facts: dict[str, Fact]
    notes: tuple[Message, ...]


def installed_voices(root: Path) -> list[InstalledVoice]:
    """The voices in a library's folder, in any order."""
    if not root.is_dir():
        return []
    folders = [each for each in root.iterdir() if not each.name.startswith(".")]
    return [voice for folder in folders if (voice := read_voice(folder)) is not None]


def install(
    root: Path, ready: PreparedVoice, name: str, source: str, taken: Sequence[str]
) -> Imported:
    """Move a prepared folder into the library in one step.

    The folder's name follows from the content: of two processes that import the same voice at
    once, one finds it installed.

    Parameters
    ----------
    taken : names that the voice must not get
    """
    target = root / ready.content_sha256[:_ID_DIGITS]
    with changing(root):
        there = read_voice(target)
        if there is not None:
            return _completed(there, ready)
        others = [voice.name for voice in installed_voices(root)] + list(taken)
        free = numbered(name, frozenset(other.casefold() for other in others))
        card = InstalledVoice(
            id=target.name,
            name=free,
            folder=ready.folder,
            weights=ready.folder / VOICE_WEIGHTS_FILE,
            source=_clean_source(source),
            imported=datetime.now(UTC).isoformat(timespec="seconds"),
            content_sha256=ready.content_sha256,
            facts=ready.facts,
        )
        write_card(card, ready.folder)
        flush_folder(ready.folder)
        if target.is_dir():  # a folder that no longer holds a voice
            target.rename(ready.folder.with_name(f"{ready.folder.name}.old"))
        ready.folder.rename(target)
        flush_folder(root)
    return Imported(read_voice(target) or replace(card, folder=target), "added", ready.notes)


def _clean_source(source: str) -> str:
    """A file name or an address as one printable line."""
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
    return Imported(read_voice(there.folder) or there, "completed", notes)


def chosen_name(name: str, label: str | None) -> str:
    """The name by the file, or the one in the checkpoint where the file's is generic."""
    own = clean_name(label or "")
    return own if name == "Voice" and own else name


def prepare(
    candidate: VoiceCandidate,
    folder: Path,
    *,
    keep_original: bool,
    listener: ProgressListener,
    cancel: CancelToken,
) -> PreparedVoice:
    """Check a voice and write all its files into a new folder."""
    what = Text('Cannot import "{name}"', name=candidate.name)
    with as_user_error(what, LibraryError), on_disk():
        folder.mkdir()
        cancel.raise_if_cancelled()
        source = candidate.weights.fetch()
        listener(0.2)
        require_room(folder, 2 * source.stat().st_size)
        with _named(source.name, candidate.weights.place.name):
            content_sha256, facts, notes = _store_weights(source, folder)
        if keep_original:
            _copy(source, folder / ORIGINAL_FILE, cancel)
        listener(0.7)
        cancel.raise_if_cancelled()
        width = int(facts["feature_channels"] or 0)
        notes += _store_index(candidate, width, folder, cancel)
        listener(0.9)
        notes += _store_picture(candidate.picture, folder, cancel)
        cancel.raise_if_cancelled()
        _flush(folder)
    label = facts.get("model_name")
    shown = label if isinstance(label, str) else None
    return PreparedVoice(folder, content_sha256, shown, facts, tuple(notes))


def _copy(source: Path, target: Path, cancel: CancelToken) -> None:
    """Copy a file's content (not its links and permissions) to a new file."""
    with open_file(source) as original, target.open("xb") as copy:
        while piece := original.read(PIECE_BYTES):
            cancel.raise_if_cancelled()
            copy.write(piece)


def install_index(
    source: Path, width: int, folder: Path, cancel: CancelToken, name: str | None = None
) -> None:
    """Copy an index into a voice's folder, if the copy can be read and fits the voice.

    Its rows are stored beside it, so that loading the voice need not read the index.

    Parameters
    ----------
    width : channels of the voice's features
    name : the file name that the user knows; None is that of ``source``
    """
    part = folder / f".{VOICE_INDEX_FILE}.part"
    try:
        require_room(folder, source.stat().st_size)
        part.unlink(missing_ok=True)  # left by a process that was killed
        _copy(source, part, cancel)
        with _named(part.name, name or source.name):
            index = read_index(part, width)
        part.replace(folder / VOICE_INDEX_FILE)
        # Until then older rows are refused, because they belong to another index.
        keep_rows(index, folder / VOICE_INDEX_FILE)
    finally:
        part.unlink(missing_ok=True)


def install_picture(source: Path, folder: Path, cancel: CancelToken) -> Path:
    """Copy a picture into a voice's folder, next to or over the old one.

    Returns
    -------
    The copy.

    Raises
    ------
    PictureError : it is not a picture that can be shown
    """
    header = read_picture_header(source)
    part = folder / ".picture.part"
    try:
        part.unlink(missing_ok=True)  # left by a process that was killed
        _copy(source, part, cancel)
        if read_picture_header(part) != header:
            raise PictureError("it changed while it was copied")
        return part.replace(folder / f"picture{header.ending}")
    finally:
        part.unlink(missing_ok=True)


def _store_weights(source: Path, folder: Path) -> tuple[str, dict[str, Fact], list[Message]]:
    # torch takes a second to load, and listing voices does not need it.
    from engine.voice_checkpoint import checked_voice
    from engine.voice_record import content_sha256, read_record, write_stored

    record = read_record(source)
    voice = checked_voice(record, source)
    write_stored({**record, **voice.labels}, folder / VOICE_WEIGHTS_FILE)
    notes: list[Message] = [*voice.card.notes, *_encoder_note(voice.card.embedder)]
    return content_sha256(record), facts_of(voice.card), notes


def facts_of(card: VoiceCard) -> dict[str, Fact]:
    """What a checkpoint says about its voice, for the card in the voice's folder."""
    apart = ("path", "bytes_on_disk", "notes")
    return {name: value for name, value in vars(card).items() if name not in apart}


def _encoder_note(embedder: str) -> list[Message]:
    """Which content encoder is still to be installed, unless it is the usual one."""
    name = encoder_name(embedder)
    network = encoder_for(embedder)
    if name in (None, STARTER_EMBEDDER) or (network and not network.missing(models_dir())):
        return []
    try:
        content_encoder_path(embedder, models_dir())
    except WeightsError as error:
        return [Text("the voice cannot be used yet. {reason}", reason=error.text)]
    if network is None:
        template = (
            'the voice was trained with the content encoder "{name}", which is not known here; put '
            "its {config} and weights into a folder of that name in the models folder."
        )
        return [Text(template, name=name, config=CONFIG_FILE)]
    return [
        advised(
            Text(
                'the voice needs the content encoder "{name}"; fetch it with "urvc models download '
                '{name}".',
                name=name,
            ),
            Text(
                'the voice needs the content encoder "{name}"; download it in Settings › Models.',
                name=name,
            ),
        )
    ]


def _store_index(
    candidate: VoiceCandidate, width: int, folder: Path, cancel: CancelToken
) -> list[Message]:
    """Use the first index that fits; if none does, the reason becomes a note."""
    refusals: list[IndexFileError] = []
    for found in candidate.indexes:
        try:
            install_index(found.fetch(), width, folder, cancel, found.place.name)
        except IndexFileError as refusal:
            refusals.append(refusal)
        else:
            return []
    if refusals:
        return [Text("imported without its index. {reason}", reason=refusals[0].text)]
    if candidate.untrained_index is not None:
        return [
            Text(
                'imported without an index: "{name}" has lists but no vectors; ask the author for '
                "the index whose name begins with added_.",
                name=printable(candidate.untrained_index.place.name),
            )
        ]
    return []


def _store_picture(found: SourceFile | None, folder: Path, cancel: CancelToken) -> list[Message]:
    if found is None:
        return []
    try:
        install_picture(found.fetch(), folder, cancel)
    except PictureError as error:
        return [
            Text(
                'imported without its picture: "{name}" cannot be used, {reason}.',
                name=printable(found.place.name),
                reason=as_text(error.why),
            )
        ]
    return []


@contextmanager
def _named(file_name: str, name: str) -> Iterator[None]:
    """In errors about an internal file, show the name that the user knows."""
    try:
        yield
    except UserError as error:
        values = {
            gap: printable(name) if value == file_name else value
            for gap, value in error.what.values.items()
        }
        template = error.what.template.replace(f'"{file_name}"', f'"{printable(name)}"')
        what = Text(template, **values)
        raise type(error)(what, error.why, error.advice) from error


def _flush(folder: Path) -> None:
    """Make all files durable before the folder gets its final name."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
