"""What the measurements of this machine depend on, and the small files in which they are kept."""

from __future__ import annotations

import json
import os
import platform
import plistlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.device import chip_name
from engine.files import atomic_file, open_file
from engine.paths import bundle_contents, data_folder

TUNING_VARIABLE = "URVC_TUNING_DIR"
_MAX_BYTES = 1 << 20
_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


@dataclass(frozen=True)
class Machine:
    """What speed and correctness of the devices depend on; a change asks for new measurements.

    Attributes
    ----------
    chip : e.g. ``Apple M3 Max``
    system : e.g. ``macOS 15.2``, ``Linux 6.1``
    torch : version of PyTorch
    """

    chip: str
    system: str
    torch: str

    @classmethod
    def here(cls) -> Machine:
        """The machine this runs on; does not load torch."""
        return cls(chip_name(), _system(), _version("torch"))

    def difference(self, other: Machine) -> str | None:
        """What differs in the other, e.g. ``PyTorch 2.13.0``; None if nothing does."""
        if self.chip != other.chip:
            return other.chip
        if self.system != other.system:
            return other.system
        return None if self.torch == other.torch else f"PyTorch {other.torch}"


def app_version() -> str:
    """Version of this program, from its bundle or its project file; "" if both are missing."""
    contents = bundle_contents()
    try:
        if contents is not None:
            info = plistlib.loads((contents / "Info.plist").read_bytes())
            return str(info["CFBundleShortVersionString"])
        return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, ValueError, KeyError, plistlib.InvalidFileException):
        return ""


def memory_share_bytes(share: float, least: int, most: int) -> int:
    """A share of the memory of this machine, within limits; the least if that is unknown."""
    try:
        total_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return least
    return min(most, max(least, int(share * total_bytes)))


def tuning_dir(override: Path | None = None) -> Path:
    """Absolute path of the folder of the measurements; it need not exist yet.

    Parameters
    ----------
    override : else the environment's ``URVC_TUNING_DIR``, else the user's data folder
    """
    return data_folder("tuning", TUNING_VARIABLE, override)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty if the file is missing, damaged or holds anything else."""
    try:
        with open_file(path) as file:
            found = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_object(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object, replacing the file in one step.

    Raises
    ------
    OSError : the disk is full or refuses
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, overwrite=True) as descriptor:
        os.write(descriptor, json.dumps(content, indent=1).encode())


@cache  # its record is a long text
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _system() -> str:
    mac = platform.mac_ver()[0]
    if mac:
        return f"macOS {mac}"
    # The patch level of a Linux kernel changes weekly and does not affect the figures.
    return f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
