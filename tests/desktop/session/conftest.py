from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desktop.session.screen import Screen, missing_programs
from tests.desktop.session.session import Session


@pytest.fixture(scope="session")
def screen() -> Iterator[Screen]:
    """Without a status area."""
    needs()
    with Screen() as made:
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="urvc") as made:
        yield Path(made)


@pytest.fixture
def session(screen: Screen, folder: Path) -> Iterator[Session]:
    """The app is not started yet."""
    made = Session(screen, folder)
    yield made
    made.close()


def needs(*programs: str) -> None:
    """Skip where there is no X server to start."""
    if sys.platform == "darwin":
        pytest.skip("X11 belongs to Linux")
    missing = missing_programs(*programs)
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
