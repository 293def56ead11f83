"""The voices in files, folders and archives, each with its index and picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engine.errors import LibraryError, Refusal, Text, as_user_error, on_disk
from engine.files import open_file
from engine.library.archive import (
    DEFAULT_LIMITS,
    INDEX_ENDING,
    PACKED_ENDINGS,
    PICTURE_ENDINGS,
    VOICE_ENDINGS,
    WANTED_ENDINGS,
    ZIP_ENDING,
    Limits,
    SourceFile,
    Unpacker,
    is_junk,
)
from engine.library.member_name import printable
from engine.library.naming import (
    Training,
    display_name,
    index_owner,
    indexes_for,
    is_trained_index,
    is_training_file,
    singer_of,
    split_training,
)
from engine.progress import CancelToken

_USUAL_PICTURES = ("cover", "avatar", "picture", "image", "icon", "art", "photo")


@dataclass(frozen=True, eq=False)
class VoiceCandidate:
    """A voice that can be imported.

    Attributes
    ----------
    name : by its file; the name in the checkpoint may replace a generic one
    singer : the same for all epochs of one training
    training : epoch and step by its file's name
    weights : the checkpoint
    indexes : those that may belong to it, the likeliest first
    untrained_index : one of its name without vectors (``trained_``), if any
    picture : of the voice, if any
    """

    name: str
    singer: str
    training: Training
    weights: SourceFile
    indexes: tuple[SourceFile, ...]
    untrained_index: SourceFile | None
    picture: SourceFile | None


Chooser = Callable[[Sequence[VoiceCandidate]], Sequence[VoiceCandidate]]
"""Given all voices of an archive or folder, returns those to import."""


def newest_of_each(candidates: Sequence[VoiceCandidate]) -> Sequence[VoiceCandidate]:
    """For each singer the finished voice, else the one that was trained longest."""
    newest: dict[str, VoiceCandidate] = {}
    for candidate in candidates:
        held = newest.get(candidate.singer)
        if held is None or candidate.training.rank > held.training.rank:
            newest[candidate.singer] = candidate
    return tuple(newest.values())


def all_of_them(candidates: Sequence[VoiceCandidate]) -> Sequence[VoiceCandidate]:
    """All voices, with every epoch."""
    return candidates


def candidates_among(files: Sequence[SourceFile], origin: str) -> tuple[VoiceCandidate, ...]:
    """The voices among files; training checkpoints only if there is nothing else.

    Parameters
    ----------
    origin : stem of the archive or name of the folder that was chosen
    """
    ordered = sorted(files, key=lambda file: str(file.place).casefold())
    checkpoints = [file for file in ordered if file.ending in VOICE_ENDINGS]
    voices = [file for file in checkpoints if not is_training_file(file.place.name)] or checkpoints
    indexes = [file for file in ordered if file.ending == INDEX_ENDING]
    pictures = [file for file in ordered if file.ending in PICTURE_ENDINGS]
    singers = {(voice.place.parent, _singer(voice, origin)) for voice in voices}
    alone = len({singer for _, singer in singers}) == 1
    return tuple(
        _candidate(
            voice,
            indexes,
            pictures,
            origin,
            alone=alone,
            alone_here=sum(folder == voice.place.parent for folder, _ in singers) == 1,
        )
        for voice in voices
    )


def _candidate(
    voice: SourceFile,
    indexes: list[SourceFile],
    pictures: list[SourceFile],
    origin: str,
    *,
    alone: bool,
    alone_here: bool,
) -> VoiceCandidate:
    by_place = {file.place: file for file in indexes}
    full = [file.place for file in indexes if not is_trained_index(file.place.name)]
    bare = [file.place for file in indexes if is_trained_index(file.place.name)]
    own = indexes_for(voice.place, full, alone=alone, alone_here=alone_here)
    untrained = indexes_for(voice.place, bare, alone=alone, alone_here=alone_here)
    return VoiceCandidate(
        name=display_name(voice.place, origin),
        singer=_singer(voice, origin),
        training=split_training(voice.place.stem)[1],
        weights=voice,
        indexes=tuple(by_place[place] for place in own),
        untrained_index=by_place[untrained[0]] if untrained else None,
        picture=_picture(voice, pictures, alone=alone, alone_here=alone_here),
    )


def _singer(voice: SourceFile, origin: str) -> str:
    """The singer by the shown name: ``model.pth`` in two folders is two singers."""
    name = display_name(voice.place, origin)
    return singer_of(name) or name.casefold()


def _picture(
    voice: SourceFile, pictures: list[SourceFile], *, alone: bool, alone_here: bool
) -> SourceFile | None:
    singer = singer_of(voice.place.stem)

    def rank(picture: SourceFile) -> int | None:
        stem = singer_of(picture.place.stem)
        beside = picture.place.parent == voice.place.parent
        if singer and (singer in stem):
            return 0 if beside else 1
        usual = any(word in stem for word in _USUAL_PICTURES)
        if alone or (beside and usual and alone_here):
            return (2 if usual else 4) + (not beside)
        return None

    ranked = [(rank(picture), index) for index, picture in enumerate(pictures)]
    fitting = [(place, index) for place, index in ranked if place is not None]
    return pictures[min(fitting)[1]] if fitting else None


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
    scratch : an empty folder on the library's disk, for unpacked files

    Raises
    ------
    LibraryError : there is no voice
    """
    name = sources[0].name if sources else ""
    what = Text('Cannot import "{name}"', name=printable(name))
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


