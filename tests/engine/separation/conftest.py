from __future__ import annotations

from pathlib import Path

import pytest

from engine.separation.separator import Separator
from tests.engine.separation.small_networks import KINDS, write_network


@pytest.fixture(scope="session")
def separators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Separator]:
    """A small network of each kind."""
    folder: Path = tmp_path_factory.mktemp("networks")
    return {kind: Separator.open(write_network(kind, folder)) for kind in KINDS}
