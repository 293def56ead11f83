"""The installed voices: one folder for each, found by name or id, recognised by content."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import LibraryError, Refusal, Text, UserError, as_user_error, on_disk
from engine.files import ByteListener
from engine.library.archive import DEFAULT_LIMITS, Limits
from engine.library.download.retry import DEFAULT_PACING, Pacing
from engine.library.importing import (
    Imported,
    ImportReport,
    ProgressListener,
    chosen_name,
    install,
    install_index,
    install_picture,
    installed_voices,
    no_progress,
    prepare,
)
from engine.library.installed_voice import (
    PICTURE_FILES,
    InstalledVoice,
    checked_defaults,
    read_voice,
    starter_voice,
    voices_dir,
    write_card,
)
from engine.library.link import VoiceOffer, fetch_voice
from engine.library.member_name import printable
from engine.library.naming import clean_name, file_stem, numbered
from engine.library.scan import Chooser, newest_of_each, scan
from engine.library.staging import changing, clean_up, download_folder, staging_folder
from engine.progress import CancelToken

Trash = Callable[[Path], None]
"""Moves a folder where the user can restore it, or deletes it; raises `OSError` if it cannot."""


_MOST_NAMES = 8
"""In an error message."""


class VoiceLibrary:
    """The voices in a folder; several processes may use it at the same time.

    Parameters
    ----------
    root : None is `voices_dir`; it is created with the first voice
    """

    def __init__(self, root: Path | None = None, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.root = voices_dir(root)
        self._limits = limits
        clean_up(self.root)

    def voices(self) -> tuple[InstalledVoice, ...]:
        """All voices, the starter first, then by name; needs no torch."""
        with as_user_error("Cannot list the voices", LibraryError), on_disk():
            found = installed_voices(self.root)
        found.sort(key=lambda voice: (voice.name.casefold(), voice.id))
        return (starter_voice(), *found)

    def get(self, key: str) -> InstalledVoice:
        """A voice by its id or name; case matters only if two names differ in nothing else.

        Where no voice has that name, the name in its checkpoint counts.

        Raises
        ------
        LibraryError : no voice or several voices fit
        """
        voices = self.voices()
        fitting = _fitting(voices, key)
        if len(fitting) == 1:
            return fitting[0]
        what = Text('Cannot find the voice "{name}"', name=clean_name(key))
        if fitting:
            ids = ", ".join(voice.id for voice in fitting)
            why = Text("{count} voices have that name", count=len(fitting))
            raise LibraryError(what, why, Text("choose by id: {ids}", ids=ids))
        names = ", ".join(voice.name for voice in voices[:_MOST_NAMES])
        others = len(voices) - _MOST_NAMES
        advice = (
            Text("the installed ones are {names} and {count} more", names=names, count=others)
            if others > 0
            else Text("the installed ones are {names}", names=names)
        )
        raise LibraryError(what, "no voice of that name is installed", advice)

    def holds(self, key: str) -> bool:
        """Whether `get` would find one voice or several."""
        return bool(_fitting(self.voices(), key))

    def import_files(
        self,
        sources: Sequence[Path],
        *,
        choose: Chooser = newest_of_each,
        keep_original: bool = False,
        listener: ProgressListener = no_progress,
        cancel: CancelToken | None = None,
    ) -> ImportReport:
        """Import the voices of one folder, one archive, or files that belong together.

        Files are copied, not moved. A voice appears complete or not at all, even if this process
        is killed. An installed voice is recognised by its content, and a missing index or picture
        is added to it.

        Parameters
        ----------
        choose : picks among the found voices, e.g. among several epochs
        keep_original : also keep the original checkpoint

        Raises
        ------
        UserError : if no voice could be imported
        ConversionCancelled : voices that were imported before stay
        """
        return self._import(
            sources,
            ", ".join(source.name for source in sources),
            choose=choose,
            keep_original=keep_original,
            listener=listener,
            cancel=cancel or CancelToken(),
        )

    def import_offer(
        self,
        offer: VoiceOffer,
        *,
        choose: Chooser = newest_of_each,
        keep_original: bool = False,
        downloaded: ByteListener | None = None,
        cancel: CancelToken | None = None,
        pacing: Pacing = DEFAULT_PACING,
    ) -> ImportReport:
        """Download one of the offers of `engine.library.link.find_voices` and import it.

        A broken download is kept for a week, so that the next try continues it.
        """
        cancel = cancel or CancelToken()
        first = offer.files[0]
        key = hashlib.sha256(first.url.encode()).hexdigest()[:16]
        with (
            as_user_error(_cannot_import(first.name), LibraryError),
            on_disk(),
            download_folder(self.root, key) as folder,
        ):
            if folder is None:
                why = "it is being downloaded already"
                raise Refusal(why, "wait for that download or cancel it")
            paths = fetch_voice(offer, folder, listener=downloaded, cancel=cancel, pacing=pacing)
            try:
                return self._import(
                    paths,
                    first.url,
                    choose=choose,
                    keep_original=keep_original,
                    listener=no_progress,
                    cancel=cancel,
                )
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _import(
        self,
        sources: Sequence[Path],
        origin: str,
        *,
        choose: Chooser,
        keep_original: bool,
        listener: ProgressListener,
        cancel: CancelToken,
    ) -> ImportReport:
        imported: list[Imported] = []
        refused: list[UserError] = []
        what = _cannot_import(sources[0].name if sources else "")
        with as_user_error(what, LibraryError), on_disk(), staging_folder(self.root) as work:
            scratch = work / "unpacked"
            scratch.mkdir()
            chosen = choose(scan(sources, scratch, limits=self._limits, cancel=cancel))
            for number, candidate in enumerate(chosen):
                place = work / f"voice{number}"

                def share(fraction: float, number: int = number) -> None:
                    listener((number + fraction) / len(chosen))

                try:
                    ready = prepare(
                        candidate, place, keep_original=keep_original, listener=share, cancel=cancel
                    )
                    name = chosen_name(candidate.name, ready.label)
                    taken = [starter_voice().name]
                    imported.append(install(self.root, ready, name, origin, taken))
                except UserError as error:
                    refused.append(error)
                finally:
                    shutil.rmtree(place, ignore_errors=True)
                share(1.0)
        if refused and not imported:
            raise refused[0]
        return ImportReport(tuple(imported), tuple(refused))

    def rename(self, key: str, name: str) -> InstalledVoice:
        """Give a voice another name."""
        clean = clean_name(name)
        with self._changing(key) as voice:
            if not clean:
                raise Refusal("the new name is empty", "use a name with letters")
            if any(
                v.id != voice.id and v.name.casefold() == clean.casefold() for v in self.voices()
            ):
                why = Text('another voice has the name "{name}"', name=clean)
                raise Refusal(why, "choose another name")
            write_card(replace(voice, name=clean), voice.folder)
        return self.get(voice.id)

    def set_defaults(self, key: str, values: Mapping[str, Any]) -> InstalledVoice:
        """Replace the options that jobs with this voice start with."""
        defaults = checked_defaults(values)
        with self._changing(key) as voice:
            write_card(replace(voice, defaults=defaults), voice.folder)
        return self.get(voice.id)

    def set_picture(self, key: str, picture: Path | None) -> InstalledVoice:
        """Give a voice a picture, which is copied, or remove it with None."""
        with self._changing(key) as voice:
            kept = None
            if picture is not None:
                kept = install_picture(picture, voice.folder, CancelToken())
            for name in PICTURE_FILES:
                if kept != voice.folder / name:
                    (voice.folder / name).unlink(missing_ok=True)
        return self.get(voice.id)

    def set_index(self, key: str, index: Path) -> InstalledVoice:
        """Give a voice another index, which is copied, if it fits."""
        with self._changing(key) as voice:
            width = voice.facts.get("feature_channels")
            if type(width) is not int:
                raise Refusal("its card is damaged", "import the voice again")
            install_index(index, width, voice.folder, CancelToken())
        return self.get(voice.id)

    def remove(self, key: str, trash: Trash = shutil.rmtree) -> None:
        """Remove a voice; on failure it stays installed.

        Parameters
        ----------
        trash : receives a folder with the voice's name
        """
        name = self.get(key).name
        what = Text('Cannot remove the voice "{name}"', name=name)
        with as_user_error(what, LibraryError), on_disk(), staging_folder(self.root) as work:
            leaving = work / file_stem(name)
            with self._changing(key) as voice:
                voice.folder.rename(leaving)
            try:
                trash(leaving)
            except OSError:
                if leaving.is_dir():
                    leaving.rename(voice.folder)
                raise

    def put_back(self, key: str, folder: Path) -> InstalledVoice:
        """Install a removed voice again, under another name if its own is taken by now.

        Parameters
        ----------
        key : its id
        folder : where the trash keeps it

        Raises
        ------
        LibraryError : it is no longer there, or the voice was installed again meanwhile
        """
        what = Text('Cannot put back the voice "{name}"', name=printable(folder.name))
        with as_user_error(what, LibraryError), on_disk(), staging_folder(self.root) as work:
            if read_voice(folder) is None:
                raise Refusal("it is no longer in the trash", "import it again")
            if (self.root / key).exists():
                raise Refusal("it was installed again meanwhile", "use that one")
            place = Path(shutil.move(folder, work / key))
            with changing(self.root):
                others = frozenset(voice.name.casefold() for voice in self.voices())
                voice = read_voice(place)
                if voice is not None:
                    write_card(replace(voice, name=numbered(voice.name, others)), place)
                place.rename(self.root / key)
        return self.get(key)

    @contextmanager
    def _changing(self, key: str) -> Iterator[InstalledVoice]:
        """The current state of a voice, which no other process changes meanwhile."""
        voice = self.get(key)
        what = Text('Cannot change the voice "{name}"', name=voice.name)
        with as_user_error(what, LibraryError), on_disk():
            if voice.built_in:
                raise Refusal("it is part of the program", "import a voice of your own")
            with changing(self.root):
                now = read_voice(voice.folder)
                if now is None:
                    raise Refusal("it was removed meanwhile", "import it again")
                yield now


def _fitting(voices: Sequence[InstalledVoice], key: str) -> list[InstalledVoice]:
    """By id, else by exact name, else by name without case, else by the checkpoint's own name.

    Typed names may be decomposed.
    """
    name = clean_name(key)
    small = name.casefold()
    fitting = [voice for voice in voices if voice.id == key]
    fitting = fitting or [voice for voice in voices if voice.name in (key, name)]
    fitting = fitting or [voice for voice in voices if voice.name.casefold() == small]
    return fitting or [voice for voice in voices if small and _label(voice).casefold() == small]


def _label(voice: InstalledVoice) -> str:
    return clean_name(str(voice.facts.get("model_name") or ""))


def _cannot_import(name: str) -> Text:
    return Text('Cannot import "{name}"', name=printable(name))