def _files_of(source: Path, unpacker: Unpacker) -> Iterator[SourceFile]:
    if source.is_dir():
        yield from _files_below(source, unpacker)
    elif not source.exists():
        raise Refusal("it does not exist", _CHOOSE)
    elif not source.is_file():
        raise Refusal("it is not a regular file", _CHOOSE)
    elif source.suffix.lower() in WANTED_ENDINGS - {ZIP_ENDING}:
        yield _loose(source, PurePosixPath(source.name))
    elif source.suffix.lower() in PACKED_ENDINGS | {ZIP_ENDING} or _is_zip(source):
        if unpacker.is_checkpoint(source):
            yield _loose(source, PurePosixPath(source.stem + ".pth"))
        else:
            yield from unpacker.files_in(source)
    else:
        why = (
            Text("{ending} files are not voices", ending=source.suffix)
            if source.suffix
            else "it is not a voice"
        )
        raise Refusal(why, _CHOOSE)


def _loose(path: Path, place: PurePosixPath) -> SourceFile:
    return SourceFile(place, path.stat().st_size, lambda: path)


def _files_below(folder: Path, unpacker: Unpacker) -> Iterator[SourceFile]:
    """Regular files only, because links could lead anywhere."""
    count = 0
    for place, names, files in os.walk(folder, onerror=_raise):
        here = PurePosixPath(Path(place).relative_to(folder).as_posix())
        names[:] = [name for name in sorted(names) if not is_junk(PurePosixPath(name))]
        if len(here.parts) >= _DEEPEST_FOLDER:
            names.clear()
        count += len(files) + len(names)
        if count > _MOST_FILES:
            raise Refusal(
                Text("it contains more than {count} files", count=_MOST_FILES),
                "choose the voice's own folder",
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
    with open_file(path) as file:
        return file.read(4) == b"PK\x03\x04"


def _siblings(sources: Sequence[Path], files: Sequence[SourceFile]) -> list[SourceFile]:
    """The indexes of the same name beside a single ``.pth``."""
    if len(sources) != 1 or len(files) != 1 or files[0].ending not in VOICE_ENDINGS:
        return []
    singer = singer_of(sources[0].stem)
    beside = sorted(sources[0].absolute().parent.glob(f"*{INDEX_ENDING}"))[:_MOST_FILES]
    own = [
        path for path in beside if path.is_file() and singer and index_owner(path.stem) == singer
    ]
    return [_loose(path, PurePosixPath(path.name)) for path in own]


def _nothing(files: Sequence[SourceFile], others: Sequence[PurePosixPath]) -> Refusal:
    """Why there is no voice in the files."""
    indexes = [file.place.name for file in files if file.ending == INDEX_ENDING]
    if indexes:
        template = (
            '"{name}" is an index without vectors, not a voice'
            if is_trained_index(indexes[0])
            else '"{name}" is only an index, not a voice'
        )
        return Refusal(
            Text(template, name=printable(indexes[0])), "import it together with its .pth"
        )
    packed = [place.name for place in others if place.suffix.lower() in PACKED_ENDINGS]
    if packed:
        why = Text(
            'it contains another archive, "{name}", which cannot be opened here',
            name=printable(packed[0]),
        )
        return Refusal(why, "unpack that archive first and choose the folder")
    names = [place.name for place in (*(file.place for file in files), *others)]
    if not names:
        return Refusal("it is empty", _CHOOSE)
    why = Text(
        'it contains no voice (.pth), only other files such as "{name}"', name=printable(names[0])
    )
    return Refusal(why, _CHOOSE)
