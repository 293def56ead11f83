"""For all tests: what this machine is and what was measured on it must not decide how they run."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import hypothesis
import pytest

from engine.device import release_heap
from engine.machine import TUNING_VARIABLE

hypothesis.settings.register_profile("busy machine", deadline=None)
hypothesis.settings.load_profile("busy machine")


_LONG = ("tests/test_house", "tests/desktop/session/", "tests/desktop/test_soak", "tests/fuzz/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes half a minute comes first, so that no process ends long after the others."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


def pytest_collection_finish() -> None:
    """What was imported by now stays: no collection of garbage need look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _memory_is_given_back() -> Iterator[None]:
    """Networks, sounds and windows of one file of tests do not add to those of the next."""
    yield
    gc.collect()
    release_heap()


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
