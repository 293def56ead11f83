"""`urvc benchmark --takes` measures what another take of a song and of a voice runs again."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import main
from engine.measure import synthetic
from engine.measure.synthetic import write_separation_network
from engine.measure.takes import Take, as_rows
from engine.models.htdemucs import HTDemucs, HTDemucsSizes
from engine.separation.network_file import read_network
from tests.engine.separation.small_networks import write_network
from tests.engine.small_set import write_small_set


def test_another_take_separates_and_analyses_nothing_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def small_set(folder: Path, _rows: int) -> tuple[Path, Path | None]:
        made = write_small_set(folder).voice
        return made.weights, made.index

    monkeypatch.setattr(synthetic, "write_synthetic_set", small_set)
    network = write_network("htdemucs", tmp_path)
    monkeypatch.setattr(synthetic, "write_separation_network", lambda _: network)
    assert main(["benchmark", "--takes", "--seconds", "1", "--device", "cpu"]) == 0
    lines = [line.split("|")[1:-1] for line in capfd.readouterr().out.splitlines()]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    takes = [dict(zip(head, row, strict=True)) for row in rows]
    assert [(each["source"], each["take"]) for each in takes] == [
        ("song", "first"), ("song", "another key"), ("song", "another level"),
        ("voice", "first"), ("voice", "another key"),
    ]  # fmt: skip
    for each in takes:
        again = each["take"] != "first"
        dear = [float(each[stage]) for stage in ("separate", "pitch", "content")]
        assert (max(dear) == 0) == again
        assert (float(each["synthesis"]) == 0) == (each["take"] == "another level")


def test_loading_does_not_count() -> None:
    takes = [Take("song", "first", {"load": 9.0, "separate": 6.0, "mix": 2.0}, 1.0)]
    takes.append(Take("song", "another key", {"load": 1.0, "mix": 2.0}, 4.0))
    assert as_rows(takes)[1:] == [
        ["song", "first", "8.00", "1.00", "9.00", "6.00", "2.00"],
        ["song", "another key", "2.00", "4.00", "1.00", "0.00", "2.00"],
    ]


def test_the_random_network_has_the_published_sizes(tmp_path: Path) -> None:
    found = read_network(write_separation_network(tmp_path / "separation" / "a.safetensors"))
    assert isinstance(found.network, HTDemucs)
    assert found.network.sizes == HTDemucsSizes()
    assert found.stems[-1] == "vocals"
