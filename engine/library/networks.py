"""The shared networks that can be downloaded, and their care: find, check, take in, remove."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import DownloadError, Refusal, WeightsError, as_user_error, on_disk
from engine.files import (
    PIECE_BYTES,
    ByteListener,
    file_sha256,
    put_in_place,
    require_room,
)
from engine.library.download.address import checked_address
from engine.library.download.connection import DEFAULT_TIMEOUTS, Timeouts
from engine.library.download.download import download
from engine.library.download.part_file import note_path, part_path
from engine.library.download.retry import DEFAULT_PACING, Pacing
from engine.paths import CONTENT_ENCODER_DIR, RMVPE_FILE
from engine.progress import CancelToken

OFFICIAL_HUB = "https://huggingface.co"
MIRROR_VARIABLE = "URVC_MIRROR"

_REPOSITORY = "lj1995/VoiceConversionWebUI"
_REVISION = "e6d0c1a17da07c33557852f9dfa2bd44cc75737d"
_LONGEST_BYTES = 2 * 10**9

FileState = Literal["right", "missing", "damaged"]


@dataclass(frozen=True)
class SharedFile:
    """One file that every conversion shares.

    Attributes
    ----------
    key : its name on the command line
    label : what it is, for people
    relative_path : below the models folder, with ``/``
    size_bytes : exact length; None where only ``about_bytes`` is known
    about_bytes : length to show before a download
    sha256 : decides whether a file is the right one
    licence, source_page : whose it is
    url_path : below the address of the hub
    """

    key: str
    label: str
    relative_path: str
    size_bytes: int | None
    about_bytes: int
    sha256: str
    licence: str
    source_page: str
    url_path: str

    def path(self, models_dir: Path) -> Path:
        """Where the file belongs."""
        return models_dir / self.relative_path

    def url(self, hub: str) -> str:
        """Where it is fetched from; ``hub`` from `hub_address`."""
        return hub + self.url_path


def _hub_file(
    key: str,
    label: str,
    relative_path: str,
    sha256: str,
    *,
    about_bytes: int,
    size_bytes: int | None = None,
) -> SharedFile:
    return SharedFile(
        key=key,
        label=label,
        relative_path=relative_path,
        size_bytes=size_bytes,
        about_bytes=about_bytes,
        sha256=sha256,
        licence="MIT",
        source_page=f"{OFFICIAL_HUB}/{_REPOSITORY}",
        url_path=f"/{_REPOSITORY}/resolve/{_REVISION}/{relative_path}",
    )


CONTENT_CONFIG = _hub_file(
    "content-config",
    "sizes of the content encoder",
    f"{CONTENT_ENCODER_DIR}/config.json",
    "0346950779dfb7f9316fa74ed846e2b8a22a08eedfdc5387b73f327cb1a4a7cf",
    about_bytes=1_500,
)
CONTENT_WEIGHTS = _hub_file(
    "content",
    "content encoder (HuBERT base)",
    f"{CONTENT_ENCODER_DIR}/pytorch_model.bin",
    "cc8c20f4b90a520757260197a3ff2505705a7adbd20ad9eeaa4e1a9b38442ef5",
    about_bytes=189_000_000,
)
PITCH_WEIGHTS = _hub_file(
    "pitch",
    "pitch network (RMVPE)",
    RMVPE_FILE,
    "6d62215f4306e3ca278246188607209f09af3dc77ed4232efdd069798c4ec193",
    about_bytes=181_184_272,
    size_bytes=181_184_272,
)
SHARED_FILES = (CONTENT_CONFIG, CONTENT_WEIGHTS, PITCH_WEIGHTS)
"""The small one first, so that a wrong address shows at once."""


def hub_address(setting: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """The base address of the hub, without a slash at the end.

    Parameters
    ----------
    setting : what the user has set; else the environment's ``URVC_MIRROR``, else the official hub

    Raises
    ------
    DownloadError : if the address may not be used (no https, say)
    """
    named = (setting or environment.get(MIRROR_VARIABLE) or OFFICIAL_HUB).strip()
    with as_user_error(f'Cannot use the mirror "{named}"', DownloadError):
        return checked_address(named).rstrip("/")


def missing(
    models_dir: Path, files: tuple[SharedFile, ...] = SHARED_FILES
) -> tuple[SharedFile, ...]:
    """The files that are not there or have another length; quick, reads no contents."""
    return tuple(file for file in files if not _seems_present(file, models_dir))


def verify(
    models_dir: Path,
    files: tuple[SharedFile, ...] = SHARED_FILES,
    *,
    listener: ByteListener | None = None,
    cancel: CancelToken | None = None,
) -> dict[SharedFile, FileState]:
    """The state of each file by its SHA-256; an unreadable file counts as damaged.

    Raises
    ------
    ConversionCancelled : if cancelled
    """
    return {file: _state(file, models_dir, listener, cancel) for file in files}


def fetch(
    file: SharedFile,
    models_dir: Path,
    *,
    hub: str | None = None,
    listener: ByteListener | None = None,
    cancel: CancelToken | None = None,
    pacing: Pacing = DEFAULT_PACING,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Path:
    """Download one shared file, unless the right one is there already.

    Parameters
    ----------
    hub : base address; None for `hub_address`

    Raises
    ------
    DownloadError : as in `engine.library.download.download.download`
    ConversionCancelled : if cancelled; what has come is kept
    """
    return download(
        file.url(hub_address(hub)),
        file.path(models_dir),
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        size_limit_bytes=_LONGEST_BYTES,
        listener=listener,
        cancel=cancel,
        pacing=pacing,
        timeouts=timeouts,
    )


def install_from_file(
    source: Path,
    file: SharedFile,
    models_dir: Path,
    *,
    listener: ByteListener | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Copy a file that the user has to its place, if it is the right one; never moves it.

    Raises
    ------
    WeightsError : if it cannot be read, is another file, or cannot be copied
    ConversionCancelled : if cancelled; nothing was written
    """
    with as_user_error(f'Cannot use "{source.name}" as {file.label}', WeightsError), on_disk():
        if not source.is_file():
            raise Refusal("there is no such file", "choose the file again")
        size_bytes = source.stat().st_size
        destination = file.path(models_dir)
        if file.size_bytes not in {None, size_bytes}:
            raise Refusal(
                f"it has {size_bytes} bytes where {file.size_bytes} belong", _other_file(file)
            )
        if size_bytes > _LONGEST_BYTES:
            raise Refusal("it is far too long", _other_file(file))
        # Hashed before the copy, so that a wrong file takes no room on the disk, and after.
        if file_sha256(source, cancel, listener) != file.sha256:
            raise Refusal("it is another file (its SHA-256 differs)", _other_file(file))
        if destination.exists() and source.samefile(destination):
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
        require_room(destination.parent, size_bytes)
        _copy_checked(source, destination, file, cancel)
        return destination


