"""What is to be converted: files, the sound in folders, and sentences for links."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.audio.names import RECIPE_SUFFIX, SUPPORTED_SUFFIXES, is_result_of
from engine.cli.output import say
from engine.errors import AudioFileError, OptionError, OutputFileError, UserError
from engine.library.song_page import song_service
from engine.plain_text import plain

_LINK = re.compile(r"[a-z][a-z0-9+.-]+://|www\.|spotify:", re.IGNORECASE)
_SHOWN_LINK = 200


@dataclass(frozen=True)
class Source:
    """A file to convert.

    Attributes
    ----------
    folder : where it lies in the folder that was named; in ``--output-dir`` its result lies alike
    in_folder : whether a folder was named, not the file itself
    """

    path: Path
    folder: Path = Path()
    in_folder: bool = False


@dataclass
class Sources:
    """What the inputs of a command are.

    Attributes
    ----------
    files : in the order in which they were given; those of a folder by name
    errors : one for each input that is nothing to convert
    others : how many files in folders are neither sound nor a recipe
    """

    files: list[Source] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)
    others: int = 0


def find_sources(inputs: Iterable[str], results: Path | None) -> Sources:
    """The files to convert.

    Parameters
    ----------
    results : a folder that is left out, because results go there
    """
    found = Sources()
    for text in inputs:
        try:
            if not text or is_link(text):
                raise _not_a_file(text)
            if not os.path.isdir(text):  # noqa: PTH112 - pathlib's raises for names that are too long
                _require_file(Path(text))
                found.files.append(Source(Path(text)))
                continue
            inside = list(_sound_in(Path(text), results, found))
            if not inside:
                raise AudioFileError(
                    f'Cannot convert the folder "{Path(text).absolute().name}"',
                    "there is no audio or video file in it",
                    "choose another folder, or files",
                )
            found.files += inside
        except UserError as error:
            found.errors.append(error)
    if len(found.files) > 1 and results is not None and not results.is_dir():  # said once
        is_file = results.exists()
        why = "it is a file" if is_file else "it does not exist"
        advice = "choose a folder" if is_file else "create it first"
        what = f'Cannot write into the folder "{plain(str(results))}"'
        found.errors.append(OutputFileError(what, why, advice))
        found.files.clear()
    return found


def without_results(files: Sequence[Source], *names: str) -> list[Source]:
    """The files without what an earlier conversion made of others among them.

    Parameters
    ----------
    names : the title of the voice, or of stems, which are in the names of results
    """
    stems: defaultdict[Path, set[str]] = defaultdict(set)
    for each in files:
        stems[each.path.parent].add(each.path.stem)
    return [
        each
        for each in files
        if not each.in_folder
        or not any(is_result_of(each.path.name, stems[each.path.parent], name) for name in names)
    ]


def tell_of_others(others: int, results: int) -> None:
    """Say how many files of folders are left out: those that are not sound, and earlier results."""
    if others:
        say(f"urvc: skipped {_files(others)} in folders: not audio or video.")
    if results:
        say(f"urvc: skipped {_files(results)} in folders: made by an earlier conversion.")


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


@contextmanager
def result_folder(output_dir: Path | None, inside: Path) -> Iterator[Path | None]:
    """The folder of a result: for a source in a subfolder a subfolder, made if it is missing."""
    if output_dir is None or inside == Path() or not output_dir.is_dir():
        yield output_dir
        return
    made = [each for each in (inside, *inside.parents) if not (output_dir / each).exists()]
    try:
        (output_dir / inside).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFileError(
            f'Cannot make the folder "{output_dir / inside}"',
            error.strerror or str(error),
            "choose another folder for the results",
        ) from error
    try:
        yield output_dir / inside
    finally:
        with suppress(OSError):  # it holds a result
            for each in made:
                (output_dir / each).rmdir()


def is_link(text: str) -> bool:
    """Whether it is an address of the web and no file of that name is there."""
    named = bool(_LINK.match(text)) or ("/" in text and song_service(text) is not None)
    return named and not os.path.lexists(text)


def refuse_voice_link(text: str) -> None:
    """Refuse a link where an installed voice or a file is wanted.

    Raises
    ------
    OptionError : it is one
    """
    if not is_link(text):
        return
    service = song_service(text)
    if service is not None:
        why, advice = f"it leads to a song or video on {service}", "give the name of a voice"
    else:
        why = "it is a link, not a file or the name of an installed voice"
        advice = f'install it with "urvc voices import {text}", then give its name'
    raise OptionError(f'Cannot use the voice "{text[:_SHOWN_LINK]}"', why, advice)


def _not_a_file(text: str) -> UserError:
    what = f'Cannot convert "{text[:_SHOWN_LINK]}"'
    if not text:
        return AudioFileError(what, "the name is empty", "give the name of a file or folder")
    from engine.library.hub import HUB_HOSTS

    service = song_service(text)
    host = re.sub(r"^\w+://", "", text).partition("/")[0].lower()
    if service is not None:
        why = f"it leads to a song or video on {service}, and only files can be converted"
        return AudioFileError(what, why, "save it as an audio or video file and give that")
    if host in HUB_HOSTS:
        why = "it is a link to Hugging Face, and only files can be converted"
        return AudioFileError(what, why, f'install a voice with "urvc voices import {text}"')
    why = "it is a link, and only files can be converted"
    return AudioFileError(what, why, "download the file and give that")


def _require_file(path: Path) -> None:
    """Raise what reading raises, before anything else is said, where there is no such file."""
    if not os.path.isfile(path):  # noqa: PTH113 - as above
        from engine.audio.reader import probe_audio

        probe_audio(path)


def _sound_in(folder: Path, results: Path | None, found: Sources) -> Iterator[Source]:
    """The sound in a folder and its subfolders, but not in hidden ones."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith(".") and not _is_same(Path(place, each), results)
        )
        for name in sorted(each for each in names if not each.startswith(".")):
            suffix = Path(name).suffix.lower()
            if suffix in SUPPORTED_SUFFIXES:
                yield Source(Path(place, name), Path(place).relative_to(folder), in_folder=True)
            elif suffix != RECIPE_SUFFIX:
                found.others += 1


def _is_same(folder: Path, other: Path | None) -> bool:
    return other is not None and other.is_dir() and folder.samefile(other)
