"""From files, folders, archives and addresses into the library."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import LibraryError, Refusal, UserError, as_user_error, on_disk
from engine.files import ByteListener
from engine.library.archive import Limits
from engine.library.candidate import Chooser
from engine.library.download.retry import Pacing
from engine.library.installation import Imported, chosen_name, install
from engine.library.installed_voice import starter_entry
from engine.library.intake import ProgressListener, no_progress, prepare
from engine.library.link import VoiceOffer, fetch_voice
from engine.library.member_name import quoted
from engine.library.scan import scan
from engine.library.staging import download_folder, staging_folder
from engine.progress import CancelToken


@dataclass(frozen=True)
class ImportReport:
    """What became of the voices in one source.

    Attributes
    ----------
    imported : one for each voice that is now installed, in the order of the choice
    refused : a sentence for each that could not be used
    """

    imported: tuple[Imported, ...]
    refused: tuple[UserError, ...] = ()


def import_files(
    root: Path,
    sources: Sequence[Path],
    *,
    limits: Limits,
    choose: Chooser,
    keep_original: bool,
    listener: ProgressListener,
    cancel: CancelToken,
    source_name: str,
) -> ImportReport:
    """See `engine.library.voice_library.VoiceLibrary.import_files`."""
    imported: list[Imported] = []
    refused: list[UserError] = []
    what = f"Cannot import {quoted(sources[0].name if sources else '')}"
    with as_user_error(what, LibraryError), on_disk(), staging_folder(root) as work:
        scratch = work / "unpacked"
        scratch.mkdir()
        chosen = choose(scan(sources, scratch, limits=limits, cancel=cancel))
        for number, candidate in enumerate(chosen):
            place = work / f"voice{number}"
            share = _share(listener, number, len(chosen))
            try:
                ready = prepare(
                    candidate, place, keep_original=keep_original, listener=share, cancel=cancel
                )
                name = chosen_name(candidate.name, ready.label)
                imported.append(install(root, ready, name, source_name, [starter_entry().name]))
            except UserError as error:
                refused.append(error)
            finally:
                shutil.rmtree(place, ignore_errors=True)
            share(1.0)
    if refused and not imported:
        raise refused[0]
    return ImportReport(tuple(imported), tuple(refused))


def import_offer(
    root: Path,
    offer: VoiceOffer,
    *,
    limits: Limits,
    choose: Chooser,
    keep_original: bool,
    downloaded: ByteListener | None,
    cancel: CancelToken,
    pacing: Pacing,
) -> ImportReport:
    """See `engine.library.voice_library.VoiceLibrary.import_offer`."""
    first = offer.files[0]
    key = hashlib.sha256(first.url.encode()).hexdigest()[:16]
    what = f"Cannot import {quoted(first.name)}"
    with as_user_error(what, LibraryError), on_disk(), download_folder(root, key) as folder:
        if folder is None:
            raise Refusal("it is being downloaded already", "wait for that download")
        paths = fetch_voice(offer, folder, listener=downloaded, cancel=cancel, pacing=pacing)
        try:
            return import_files(
                root,
                paths,
                limits=limits,
                choose=choose,
                keep_original=keep_original,
                listener=no_progress,
                cancel=cancel,
                source_name=first.url,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _share(listener: ProgressListener, number: int, count: int) -> ProgressListener:
    """One voice's part of the whole progress."""
    return lambda fraction: listener((number + fraction) / count)
