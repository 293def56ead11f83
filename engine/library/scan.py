"""What lies in the files, folders and archives that somebody wants to import."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from engine.errors import LibraryError, Refusal, as_user_error, on_disk
from engine.library.archive import DEFAULT_LIMITS, Limits, Unpacker
from engine.library.candidate import VoiceCandidate, candidates_among
from engine.library.member_name import quoted
from engine.library.naming import index_owner, is_trained_index, singer_of
from engine.library.source_file import (
    INDEX_ENDING,
    PACKED_ENDINGS,
    VOICE_ENDINGS,
    WANTED_ENDINGS,
    ZIP_ENDING,
    Found,
    is_junk,
)
from engine.progress import CancelToken

_MOST_FILES = 20_000
_DEEPEST_FOLDER = 8
_CHOOSE = "choose a voice (.pth), its archive (.zip) or its folder"


def scan(
    sources: Sequence[Path],
    scratch: Path,
    *,
    limits: Limits = DEFAULT_LIMITS,
    cancel: CancelToken | None = None,
) -> tuple[VoiceCandidate, ...]:
    """The voices in files that belong together, in a folder, or in an archive.

    Parameters
    ----------
    sources : one folder, one archive, or files such as a ``.pth`` and its ``.index``
    scratch : an empty folder on the library's disk, for what must be unpacked

    Raises
    ------
    LibraryError : there is nothing to import
    ArchiveError : an archive is damaged, hostile, locked or beyond the limits
    """
    what = f"Cannot import {quoted(sources[0].name)}" if sources else "Cannot import"
    unpacker = Unpacker(scratch, limits, cancel)
    with as_user_error(what, LibraryError), on_disk():
        files = [file for source in sources for file in _files_of(source, unpacker)]
        origin = sources[0].stem if sources and sources[0].is_file() else _folder_name(sources)
        candidates = candidates_among([*files, *_siblings(sources, files)], origin)
        if not candidates:
            raise _nothing(files, unpacker.others)
        return candidates


def _folder_name(sources: Sequence[Path]) -> str:
    return sources[0].absolute().name if sources else ""


def _files_of(source: Path, unpacker: Unpacker) -> Iterator[Found]:
    if source.is_dir():
        yield from _files_below(source, unpacker)
    elif not source.exists():
        raise Refusal("there is no such file or folder", _CHOOSE)
    elif not source.is_file():
        raise Refusal("it is a device and no file", _CHOOSE)
    elif source.suffix.lower() in WANTED_ENDINGS - {ZIP_ENDING}:
        yield _loose(source, PurePosixPath(source.name))
    elif source.suffix.lower() in PACKED_ENDINGS | {ZIP_ENDING} or _is_zip(source):
        if unpacker.is_checkpoint(source):
            yield _loose(source, PurePosixPath(source.stem + ".pth"))
        else:
            yield from unpacker.files_in(source)
    else:
        raise Refusal(f"a {source.suffix or 'nameless'} file is no voice", _CHOOSE)


def _loose(path: Path, place: PurePosixPath) -> Found:
    return Found(place, path.stat().st_size, lambda: path)


def _files_below(folder: Path, unpacker: Unpacker) -> Iterator[Found]:
    """Regular files only: a link could lead anywhere."""
    count = 0
    for place, names, files in os.walk(folder, onerror=_raise):
        here = PurePosixPath(Path(place).relative_to(folder).as_posix())
        names[:] = [name for name in sorted(names) if not is_junk(PurePosixPath(name))]
        if len(here.parts) >= _DEEPEST_FOLDER:
            names.clear()
        count += len(files) + len(names)
        if count > _MOST_FILES:
            raise Refusal(
                f"it holds more than {_MOST_FILES} files", "choose the voice's own folder"
            )
        for name in sorted(files):
            path, inside = Path(place, name), here / name
            if path.is_symlink() or not path.is_file() or is_junk(PurePosixPath(name)):
                continue
            if inside.suffix.lower() == ZIP_ENDING:
                yield from unpacker.files_in(path, inside, depth=1)
            elif inside.suffix.lower() in WANTED_ENDINGS:
                yield _loose(path, inside)
            else:
                unpacker.others.append(inside)


def _raise(error: OSError) -> None:
    raise error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _siblings(sources: Sequence[Path], files: Sequence[Found]) -> list[Found]:
    """The indexes of its name that lie beside a single ``.pth``: people choose only the voice."""
    if len(sources) != 1 or len(files) != 1 or files[0].ending not in VOICE_ENDINGS:
        return []
    singer = singer_of(sources[0].stem)
    beside = sorted(sources[0].absolute().parent.glob(f"*{INDEX_ENDING}"))[:_MOST_FILES]
    own = [
        path for path in beside if path.is_file() and singer and index_owner(path.stem) == singer
    ]
    return [_loose(path, PurePosixPath(path.name)) for path in own]


def _nothing(files: Sequence[Found], others: Sequence[PurePosixPath]) -> Refusal:
    indexes = [file for file in files if file.ending == INDEX_ENDING]
    if indexes:
        name = indexes[0].place.name
        kind = "an index without vectors" if is_trained_index(name) else "only an index"
        return Refusal(
            f"{quoted(name)} is {kind}, which is no voice", "import it together with its .pth"
        )
    packed = [place for place in others if place.suffix.lower() in PACKED_ENDINGS]
    if packed:
        why = f"it holds another archive, {quoted(packed[0].name)}, which cannot be opened here"
        return Refusal(why, "unpack that first and choose the folder")
    names = [*(file.place for file in files), *others]
    held = f"only other files, such as {quoted(names[0].name)}" if names else "nothing at all"
    return Refusal(f"there is no voice (.pth) in it, {held}", _CHOOSE)
