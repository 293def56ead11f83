"""The installed voices: a folder each, found again by name, recognised by content."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import LibraryError, Refusal, as_user_error, on_disk
from engine.files import ByteListener
from engine.library.archive import DEFAULT_LIMITS, Limits
from engine.library.candidate import Chooser, newest_of_each
from engine.library.download.retry import DEFAULT_PACING, Pacing
from engine.library.importing import ImportReport, import_files, import_offer
from engine.library.installation import installed_voices
from engine.library.installed_voice import (
    PICTURE_FILES,
    InstalledVoice,
    checked_defaults,
    read_entry,
    starter_entry,
    write_card,
)
from engine.library.intake import ProgressListener, install_index, install_picture, no_progress
from engine.library.link import VoiceOffer
from engine.library.location import voices_dir
from engine.library.naming import clean_name, file_stem
from engine.library.picture import PictureError
from engine.library.staging import changing, clean_up, staging_folder
from engine.progress import CancelToken

Trash = Callable[[Path], None]
"""Puts a folder where the user can get it back, or deletes it; OSError if it cannot."""


class VoiceLibrary:
    """The voices in a folder; several processes may use it at the same time.

    Parameters
    ----------
    root : None is `engine.library.location.voices_dir`; it is made when the first voice comes
    """

    def __init__(self, root: Path | None = None, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.root = voices_dir(root)
        self._limits = limits
        clean_up(self.root)

    def voices(self) -> tuple[InstalledVoice, ...]:
        """All of them, the starter first, then by name; needs no torch.

        Raises
        ------
        LibraryError : the folder cannot be read
        """
        with as_user_error("Cannot list the voices", LibraryError), on_disk():
            found = installed_voices(self.root)
        found.sort(key=lambda voice: (voice.name.casefold(), voice.id))
        return (starter_entry(), *found)

    def get(self, key: str) -> InstalledVoice:
        """A voice by its id or name (case does not count unless two names differ in it only).

        Raises
        ------
        LibraryError : there is none, or several
        """
        voices = self.voices()
        fitting = [voice for voice in voices if voice.id == key]
        fitting = fitting or [voice for voice in voices if voice.name == key]
        fitting = fitting or [v for v in voices if v.name.casefold() == key.strip().casefold()]
        if len(fitting) == 1:
            return fitting[0]
        what = f'Cannot find the voice "{clean_name(key)}"'
        if fitting:
            ids = ", ".join(voice.id for voice in fitting)
            raise LibraryError(what, f"{len(fitting)} voices are called so", f"choose by id: {ids}")
        names = ", ".join(voice.name for voice in voices[:8])
        more = f" and {len(voices) - 8} more" if len(voices) > 8 else ""
        raise LibraryError(what, "none of that name is installed", f"there are {names}{more}")

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

        Everything is copied, nothing moved. A voice appears whole or not at all, also if this
        process is killed. A voice that is installed already is recognised by its content; what
        it lacked (index, picture) is added to it.

        Parameters
        ----------
        choose : picks among the voices that were found, e.g. among several epochs
        keep_original : also keep the checkpoint as it came

        Raises
        ------
        UserError : one of its kinds, if not a single voice could be imported
        ConversionCancelled : if cancelled; voices imported before stay
        """
        return import_files(
            self.root,
            sources,
            limits=self._limits,
            choose=choose,
            keep_original=keep_original,
            listener=listener,
            cancel=cancel or CancelToken(),
            source_name=_origin(sources),
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

        Raises
        ------
        UserError : it cannot be downloaded, or not be imported
        ConversionCancelled : if cancelled
        """
        return import_offer(
            self.root,
            offer,
            limits=self._limits,
            choose=choose,
            keep_original=keep_original,
            downloaded=downloaded,
            cancel=cancel or CancelToken(),
            pacing=pacing,
        )

    def rename(self, key: str, name: str) -> InstalledVoice:
        """Give a voice another name.

        Raises
        ------
        LibraryError : an empty name, one that another voice bears, the starter, or the disk fails
        """
        clean = clean_name(name)
        with self._changing(key) as voice:
            if not clean:
                raise Refusal("the new name is empty", "give a name with letters")
            if any(
                v.id != voice.id and v.name.casefold() == clean.casefold() for v in self.voices()
            ):
                raise Refusal(f'another voice is called "{clean}"', "choose another name")
            write_card(replace(voice, name=clean), voice.folder)
        return self.get(voice.id)

    def set_defaults(self, key: str, values: Mapping[str, Any]) -> InstalledVoice:
        """Replace the options that jobs with this voice start from.

        Raises
        ------
        OptionError : a value makes no sense
        LibraryError : the starter, or the disk fails
        """
        defaults = checked_defaults(values)
        with self._changing(key) as voice:
            write_card(replace(voice, defaults=defaults), voice.folder)
        return self.get(voice.id)

    def set_picture(self, key: str, picture: Path | None) -> InstalledVoice:
        """Give a voice a picture (copied), or take it away with None.

        Raises
        ------
        LibraryError : it is no picture, the starter, or the disk fails
        """
        with self._changing(key) as voice:
            kept = None
            if picture is not None:
                try:
                    kept = install_picture(picture, voice.folder, CancelToken())
                except PictureError as error:
                    raise Refusal(str(error), "choose a PNG, JPEG or WebP picture") from error
            for name in PICTURE_FILES:
                if kept != voice.folder / name:
                    (voice.folder / name).unlink(missing_ok=True)
        return self.get(voice.id)

    def set_index(self, key: str, index: Path) -> InstalledVoice:
        """Give a voice another index (copied), if it fits.

        Raises
        ------
        IndexFileError : it does not
        LibraryError : the starter, or the disk fails
        """
        with self._changing(key) as voice:
            width = voice.facts.get("feature_channels")
            if type(width) is not int:
                raise Refusal("its card is damaged", "import the voice again")
            install_index(index, width, voice.folder, CancelToken())
        return self.get(voice.id)

    def remove(self, key: str, trash: Trash = shutil.rmtree) -> None:
        """Take a voice out of the library.

        Parameters
        ----------
        trash : gets a folder that bears the voice's name

        Raises
        ------
        LibraryError : the starter, or it cannot be removed; it is then still installed
        """
        name = self.get(key).name
        what = f'Cannot remove the voice "{name}"'
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

    @contextmanager
    def _changing(self, key: str) -> Iterator[InstalledVoice]:
        """The voice as it is now, with no other process changing it."""
        voice = self.get(key)
        with as_user_error(f'Cannot change the voice "{voice.name}"', LibraryError), on_disk():
            if voice.built_in:
                raise Refusal("it comes with the program", "import a voice of your own")
            with changing(self.root):
                now = read_entry(voice.folder)
                if now is None:
                    raise Refusal("it has been removed meanwhile", "import it again")
                yield now


def _origin(sources: Sequence[Path]) -> str:
    return ", ".join(source.name for source in sources)
