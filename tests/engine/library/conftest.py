from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.library.download.http_server import FaultServer, running_server


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' server is on this machine, whatever network they run in."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "URVC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A web server on this machine."""
    with running_server() as running:
        yield running
