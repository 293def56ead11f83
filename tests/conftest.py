"""For all tests: what was measured on this machine must not decide how they run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from engine.machine import TUNING_VARIABLE

hypothesis.settings.register_profile("busy machine", deadline=None)
hypothesis.settings.load_profile("busy machine")


@pytest.fixture(autouse=True, scope="session")
def _no_measurements_of_this_machine(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    before = os.environ.get(TUNING_VARIABLE)
    os.environ[TUNING_VARIABLE] = str(tmp_path_factory.mktemp("tuning"))
    yield
    if before is None:
        del os.environ[TUNING_VARIABLE]
    else:
        os.environ[TUNING_VARIABLE] = before
