"""What `pyproject.toml` says, which is its only place: name, version, dependencies."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

APP_NAME = "Ultimate RVC"
BUNDLE_ID = "local.ultimate-rvc"
"""Also the label of the launch agent (`desktop/mac/login_item.py`)."""

OLDEST_MACOS = "15.0"
"""PySide6 6.11.3's bindings are built for it, whatever its wheel's name says (13; Qt itself is);
`library_reference.py` finds what is built for a newer one. The jobs of mac.yml begin with it."""

ARCHITECTURE = "arm64"
"""One alone: a universal program may be started under Rosetta, which has no Metal for torch."""

_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Project:
    """The project as its file describes it.

    Attributes
    ----------
    version : also of the app
    distributions : names of the packages it depends on, without versions
    """

    version: str
    distributions: tuple[str, ...]


def read_project(root: Path = ROOT) -> Project:
    """Read `pyproject.toml`.

    Raises
    ------
    ValueError : if a dependency has no name
    """
    with (root / "pyproject.toml").open("rb") as file:
        table = tomllib.load(file)["project"]
    return Project(table["version"], tuple(map(distribution_name, table["dependencies"])))


def distribution_name(requirement: str) -> str:
    """The name in front of a requirement's versions.

    Raises
    ------
    ValueError : if there is none
    """
    found = _DISTRIBUTION.match(requirement)
    if found is None:
        raise ValueError(f"no name in the requirement {requirement!r}")
    return found.group()
