"""A device is believed only after it was compared with the CPU, part by part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from engine import CancelToken, ConversionOptions, Converter, OptimizationConfig, examination
from engine.errors import ConversionCancelled
from engine.finding import ProbeRecord
from engine.machine import Machine
from engine.models.synthesizer_sizes import Vocoder
from engine.networks import Models
from engine.options import ConversionResult
from engine.probe_run import Given, part_run
from engine.stages import CONVERSION_PARTS, CPU, Part
from engine.store import ExaminedStore
from engine.voice import VoiceFiles
from tests.engine.second_device import SECOND, give_second_device
from tests.engine.small_set import SmallSet, write_small_set
from tests.sound import signal_to_error_db

Fault = Callable[[Tensor], Tensor]


def raising(_: Tensor) -> Tensor:
    raise NotImplementedError("The operator 'aten::warp' is not implemented for MPS\nmore of it")


def slow(result: Tensor) -> Tensor:
    """What `Bench` counts four times."""
    return result


FAULTS: dict[str, tuple[Fault, str]] = {
    "wrong": (lambda result: result * 1.1, "other numbers than the CPU (20 dB)"),
    "not finite": (lambda result: result / 0, "NaN or infinite values"),
    "failed": (raising, "cannot run it (The operator 'aten::warp' is not implemented for MPS)"),
    "slower": (slow, "takes 2.0 times as long"),
}


@pytest.fixture(scope="module")
def as_asked() -> dict[Part, Any]:
    """The sound where a part runs on the CPU because the user wants that, once it was made."""
    return {}


class Bench:
    """Converters whose second device has faults in some parts; counts what is examined."""

    def __init__(
        self, small: SmallSet, folder: Path, monkeypatch: pytest.MonkeyPatch, **faults: Fault
    ) -> None:
        give_second_device(monkeypatch)
        self.folder = folder
        self.faults: dict[str, Fault] = faults
        self.examined: list[str] = []
        self.misplaced: list[str] = []
        self._store: ExaminedStore | None = None
        self._small = small
        self._slow_runs: list[Callable[[], Tensor]] = []
        monkeypatch.setattr(ExaminedStore, "run_part", staticmethod(self._run))
        monkeypatch.setattr(examination, "timed", self._timed)

    def converter(self, *, examine: bool = True, **flags: Any) -> Converter:
        config = OptimizationConfig(use_gpu_filter=True, **flags)
        return Converter(
            self._small.models_dir, config, tuning_dir=self.folder, examine_device=examine
        )

    def convert(self, **flags: Any) -> ConversionResult:
        return self.run(self.converter(**flags))

    def run(
        self,
        converter: Converter,
        cancel: CancelToken | None = None,
        voice: VoiceFiles | None = None,
    ) -> ConversionResult:
        rng = np.random.default_rng(3)
        samples = (0.1 * rng.standard_normal(24_000)).astype(np.float32)
        options = ConversionOptions(seed=5, pitch_method="yin")
        voice = voice or self._small.voice
        self._store = converter._store
        return converter.convert(samples, 16_000, voice, options, cancel=cancel)

    def _run(self, part: Part, models: Models, given: Given, device: str) -> Callable[[], Tensor]:
        plain = part_run(part, models, given, device)
        fault = self.faults.get(part)
        if device != SECOND:
            return plain
        self.examined.append(part)
        if self._store is not None and self._store.placement.device_of(part) != SECOND:
            self.misplaced.append(part)
        if fault is None:
            return plain

        def faulty() -> Tensor:
            return fault(plain())

        if fault is slow:
            self._slow_runs.append(faulty)
        return faulty

    def _timed(self, run: Callable[[], Tensor], device: str) -> tuple[Tensor, float]:
        """The device takes half as long as the CPU, whatever else this machine does."""
        usual_s = 1.0 if device == CPU else 0.5
        return run().float().cpu(), usual_s * (4 if run in self._slow_runs else 1)


def test_a_device_that_is_right_keeps_every_part_and_says_nothing(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(small, tmp_path, monkeypatch)
    converter = bench.converter()
    result = bench.run(converter)
    assert result.notes == ()
    assert sorted(set(bench.examined)) == sorted(CONVERSION_PARTS)
    assert converter._store.placement.cpu_parts == ()
    findings = converter.first_use.findings()
    assert {finding.verdict for finding in findings} == {"right"}
    assert all(finding.device_s and finding.cpu_s for finding in findings)


@pytest.mark.parametrize("part", CONVERSION_PARTS)
@pytest.mark.parametrize("verdict", FAULTS)
def test_a_part_with_a_fault_runs_on_the_cpu_and_the_user_is_told_which_and_why(
    small: SmallSet,
    as_asked: dict[Part, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: Part,
    verdict: str,
) -> None:
    fault, why = FAULTS[verdict]
    bench = Bench(small, tmp_path, monkeypatch, **{part: fault})
    converter = bench.converter()
    result = bench.run(converter)
    assert converter._store.placement.cpu_parts == (part,)
    (note,) = result.notes
    assert "runs on the CPU, because" in note
    assert why in note
    assert "\n" not in note
    if part not in as_asked:
        asked = OptimizationConfig(cpu_parts=part, use_gpu_filter=True)
        as_asked[part] = bench.run(Converter(small.models_dir, asked)).samples
    assert signal_to_error_db(as_asked[part], result.samples) > 100


def test_what_one_kind_of_voice_showed_says_nothing_of_another(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(small, tmp_path, monkeypatch)
    converter = bench.converter()
    bench.run(converter)
    assert converter._store.placement.cpu_parts == ()
    bench.examined.clear()
    bench.faults["vocoder"] = FAULTS["wrong"][0]
    other = write_small_set(tmp_path / "other", Vocoder.MRF).voice
    (note,) = bench.run(converter, voice=other).notes
    assert "the vocoder runs on the CPU" in note
    assert set(bench.examined) == {"vocoder"}
    assert converter._store.placement.cpu_parts == ("vocoder",)
    bench.examined.clear()
    assert bench.run(converter).notes == ()
    assert converter._store.placement.cpu_parts == ()
    assert bench.run(converter, voice=other).notes == (note,)
    assert bench.examined == []
    fresh = bench.converter()
    assert fresh._store.placement.cpu_parts == ()  # it may be either
    assert bench.run(fresh, voice=other).notes == (note,)
    assert bench.examined == []


def test_a_kind_that_is_new_is_examined_on_the_device_whatever_the_last_one_was(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(small, tmp_path, monkeypatch, vocoder=FAULTS["wrong"][0])
    converter = bench.converter()
    bench.run(converter)
    assert converter._store.placement.cpu_parts == ("vocoder",)
    bench.faults.clear()
    other = write_small_set(tmp_path / "other", Vocoder.MRF).voice
    for each in (converter, bench.converter()):  # and with the record alone
        assert bench.run(each, voice=other).notes == ()
        assert each._store.placement.cpu_parts == ()
    assert bench.misplaced == []
    known = bench.converter(examine=False)  # as in tuning
    assert len(bench.run(known).notes) == 1
    assert known._store.placement.cpu_parts == ("vocoder",)
    assert bench.run(known, voice=other).notes == ()
    assert known._store.placement.cpu_parts == ()


def test_a_part_that_is_right_still_stays_where_the_user_wants_it(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(small, tmp_path, monkeypatch)
    bench.convert()
    for examine in (True, False):
        converter = bench.converter(examine=examine, cpu_parts="vocoder")
        assert converter._store.placement.cpu_parts == ("vocoder",)
        bench.run(converter)
        assert converter._store.placement.cpu_parts == ("vocoder",)


def test_each_way_to_find_the_pitch_is_examined(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(small, tmp_path, monkeypatch)
    converter = bench.converter()
    bench.run(converter)
    kinds = {found.part: found.kind for found in converter.first_use.findings()}
    assert kinds["pitch"] == "yin"
    assert "16 wide" in kinds["vocoder"]
    assert set(kinds) == set(CONVERSION_PARTS)


def test_what_was_found_is_kept_and_not_asked_again(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(small, tmp_path, monkeypatch, vocoder=FAULTS["wrong"][0])
    first = bench.convert()
    bench.examined.clear()
    again = bench.converter()
    assert again._store.placement.cpu_parts == ("vocoder",)
    assert bench.run(again).notes == first.notes
    assert bench.run(again).notes == first.notes
    assert bench.examined == []


@pytest.mark.parametrize("changed", ["chip", "system", "torch"])
def test_another_machine_system_or_torch_is_examined_anew(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    bench = Bench(small, tmp_path, monkeypatch, vocoder=FAULTS["wrong"][0])
    bench.convert()
    bench.examined.clear()
    bench.faults.clear()
    other = Machine(**{**vars(Machine.here()), changed: "another"})
    monkeypatch.setattr(Machine, "here", classmethod(lambda _: other))
    assert bench.convert().notes == ()
    assert sorted(set(bench.examined)) == sorted(CONVERSION_PARTS)


def test_half_precision_is_examined_by_itself_and_judged_by_its_own_measure(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(small, tmp_path, monkeypatch, latent=lambda result: result * 1.03)  # 30 dB
    assert "latent" not in " ".join(bench.convert(use_fp16=True).notes)
    half = bench.converter(use_fp16=True)
    assert "latent" not in half._store.placement.cpu_parts
    bench.convert()
    assert bench.converter()._store.placement.cpu_parts == ("latent",)


def test_a_part_the_user_keeps_on_the_cpu_is_not_examined(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(small, tmp_path, monkeypatch, pitch=raising)
    assert bench.convert(cpu_parts="pitch").notes == ()
    assert "pitch" not in bench.examined


def test_on_the_cpu_nothing_is_examined(small: SmallSet, tmp_path: Path) -> None:
    config = OptimizationConfig(device="cpu")
    converter = Converter(small.models_dir, config, tuning_dir=tmp_path)
    samples = (0.1 * np.sin(np.arange(8_000) / 12)).astype(np.float32)
    assert converter.convert(samples, 16_000, small.voice).notes == ()
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_ends_the_program_twice_is_given_up(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metal ends a process that asks for what it refuses; `SystemExit` stands for that."""

    dead: list[None] = []
    end = ProbeRecord.end

    def aborting(_: Tensor) -> Tensor:
        dead.append(None)
        raise SystemExit

    def end_unless_dead(self: ProbeRecord, *found: Any) -> None:
        if not dead:
            end(self, *found)

    bench = Bench(small, tmp_path, monkeypatch, latent=aborting)
    monkeypatch.setattr(ProbeRecord, "end", end_unless_dead)
    for _ in range(2):
        dead.clear()
        with pytest.raises(SystemExit):
            bench.convert()
    monkeypatch.undo()
    bench = Bench(small, tmp_path, monkeypatch, latent=aborting)
    (note,) = bench.convert().notes
    assert "the program ended while" in note
    assert "synthesis" in note


def test_a_cancel_is_heard_within_a_part_and_what_was_found_stays(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = CancelToken()

    def cancelling(result: Tensor) -> Tensor:
        token.cancel()
        return result

    bench = Bench(small, tmp_path, monkeypatch, content=cancelling)
    with pytest.raises(ConversionCancelled):
        bench.run(bench.converter(), token)
    assert set(bench.examined) == {"filter", "pitch", "content"}
    bench.faults.clear()
    bench.examined.clear()
    bench.convert()
    assert set(bench.examined) == set(CONVERSION_PARTS) - {"filter", "pitch"}


def test_too_little_memory_says_nothing_about_a_part(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Tensor) -> Tensor:
        raise RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)")

    bench = Bench(small, tmp_path, monkeypatch, content=full)
    converter = bench.converter()
    assert bench.run(converter).notes == ()
    assert converter._store.placement.cpu_parts == ()
    assert {finding.part for finding in converter.first_use.findings()} == {
        "filter",
        "pitch",
    }
