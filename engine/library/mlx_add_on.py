"""MLX as an add-on: pip installs it into a folder of the user's data, outside Python and the app.

Versions and hashes stand in ``resources/mlx/requirements.txt``, which `packaging/lock.py` writes.
pip chooses the wheels for the user's macOS, and gets them from where its own settings say.
"""

from __future__ import annotations

import re
import shutil
from importlib.metadata import distributions
from pathlib import Path

from engine.child import Child, ChildError
from engine.device import is_apple_silicon
from engine.errors import DownloadError, Refusal, Text, WeightsError, as_user_error, on_disk
from engine.files import ByteListener, require_room
from engine.library.staging import clean_up, staging_folder
from engine.paths import mlx_folder
from engine.progress import CancelToken

TITLE = Text("MLX, Apple's framework for its GPUs")
ABOUT_BYTES = (46_000_000, 79_000_000)
"""Of the download: for macOS 14 and 15, and for later ones."""

LICENCE = "MIT"
REQUIREMENTS = Path(__file__).resolve().parents[2] / "resources" / "mlx" / "requirements.txt"

_ROOM_BYTES = 400_000_000
"""The larger download, and what is unpacked from it."""

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_MISMATCH = re.compile(r"\s*Got\s+[0-9a-f]{64}")
_OWN_FOLDER = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""Settings of pip that would keep it from a folder of our own."""


def is_installed() -> bool:
    """Whether the add-on is there, in the version of its lock."""
    wanted = set(re.findall(r"^([\w-]+)==([\w.]+)", REQUIREMENTS.read_text("utf-8"), re.MULTILINE))
    found = {(each.name, each.version) for each in distributions(path=[str(mlx_folder())])}
    return wanted <= found


def install(listener: ByteListener | None = None, cancel: CancelToken | None = None) -> None:
    """Let pip download and unpack the add-on; an earlier version is replaced at the end.

    Parameters
    ----------
    listener : receives the bytes so far and in all, of one wheel after the other

    Raises
    ------
    DownloadError : this is no Mac for it, pip could not get it, or there is no room
    ConversionCancelled : nothing is left of it
    """
    with as_user_error(Text("Cannot install MLX"), DownloadError), on_disk():
        if not is_apple_silicon():
            raise Refusal("it needs a Mac with Apple silicon", "convert without it")
        folder = mlx_folder()
        folder.parent.mkdir(parents=True, exist_ok=True)
        clean_up(folder.parent)
        require_room(folder.parent, _ROOM_BYTES)
        with staging_folder(folder.parent) as made:
            _run_pip(made / "new", listener, cancel)
            if folder.exists():
                folder.rename(made / "old")
            (made / "new").rename(folder)


def remove() -> bool:
    """Delete the add-on; whether there was one.

    Raises
    ------
    WeightsError : it cannot be deleted
    """
    folder = mlx_folder()
    with as_user_error(Text("Cannot remove MLX"), WeightsError), on_disk():
        if not folder.is_dir():
            return False
        shutil.rmtree(folder)
        return True


def _run_pip(target: Path, listener: ByteListener | None, cancel: CancelToken | None) -> None:
    def hear(line: str) -> None:
        if listener is not None and (found := _PROGRESS.fullmatch(line.strip())):
            listener(int(found[1]), int(found[2]))

    arguments = ("-m", "pip", "install", "--no-input", "--progress-bar", "raw")
    exactly = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
    place = ("--target", str(target), "--requirement", str(REQUIREMENTS))
    try:
        Child(_OWN_FOLDER, cancel, limit_s=None).output(*arguments, *exactly, *place, listener=hear)
    except ChildError as error:
        if _MISMATCH.match(str(error)):
            why = Text("what was downloaded is not what it should be (its SHA-256 differs)")
            raise Refusal(why, "try again later") from error
        why = Text("pip says: {reason}", reason=str(error).removeprefix("ERROR: "))
        raise Refusal(why, "check the network connection, and try again") from error
