"""What figures measured here depend on; when it changes, they are to be measured again."""

from __future__ import annotations

import platform
import plistlib
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine.bundle import bundle_contents
from engine.device import chip_name

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


@dataclass(frozen=True)
class Machine:
    """A computer as far as speed and correctness of its devices go.

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
        """The one this runs on; does not load torch."""
        return cls(chip_name(), _system(), _version("torch"))

    def difference(self, other: Machine) -> str | None:
        """What sets the other apart, for people, e.g. ``PyTorch 2.13.0``; None if nothing."""
        if self.chip != other.chip:
            return other.chip
        if self.system != other.system:
            return other.system
        return None if self.torch == other.torch else f"PyTorch {other.torch}"


def app_version() -> str:
    """Of this program: as its bundle, else its project's file says; "" where neither is there."""
    contents = bundle_contents()
    try:
        if contents is not None:
            info = plistlib.loads((contents / "Info.plist").read_bytes())
            return str(info["CFBundleShortVersionString"])
        return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, ValueError, KeyError, plistlib.InvalidFileException):
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _system() -> str:
    mac = platform.mac_ver()[0]
    if mac:
        return f"macOS {mac}"
    # Of a Linux kernel the patch level changes weekly and moves no figure.
    return f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