def remove(file: SharedFile, models_dir: Path) -> bool:
    """Delete a shared file and whatever is left of a broken download of it.

    Returns
    -------
    Whether there was anything.

    Raises
    ------
    WeightsError : if it cannot be deleted
    """
    path = file.path(models_dir)
    there = False
    with as_user_error(f'Cannot remove "{path.name}"', WeightsError), on_disk():
        for leftover in (path, part_path(path), note_path(part_path(path))):
            if leftover.is_symlink() or leftover.exists():
                leftover.unlink()
                there = True
    return there


def _other_file(file: SharedFile) -> str:
    return f"get it from {file.source_page} or let it be downloaded"


def _seems_present(file: SharedFile, models_dir: Path) -> bool:
    path = file.path(models_dir)
    try:
        return path.is_file() and file.size_bytes in {None, path.stat().st_size}
    except OSError:
        return False


def _state(
    file: SharedFile, models_dir: Path, listener: ByteListener | None, cancel: CancelToken | None
) -> FileState:
    path = file.path(models_dir)
    try:
        right = file_sha256(path, cancel, listener) == file.sha256
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "damaged"
    return "right" if right else "damaged"


def _copy_checked(
    source: Path, destination: Path, file: SharedFile, cancel: CancelToken | None
) -> None:
    """Copy beside, check the copy by reading it back, and put it in place."""
    with tempfile.NamedTemporaryFile(
        dir=destination.parent, prefix=f".{destination.name}.", delete=False
    ) as copy:
        temporary = Path(copy.name)
        try:
            with source.open("rb") as original:
                while piece := original.read(PIECE_BYTES):
                    if cancel is not None:
                        cancel.raise_if_cancelled()
                    copy.write(piece)
            copy.flush()
            if file_sha256(temporary, cancel) != file.sha256:
                raise Refusal("it changed while it was copied", "try again")
            temporary.chmod(0o644)
            put_in_place(copy.fileno(), temporary, destination)
        finally:
            temporary.unlink(missing_ok=True)
