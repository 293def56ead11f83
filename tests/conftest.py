"""For all tests: what this machine is and what was measured on it must not decide how they run."""

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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TUNING_VARIABLE, str(tmp_path_factory.mktemp("tuning")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_wait_for_the_disk() -> Iterator[None]:
    """What is written must outlast a process that is killed, and no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield
