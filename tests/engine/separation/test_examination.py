"""A separation network is examined once on a device, and runs in the way that was found best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine import Converter, OptimizationConfig
from engine import device as devices
from engine.cover.cover import Cover
from engine.cover.options import CoverNetworks
from engine.finding import USUAL, Finding, ProbeRecord, preparation
from engine.measure import form_trial
from engine.separation import examination
from engine.separation.examination import EXACT, LONG_FRAMES, PART, SHORT_FRAMES, described
from engine.separation.separator import Separator
from tests.engine.second_device import SECOND, give_second_device
from tests.engine.separation.small_networks import CHUNK, song_samples, write_network

Seconds = dict[tuple[str, bool, int], float]
"""By device, whether rounded, and frames."""

CPU_S = 1.0


class Bench:
    """What is examined, and how long each run is said to take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[tuple[str, bool, int]] = []
        self.seconds: Seconds = {}
        self.change = 0.0
        self._running = ("cpu", False, 0)
        monkeypatch.setattr(examination, "timed", self._timed)
        monkeypatch.setattr(devices, "half_type", lambda _: torch.bfloat16)
        run = Separator.run_noise

        def run_noise(separator: Separator, device: str, frames: int) -> Tensor:
            self._running = device, separator.is_half, frames
            self.runs.append(self._running)
            result = run(separator, device, SHORT_FRAMES)
            return result + self.change if separator.is_half else result

        monkeypatch.setattr(Separator, "run_noise", run_noise)

    def _timed(self, run: Any, _device: str) -> tuple[Tensor, float]:
        result = run()
        frames = self._running[2]
        return result, self.seconds.get(self._running, CPU_S * frames / SHORT_FRAMES)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


@pytest.fixture
def record(tmp_path: Path) -> ProbeRecord:
    return ProbeRecord("Toy GPU", "float32", tmp_path / "findings")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network("mel", tmp_path)


def placed(path: Path, record: ProbeRecord | None, *, half: bool = False) -> Separator:
    """A separator that has found its place on the second device."""
    separator = Separator.open(path)
    separator.to(SECOND, half=half, record=record)
    return separator


def way(separator: Separator) -> tuple[str, bool]:
    return separator.device, separator.is_half


def test_what_was_found_is_known_the_next_time(network: Path, bench: Bench, tmp_path: Path) -> None:
    for half in (False, True):
        bench.runs.clear()
        record = ProbeRecord("Toy GPU", "float16" if half else "float32", tmp_path)
        ways = [way(placed(network, record, half=half)) for _ in range(2)]
        assert ways == [(SECOND, half)] * 2
        # Once on the CPU and once on the device, then rounded; nothing the second time.
        expected = [("cpu", False), (SECOND, False), (SECOND, True)][: 3 if half else 2]
        assert [run[:2] for run in bench.runs] == expected
    kept = [each for each in record.forms() if each.part == PART]
    assert {each.form for each in kept} == {USUAL, EXACT}
    assert {each.kind for each in kept} == {"mel 32 wide, 2 deep"}


def test_a_network_of_another_size_is_examined_too(
    network: Path, record: ProbeRecord, bench: Bench, tmp_path: Path
) -> None:
    placed(network, record)
    placed(write_network("htdemucs", tmp_path), record)
    assert len(bench.runs) == 4
    assert len({each.kind for each in record.forms()}) == 2


@pytest.mark.parametrize(
    ("long_s", "device", "frames"),
    [
        (5.0, SECOND, LONG_FRAMES),  # only its start is slow
        (12.0, "cpu", LONG_FRAMES),
        (None, "cpu", SHORT_FRAMES),  # hopeless: it takes longer than the CPU for ten times as much
    ],
)
def test_a_device_that_is_slower_than_the_cpu_is_not_used(
    long_s: float | None,
    device: str,
    frames: int,
    network: Path,
    record: ProbeRecord,
    bench: Bench,
) -> None:
    bench.seconds[SECOND, False, SHORT_FRAMES] = 3.0 if long_s else 30.0
    if long_s:
        bench.seconds[SECOND, False, LONG_FRAMES] = long_s
    separator = placed(network, record)
    assert separator.device == device
    assert bench.runs[-1][2] == frames
    factor = "1.2" if long_s else "30.0"
    slow = f"the separation runs on the CPU, because cpu:0 takes {factor} times as long"
    assert [str(note) for note in separator.notes] == ([slow] if device == "cpu" else [])
    again = placed(network, record)
    assert (again.device, again.notes) == (device, separator.notes)


def test_half_precision_that_was_too_rough_stays_off(
    network: Path, record: ProbeRecord, bench: Bench
) -> None:
    bench.change = 100.0
    first = placed(network, record, half=True)
    bench.runs.clear()
    second = placed(network, record, half=True)
    for separator in (first, second):
        assert way(separator) == (SECOND, False)
        assert [str(note).partition(", because ")[2] for note in separator.notes] == [
            "half precision changes the result too much"
        ]
    assert bench.runs == []
    piece = song_samples(CHUNK)
    expected = Separator.open(network).separate(piece)
    np.testing.assert_array_equal(first.separate(piece), expected)


@pytest.mark.parametrize(("half_s", "is_half"), [(8.0, True), (10.0, True), (14.0, False)])
def test_a_measured_network_runs_in_its_fastest_way(
    half_s: float, is_half: bool, network: Path, record: ProbeRecord, bench: Bench
) -> None:
    bench.seconds[SECOND, True, LONG_FRAMES] = half_s
    for _ in range(2):  # again, though it is known
        bench.runs.clear()
        Separator.open(network).measure(SECOND, half=True, record=record)
        assert [run[2] for run in bench.runs] == [LONG_FRAMES] * 3
    bench.runs.clear()
    separator = placed(network, record, half=True)
    assert (way(separator), separator.notes, bench.runs) == ((SECOND, is_half), [], [])
    used, other = ("half precision", "float32") if is_half else ("float32", "half precision")
    lines = described(record, SECOND, half=True)
    assert lines[0] == f"separation, mel 32 wide, 2 deep: cpu:0, {used}"
    assert lines[1].startswith(
        f"separation, mel 32 wide, 2 deep by torch on cpu:0 in {other}: not used, "
    )
    assert len(lines) == 2


def test_the_cpu_is_examined_only_for_half_precision(
    network: Path, record: ProbeRecord, bench: Bench
) -> None:
    separator = Separator.open(network)
    separator.to("cpu", record=record)
    assert (bench.runs, record.forms()) == ([], [])
    separator.to("cpu", half=True, record=record)
    assert way(separator) == ("cpu", True)
    assert [run[:2] for run in bench.runs] == [("cpu", False), ("cpu", True)]


def test_a_device_that_ends_the_program_is_not_tried_for_ever(
    network: Path, record: ProbeRecord, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ProcessEnded(BaseException):
        """Nothing catches it."""

    run = Separator.run_noise

    def end(separator: Separator, device: str, frames: int) -> Tensor:
        if device == SECOND:
            raise ProcessEnded
        return run(separator, device, frames)

    monkeypatch.setattr(Separator, "run_noise", end)
    with monkeypatch.context() as dead:  # a process that has ended notes nothing any more
        dead.setattr(ProbeRecord, "end", lambda *_: None)
        for _ in range(2):
            with pytest.raises(ProcessEnded):
                placed(network, record)
    separator = placed(network, record)
    assert separator.device == "cpu"
    assert [str(note) for note in separator.notes] == [
        "the separation runs on the CPU, because the program ended while cpu:0 was examined"
    ]


def test_an_error_on_the_cpu_is_not_taken_for_the_end_of_the_program(
    network: Path, record: ProbeRecord, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Tensor:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Separator, "run_noise", full)
        for _ in range(3):
            with pytest.raises(MemoryError):
                placed(network, record)
    assert placed(network, record).device == SECOND


def test_short_memory_says_nothing_about_the_network(
    network: Path, record: ProbeRecord, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_separator: Separator, device: str, _frames: int) -> Tensor:
        if device == SECOND:
            raise MemoryError
        return torch.ones(1)

    with monkeypatch.context() as patch:
        patch.setattr(Separator, "run_noise", full)
        assert placed(network, record).device == "cpu"
    assert record.forms() == []
    assert placed(network, record).device == SECOND


def test_the_user_may_keep_the_separation_on_the_cpu(
    network: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give_second_device(monkeypatch)
    devices_used = []
    for parts in ("", "separation"):
        config = OptimizationConfig(device="cpu", cpu_parts=parts)
        converter = Converter(tmp_path, config, tuning_dir=tmp_path)
        cover = Cover(converter, CoverNetworks(network), tmp_path / "cache")
        devices_used.append(cover.stems._device)
    assert devices_used == [SECOND, "cpu"]


def test_tuning_measures_a_network_in_a_process_of_its_own(
    network: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("URVC_TUNING_DIR", str(tmp_path))
    give_second_device(monkeypatch)
    config = {"device": "cpu", "use_fp16": True}
    work = {"do": "measure_separation", "config": config, "network": str(network)}
    answer = form_trial.TASKS["measure_separation"](work)
    assert answer["parts"][0].startswith("separation, mel 32 wide, 2 deep: cpu:0, ")
    asked = OptimizationConfig(device="cpu", use_fp16=True)
    name = devices.describe(torch.device(SECOND))
    found: list[Finding] = ProbeRecord(name, preparation(asked)).forms()
    assert [(each.part, each.verdict) for each in found] == [(PART, "right")] * 2
