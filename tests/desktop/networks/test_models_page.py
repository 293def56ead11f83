from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from desktop.networks import models_page
from desktop.networks.card import DownloadCard
from desktop.networks.models_page import MlxCard, ModelsPage, NetworkCard
from desktop.settings.store import Settings
from desktop.settings.table import MIRROR
from engine.library.networks import NETWORKS, Network, NetworkFile
from tests.engine.library.download.http_server import Fault, FaultServer, running_server
from tests.engine.library.wheels import wheels as wheels

SMALL, LARGE = b"{}", np.random.default_rng(0).bytes(600_000)


def network_file(name: str, content: bytes) -> NetworkFile:
    return NetworkFile(
        f"net/{name}",
        about_bytes=len(content),
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        url_path=f"/{name}",
    )


NETWORK = Network(
    key="content",
    title="content",
    purpose="A small one for tests.",
    licence="MIT",
    source_page="https://example.org/net",
    variants=((network_file("config", SMALL), network_file("weights", LARGE)),),
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "URVC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with running_server() as running:
        running.put(SMALL, "/config")
        running.put(LARGE, "/weights")
        yield running


@pytest.fixture
def card(qtbot: QtBot, tmp_path: Path, server: FaultServer) -> Iterator[NetworkCard]:
    mine = tmp_path / "mine"
    made = NetworkCard(NETWORK, tmp_path / "models", lambda: server.base, lambda *_: mine)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.task.close()


def ended(qtbot: QtBot, card: DownloadCard) -> str:
    qtbot.waitUntil(lambda: not card.task.is_running, timeout=10_000)
    return card.message.text()


def test_the_page_shows_every_network_of_the_table(qtbot: QtBot, tmp_path: Path) -> None:
    page = ModelsPage(Settings(tmp_path / "s.json", {}), tmp_path / "models")
    qtbot.addWidget(page)
    assert [card.network for card in page.cards] == list(NETWORKS)
    assert MIRROR.key in page.rows
    assert [card.state.text() for card in page.cards] == ["Not installed"] * len(NETWORKS)


def test_the_page_says_in_the_users_language_that_a_licence_is_not_known(
    qtbot: QtBot, tmp_path: Path, chinese: None
) -> None:
    page = ModelsPage(Settings(tmp_path / "s.json", {}), tmp_path / "models")
    qtbot.addWidget(page)
    shown = "\n".join(label.text() for label in page.findChildren(QLabel))
    assert "授權 不明" in shown
    assert "not known" not in shown
    assert "not stated" not in shown


def test_download_check_and_removal(qtbot: QtBot, card: NetworkCard, tmp_path: Path) -> None:
    card.download.click()
    assert not card.cancel.isHidden()
    assert ended(qtbot, card) == ""
    assert (tmp_path / "models/net/weights").read_bytes() == LARGE
    assert card.state.text() == "Installed"
    assert card.download.isHidden()
    card.verify.click()
    assert "file is correct" in ended(qtbot, card)
    card.remove.click()
    ended(qtbot, card)
    assert card.state.text() == "Not installed"
    assert not any((tmp_path / "models/net").iterdir())


def test_a_damaged_file_is_found(qtbot: QtBot, card: NetworkCard, tmp_path: Path) -> None:
    card.download.click()
    ended(qtbot, card)
    (tmp_path / "models/net/weights").write_bytes(LARGE[:-1] + b"x")
    card.verify.click()
    assert "damaged" in ended(qtbot, card)


def test_a_download_can_be_cancelled_and_continued(
    qtbot: QtBot, card: NetworkCard, server: FaultServer, tmp_path: Path
) -> None:
    server.faults.append(Fault())
    server.faults.append(Fault(pause_s=0.05, piece=20_000))
    card.download.click()
    qtbot.waitUntil(lambda: card.progress.value() > 0, timeout=5000)
    card.cancel.click()
    assert "continues" in ended(qtbot, card)
    assert not (tmp_path / "models/net/weights").exists()
    card.download.click()
    ended(qtbot, card)
    assert (tmp_path / "models/net/weights").read_bytes() == LARGE


def test_a_failed_download_shows_one_sentence(
    qtbot: QtBot, card: NetworkCard, server: FaultServer
) -> None:
    server.faults.append(Fault(status=404))
    card.download.click()
    assert ended(qtbot, card).startswith("Cannot download")
    assert card.state.text() == "Not installed"


def test_the_users_own_file_is_accepted_if_its_hash_matches(
    qtbot: QtBot, card: NetworkCard, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_bytes(b"x" * len(LARGE))
    card.take_in.click()
    assert "another file" in ended(qtbot, card)
    (tmp_path / "mine").write_bytes(LARGE)
    card.take_in.click()
    assert ended(qtbot, card) == ""
    assert card.state.text() == "Installed"


def test_a_licence_is_accepted_before_the_download(
    qtbot: QtBot, tmp_path: Path, server: FaultServer
) -> None:
    network = replace(NETWORK, licence="GPL-3.0", licence_first=True)
    asked: list[Network] = []
    answers = [False, True]

    def agree(_parent: object, network: Network) -> bool:
        asked.append(network)
        return answers.pop(0)

    card = NetworkCard(network, tmp_path / "models", lambda: server.base, agree=agree)
    qtbot.addWidget(card)
    card.download.click()
    assert asked == [network]
    assert not card.task.is_running
    assert server.seen == []
    card.download.click()
    assert ended(qtbot, card) == ""
    assert card.state.text() == "Installed"


def test_a_network_without_an_address_offers_only_the_users_own_file(
    qtbot: QtBot, tmp_path: Path
) -> None:
    own = replace(NETWORK, variants=((NetworkFile("net/own.ckpt"),),))
    (tmp_path / "own.ckpt").write_bytes(LARGE)
    card = NetworkCard(own, tmp_path / "models", str, lambda *_: tmp_path / "own.ckpt")
    qtbot.addWidget(card)
    assert card.download.isHidden()
    card.take_in.click()
    assert ended(qtbot, card) == ""
    assert (tmp_path / "models/net/own.ckpt").read_bytes() == LARGE


def test_the_sentence_of_a_failure_has_the_whole_width(
    card: NetworkCard, qtbot: QtBot, server: FaultServer
) -> None:
    card.resize(480, 300)
    server.put(SMALL[:1], "/config")
    card.download.click()
    qtbot.waitUntil(lambda: not card.task.is_running, timeout=20_000)
    assert len(card.message.text()) > 60
    qtbot.waitUntil(card.message.isVisible)
    assert card.message.width() > 400
    assert card.message.y() > card.download.geometry().bottom()
    assert card.message.height() >= card.message.heightForWidth(card.message.width())


@pytest.fixture
def mlx_card(qtbot: QtBot, wheels: Path) -> Iterator[MlxCard]:
    made = MlxCard()
    qtbot.addWidget(made)
    made.show()
    yield made
    made.task.close()


def test_mlx_is_installed_and_removed_on_its_card(qtbot: QtBot, mlx_card: MlxCard) -> None:
    assert mlx_card.remove.isHidden()
    mlx_card.install.click()
    assert not mlx_card.cancel.isHidden()
    assert ended(qtbot, mlx_card).startswith("Installed. Tune for This Mac")
    assert mlx_card.state.text() == "Installed"
    assert mlx_card.install.isHidden()
    mlx_card.remove.click()
    assert ended(qtbot, mlx_card) == ""
    assert mlx_card.state.text() == "Not installed"


def test_mlx_that_cannot_be_had_is_told_in_a_sentence(
    qtbot: QtBot, mlx_card: MlxCard, wheels: Path
) -> None:
    next(wheels.glob("mlx_metal*")).unlink()
    mlx_card.install.click()
    assert ended(qtbot, mlx_card).startswith("Cannot install MLX: pip says: ")
    assert mlx_card.state.text() == "Not installed"
    assert mlx_card.cancel.isHidden()


@pytest.mark.parametrize("on_mac", [True, False])
def test_the_page_offers_mlx_only_where_it_can_run(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_mac: bool
) -> None:
    monkeypatch.setattr(models_page, "is_apple_silicon", lambda: on_mac)
    page = ModelsPage(Settings(tmp_path / "s.json", {}), tmp_path / "models")
    qtbot.addWidget(page)
    assert (page.mlx is not None) == on_mac
    assert len(page.findChildren(MlxCard)) == on_mac
