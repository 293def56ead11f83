"""Makes one voice ready in a staging folder: weights, index, picture; changes nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import IndexFileError, LibraryError, UserError, as_user_error, on_disk
from engine.files import PIECE_BYTES, require_room
from engine.library.candidate import VoiceCandidate
from engine.library.installed_voice import ORIGINAL_FILE, Fact
from engine.library.member_name import quoted
from engine.library.picture import PictureError, read_picture_header
from engine.library.source_file import Found
from engine.paths import VOICE_INDEX_FILE, VOICE_WEIGHTS_FILE
from engine.progress import CancelToken
from engine.retrieval.index_file import read_index
from engine.retrieval.kept_index import keep_rows

ProgressListener = Callable[[float], None]
"""Told the fraction of the work that is done, 0..1."""


def no_progress(_: float) -> None:
    """For callers who do not want to know."""


@dataclass(frozen=True)
class PreparedVoice:
    """A voice in a staging folder.

    Attributes
    ----------
    content_sha256 : of weights and sizes
    label : the name that the checkpoint itself bears, if any
    facts : what it says about itself
    notes : sentences about what could not be taken along
    """

    folder: Path
    content_sha256: str
    label: str | None
    facts: dict[str, Fact]
    notes: tuple[str, ...]


def prepare(
    candidate: VoiceCandidate,
    folder: Path,
    *,
    keep_original: bool,
    listener: ProgressListener,
    cancel: CancelToken,
) -> PreparedVoice:
    """Check a voice and write all its files into an empty folder.

    Raises
    ------
    VoiceFileError : the checkpoint cannot be used
    ArchiveError : it cannot be unpacked
    LibraryError : the disk fails or is full
    ConversionCancelled : if cancelled
    """
    with as_user_error(f'Cannot import "{candidate.name}"', LibraryError), on_disk():
        folder.mkdir()
        cancel.raise_if_cancelled()
        source = candidate.weights.fetch()
        listener(0.2)
        require_room(folder, 2 * source.stat().st_size)
        with _known_as(source.name, candidate.weights.place.name):
            content_sha256, facts = _store_weights(source, folder)
        if keep_original:
            copy_file(source, folder / ORIGINAL_FILE, cancel)
        listener(0.7)
        cancel.raise_if_cancelled()
        width = int(facts["feature_channels"] or 0)
        notes = _store_index(candidate, width, folder, cancel)
        listener(0.9)
        notes += _store_picture(candidate.picture, folder, cancel)
        cancel.raise_if_cancelled()
        _flush(folder)
    label = facts.get("model_name")
    shown = label if isinstance(label, str) else None
    return PreparedVoice(folder, content_sha256, shown, facts, tuple(notes))


def copy_file(source: Path, target: Path, cancel: CancelToken) -> None:
    """Copy a file's contents (no links, no rights) to a new file.

    Raises
    ------
    OSError : if that fails
    ConversionCancelled : if cancelled
    """
    with source.open("rb") as original, target.open("xb") as copy:
        while piece := original.read(PIECE_BYTES):
            cancel.raise_if_cancelled()
            copy.write(piece)


def install_index(
    source: Path, width: int, folder: Path, cancel: CancelToken, name: str | None = None
) -> None:
    """Copy an index into a voice's folder, once the copy has been read and found to fit.

    Its rows are laid down beside it, so that later loads need not read it.

    Parameters
    ----------
    name : what the user knows it as; None is its file's own name

    Raises
    ------
    IndexFileError : it cannot be used with this voice
    OSError : the disk fails
    """
    part = folder / f".{VOICE_INDEX_FILE}.part"
    try:
        if not source.is_file():  # a pipe would wait for a writer
            read_index(source, width)
        require_room(folder, source.stat().st_size)
        part.unlink(missing_ok=True)  # of a process that was killed
        copy_file(source, part, cancel)
        with _known_as(part.name, name or source.name):
            index = read_index(part, width)
        part.replace(folder / VOICE_INDEX_FILE)
        # Until then older rows are refused, because they were made from another index.
        keep_rows(index, folder / VOICE_INDEX_FILE)
    finally:
        part.unlink(missing_ok=True)


def install_picture(source: Path, folder: Path, cancel: CancelToken) -> Path:
    """Copy a picture into a voice's folder, beside or over the old one; where it is now.

    Raises
    ------
    PictureError : it is no picture that can be shown
    OSError : the disk fails
    """
    header = read_picture_header(source)
    part = folder / ".picture.part"
    try:
        part.unlink(missing_ok=True)  # of a process that was killed
        copy_file(source, part, cancel)
        if read_picture_header(part) != header:
            raise PictureError("it changed while it was copied")
        return part.replace(folder / f"picture{header.ending}")
    finally:
        part.unlink(missing_ok=True)


def _store_weights(source: Path, folder: Path) -> tuple[str, dict[str, Fact]]:
    # torch takes a second to load, and listing voices does not need it.
    from engine.stored_tensors import content_sha256, read_record, write_stored
    from engine.voice_checkpoint import checked_voice

    record = read_record(source)
    card = checked_voice(record, source).card
    write_stored(record, folder / VOICE_WEIGHTS_FILE)
    facts: dict[str, Fact] = {
        name: value for name, value in asdict(card).items() if name not in ("path", "bytes_on_disk")
    }
    return content_sha256(record), facts


def _store_index(
    candidate: VoiceCandidate, width: int, folder: Path, cancel: CancelToken
) -> list[str]:
    """Take the first index that fits; why none did is a note and no failure."""
    refusals: list[IndexFileError] = []
    for found in candidate.indexes:
        try:
            install_index(found.fetch(), width, folder, cancel, found.place.name)
        except IndexFileError as refusal:
            refusals.append(refusal)
        else:
            return []
    if refusals:
        return [f"imported without its index. {refusals[0]}"]
    if candidate.untrained_index is not None:
        name = candidate.untrained_index.place.name
        why = f"{quoted(name)} has lists but no vectors"
        return [f"imported without an index: {why}; ask for its added_ sibling, which holds them."]
    return []


def _store_picture(found: Found | None, folder: Path, cancel: CancelToken) -> list[str]:
    if found is None:
        return []
    try:
        install_picture(found.fetch(), folder, cancel)
    except PictureError as error:
        return [f'imported without its picture: "{found.place.name}" cannot be used, {error}.']
    return []


@contextmanager
def _known_as(file_name: str, name: str) -> Iterator[None]:
    """Tell failures about a file of ours by the name that the user knows."""
    try:
        yield
    except UserError as error:
        what = str(error.what).replace(f'"{file_name}"', quoted(name))
        raise type(error)(what, error.why, error.advice) from error


def _flush(folder: Path) -> None:
    """Make everything durable before the folder gets its final name."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
