"""A voice as an archive for other programs and other people's libraries."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from engine.errors import LibraryError, Refusal, Text, as_user_error, on_disk
from engine.files import PIECE_BYTES, atomic_file, require_room
from engine.library.installed_voice import InstalledVoice
from engine.library.naming import file_stem
from engine.progress import CancelToken


def export_voice(
    voice: InstalledVoice,
    destination: Path,
    *,
    overwrite: bool = False,
    cancel: CancelToken | None = None,
) -> Path:
    """Write ``NAME.zip`` with ``NAME.pth`` (as trainers write it), ``NAME.index`` and the picture.

    Parameters
    ----------
    destination : a ``.zip``, or an existing folder

    Returns
    -------
    The archive, complete and on the disk.

    Raises
    ------
    LibraryError : it cannot be written, or exists and ``overwrite`` is False
    """
    stem = file_stem(voice.name)
    path = destination / f"{stem}.zip" if destination.is_dir() else destination
    cancel = cancel or CancelToken()
    what = Text('Cannot export the voice "{name}"', name=voice.name)
    with as_user_error(what, LibraryError), on_disk():
        if path.suffix.lower() != ".zip":
            why = Text('"{name}" does not end in .zip', name=path.name)
            raise Refusal(why, "use a name that ends in .zip")
        extra = [file for file in (voice.index, voice.picture) if file is not None]
        needed_bytes = sum(file.stat().st_size for file in (voice.weights, *extra))
        require_room(path.absolute().parent, needed_bytes)
        try:
            with atomic_file(path, overwrite=overwrite) as descriptor:
                _write(voice, extra, stem, descriptor, cancel)
        except FileExistsError as error:
            why = Text('"{name}" exists already', name=path.name)
            raise Refusal(why, "choose another name or allow replacing the file") from error
    return path


def _write(
    voice: InstalledVoice, extra: list[Path], stem: str, descriptor: int, cancel: CancelToken
) -> None:
    from engine.voice_record import read_record, write_checkpoint  # torch takes a second to load

    checkpoint = io.BytesIO()
    write_checkpoint(read_record(voice.weights), checkpoint)
    cancel.raise_if_cancelled()
    # Stored without compression: weights and features hardly shrink.
    with (
        os.fdopen(os.dup(descriptor), "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr(f"{stem}.pth", checkpoint.getbuffer())
        for source in extra:
            with (
                source.open("rb") as original,
                archive.open(f"{stem}{source.suffix}", "w", force_zip64=True) as member,
            ):
                while piece := original.read(PIECE_BYTES):
                    cancel.raise_if_cancelled()
                    member.write(piece)
