"""Every flag is tried; what is faster and sounds right is kept, the rest is listed with reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from engine.child import ChildError
from engine.cli import main
from engine.cli.tune import as_table
from engine.errors import ConversionCancelled, DeviceError, UserError
from engine.library.network import NetworkFile
from engine.machine import Machine
from engine.measure.candidates import flags_to_try
from engine.measure.comparison import compare
from engine.measure.tuner import Answer, TuningJob, tune
from engine.measure.tuning_record import NOT_MEASURED, Tuning, TuningProgress, TuningRecord
from engine.optimization import OptimizationConfig
from engine.progress import CancelToken
from engine.stages import CONVERSION_PARTS
from tests.engine.small_set import SmallSet

VOICE = Path("aria.pth")


@pytest.fixture(autouse=True)
def _without_mlx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.measure.candidates.has_mlx", lambda: False)


@pytest.fixture
def with_mlx(monkeypatch: pytest.MonkeyPatch, _without_mlx: None) -> None:
    monkeypatch.setattr("engine.measure.candidates.has_mlx", lambda: True)


class Bench:
    """Answers as the processes do; a configuration's seconds are worked out from its flags."""

    def __init__(self, device: str = "cpu", **factors: float) -> None:
        self.device = device
        self.factors = factors
        self.levels: dict[str, float] = {}
        self.dies: dict[str, str] = {}
        self.asked: list[Mapping[str, Any]] = []

    def ask(self, work: Mapping[str, Any]) -> Answer:
        self.asked.append(work)
        if work["do"] == "device":
            return {"device": self.device, "name": f"Chip ({self.device})"}
        if work["do"] == "examine":
            return {"on_cpu": ["the pitch tracker runs on the CPU, because it is slower"]}
        if work["do"] == "check":
            return {"level": self._level(work["config"])}
        if work["do"] != "compare":
            return {}
        for name, reason in self.dies.items():
            if self._has(work["after"], name):
                raise ChildError(reason)
        levels = {name: self._level(work[name]) for name in ("before", "after")}
        after = levels["after"]
        if after is not None and after < work["least_db"]:
            return {"levels": levels}
        found = compare(
            lambda _: self._seconds(work["before"]), lambda _: self._seconds(work["after"])
        )
        return {"levels": levels, "comparison": vars(found)}

    def _has(self, config: Mapping[str, Any], name: str) -> bool:
        """``flag``, or ``flag_value``."""
        if isinstance(config.get(name), bool):
            return bool(config[name])
        flag, _, value = name.rpartition("_")
        return value in str(config.get(flag)).split(",")

    def _level(self, config: Mapping[str, Any]) -> float | None:
        return min((db for name, db in self.levels.items() if self._has(config, name)), default=120)

    def _seconds(self, config: Mapping[str, Any]) -> float:
        seconds = 10.0
        for name, factor in self.factors.items():
            seconds *= factor if self._has(config, name) else 1.0
        return seconds

    def tune(self, folder: Path, **job: Any) -> Any:
        wish = TuningJob(seconds=2.0, voice=VOICE, title="Aria", **job)
        return tune(wish, folder=folder, ask=self.ask)


def test_values_that_are_faster_are_kept(tmp_path: Path) -> None:
    bench = Bench(use_channels_last=0.5, tile_frames_800=0.9, use_shape_buckets=1.4)
    tuning = bench.tune(tmp_path)
    assert tuning.flags["use_channels_last"] is True
    assert tuning.flags["tile_frames"] == 800
    assert tuning.flags["use_shape_buckets"] is False
    reasons = {(f.flag, f.value): f.reason for f in tuning.figures}
    assert reasons["tile_frames", 800] == "faster"
    assert reasons["use_channels_last", False] == "slower"
    assert reasons["use_shape_buckets", True] == "slower"
    assert reasons["compile", "torchscript"] == "no gain"
    assert TuningRecord(tmp_path).flags("cpu") == tuning.flags
    assert tuning.voice == "Aria"


def test_every_flag_is_tried_except_those_that_cannot_be_measured_or_used_here(
    with_mlx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.accelerators.coreml.fault", lambda: "not here")
    flags = {field.name for field in fields(OptimizationConfig)}
    assert set(flags_to_try("mps")) == flags - NOT_MEASURED - {"coreml_content"}
    monkeypatch.setattr("engine.accelerators.coreml.fault", lambda: None)  # as on a Mac
    assert set(flags_to_try("mps")) == flags - NOT_MEASURED
    assert "skip_silence" in NOT_MEASURED
    assert "cpu_parts" not in flags_to_try("cpu")


@pytest.mark.parametrize("device", ["mps", "cpu"])
def test_half_precision_is_measured_first_and_the_others_with_it(
    tmp_path: Path, device: str
) -> None:
    bench = Bench(device, use_fp16=0.6)
    bench.levels["use_fp16"] = 30.0  # enough for half precision
    tuning = bench.tune(tmp_path)
    first, *others = tuning.figures
    assert (first.flag, first.value, first.kept) == ("use_fp16", True, True)
    compared = [work for work in bench.asked if work["do"] == "compare"]
    assert all(work["before"]["use_fp16"] for work in compared[1:])
    assert others


def test_each_flag_and_each_part_is_tried_on_a_device(tmp_path: Path, with_mlx: None) -> None:
    bench = Bench("mps", cpu_parts_pitch=0.7, cpu_parts_vocoder=3.0)
    tuning = bench.tune(tmp_path)
    assert {figure.flag for figure in tuning.figures} == set(flags_to_try("mps"))
    tried = {f.value for f in tuning.figures if f.flag == "cpu_parts"}
    assert len(tried) == len(CONVERSION_PARTS)
    assert tuning.flags["cpu_parts"] == "pitch"
    assert tuning.on_cpu == ("the pitch tracker runs on the CPU, because it is slower",)


def test_mlx_is_tried_where_it_is_installed_and_kept_if_it_is_faster(
    tmp_path: Path, with_mlx: None
) -> None:
    assert Bench("mps", backend_mlx=0.5).tune(tmp_path).flags["backend"] == "mlx"
    assert Bench("mps", backend_mlx=1.5).tune(tmp_path).flags["backend"] == "auto"


def test_mlx_is_not_tried_where_it_is_not_installed(tmp_path: Path) -> None:
    tuning = Bench("mps", backend_mlx=0.5).tune(tmp_path)
    assert "backend" not in {figure.flag for figure in tuning.figures}


def test_a_faster_value_with_a_different_sound_is_rejected(tmp_path: Path) -> None:
    bench = Bench("mps", use_fp16=0.5, compile_torchscript=0.5)
    bench.levels = {"use_fp16": 24.0, "compile_torchscript": 44.0}
    tuning = bench.tune(tmp_path)
    figures = {f.flag: f for f in tuning.figures}
    assert (figures["use_fp16"].reason, figures["use_fp16"].least_db) == ("different sound", 25.0)
    assert (figures["compile"].reason, figures["compile"].least_db) == ("different sound", 45.0)
    assert not tuning.flags["use_fp16"]
    bench.levels = {"use_fp16": 26.0}  # half precision has its own limit
    assert bench.tune(tmp_path).flags["use_fp16"]


def test_a_value_that_crashes_its_process_is_rejected_with_how_it_ended(tmp_path: Path) -> None:
    bench = Bench("mps", use_fp16=0.5)
    bench.dies = {"use_fp16": "the process was ended by SIGABRT"}
    tuning = bench.tune(tmp_path)
    (figure,) = (f for f in tuning.figures if f.flag == "use_fp16")
    assert (figure.reason, figure.kept) == ("failed", False)
    assert "SIGABRT" in figure.detail


def test_the_other_values_are_measured_after_one_fails(tmp_path: Path) -> None:
    class Refusing(Bench):
        def ask(self, work: Mapping[str, Any]) -> Answer:
            if work["do"] == "compare" and work["after"]["tile_frames"] == 1600:
                raise DeviceError("Cannot convert this", "not enough memory", "wait")
            return super().ask(work)

    tuning = tune(TuningJob(voice=VOICE), folder=tmp_path, ask=Refusing().ask)
    failed = [figure for figure in tuning.figures if figure.reason == "failed"]
    assert [(figure.flag, figure.value) for figure in failed] == [("tile_frames", 1600)]
    assert "not enough memory" in failed[0].detail
    assert {"compile", "use_fp16"} <= {figure.flag for figure in tuning.figures}


def test_measuring_one_flag_keeps_the_figures_of_the_others(tmp_path: Path) -> None:
    first = tune(TuningJob(voice=VOICE), folder=tmp_path, ask=Bench(compile_torchscript=0.5).ask)
    assert first.flags["compile"] == "torchscript"
    only = frozenset({"use_fp16"})
    bench = Bench(use_fp16=0.5)
    second = tune(TuningJob(voice=VOICE, only=only), folder=tmp_path, ask=bench.ask)
    assert second.flags["use_fp16"] is True
    assert second.flags["compile"] == "torchscript"
    assert len(second.figures) == len(first.figures)
    assert TuningRecord(tmp_path).flags("cpu")["compile"] == "torchscript"


def test_figures_of_a_changed_machine_are_not_kept_beside_new_ones(tmp_path: Path) -> None:
    first = tune(TuningJob(voice=VOICE), folder=tmp_path, ask=Bench(compile_torchscript=0.5).ask)
    changed = replace(first, machine=replace(first.machine, system="an earlier system"))
    TuningRecord(tmp_path).save("cpu", changed)
    only = frozenset({"use_fp16"})
    second = tune(TuningJob(voice=VOICE, only=only), folder=tmp_path, ask=Bench().ask)
    assert second.flags["compile"] == "none"
    assert {figure.flag for figure in second.figures} == {"use_fp16"}


def test_larger_batches_are_tried_only_while_the_smaller_ones_are_faster(tmp_path: Path) -> None:
    alone = Bench().tune(tmp_path)
    assert [f.value for f in alone.figures if f.flag == "batch_size"] == [2]
    bench = Bench(batch_size_2=0.8, batch_size_4=0.7)
    tuning = bench.tune(tmp_path)
    assert [f.value for f in tuning.figures if f.flag == "batch_size"] == [2, 4, 8]
    assert tuning.flags["batch_size"] == 4
    trials = [work for work in bench.asked if work["do"] == "compare"]
    sizes = [(work["before"]["batch_size"], work["after"]["batch_size"]) for work in trials]
    copies = [work["copies"] for work in trials]
    assert {s: n for s, n in zip(sizes, copies, strict=True) if s[0] != s[1]} == {
        (1, 2): 2, (2, 4): 4, (4, 8): 8,
    }  # fmt: skip


def test_batches_smaller_than_the_preset_are_tried_too(tmp_path: Path) -> None:
    bench = Bench("cuda", batch_size_1=0.8)
    tuning = bench.tune(tmp_path)
    assert [f.value for f in tuning.figures if f.flag == "batch_size"] == [1, 2, 8]
    assert tuning.flags["batch_size"] == 1
    copies = [
        work["copies"]
        for work in bench.asked
        if work["do"] == "compare" and work["before"]["batch_size"] != work["after"]["batch_size"]
    ]
    assert copies == [4, 4, 8]  # both ways are given the same, and enough for the larger batch


def test_exact_search_is_measured_but_not_changed(tmp_path: Path) -> None:
    tuning = Bench(retrieval_exact=0.2).tune(tmp_path)
    (figure,) = (f for f in tuning.figures if f.flag == "retrieval")
    assert (figure.reason, figure.kept) == ("measured only", False)
    assert figure.gain == pytest.approx(4.0)
    assert "retrieval" not in tuning.flags


def test_a_preset_that_sounds_wrong_is_replaced_by_the_plain_configuration(tmp_path: Path) -> None:
    bench = Bench("mps")
    bench.levels = {"use_channels_last": 3.0}
    tuning = bench.tune(tmp_path)
    assert tuning.flags["use_channels_last"] is False
    bench.levels = {"device_mps": 3.0}
    bench.device = "mps"
    with pytest.raises(DeviceError, match="differ from those of the CPU"):
        bench.tune(tmp_path)


def test_each_plain_reference_is_computed_once(tmp_path: Path) -> None:
    bench = Bench()
    bench.tune(tmp_path)
    plain = [w["config"] for w in bench.asked if w["do"] == "reference"]
    assert len(plain) == 3  # as the preset, with exact search, with longer context
    assert {config["device"] for config in plain} == {"cpu"}
    assert not any(config["use_channels_last"] for config in plain)


def test_a_folder_that_cannot_be_written_is_reported_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = tmp_path / "file" / "tuning"
    bench = Bench()
    with pytest.raises(OSError, match="Not a directory"):
        bench.tune(folder)
    assert bench.asked == []
    monkeypatch.setenv("URVC_TUNING_DIR", str(folder))
    assert main(["tune", "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Cannot save the tuning" in said
    assert str(folder) in said
    assert "URVC_TUNING_DIR" in said


def test_progress_only_grows(tmp_path: Path) -> None:
    heard: list[TuningProgress] = []
    job = TuningJob(seconds=2.0, voice=VOICE)
    tune(job, heard.append, folder=tmp_path, ask=Bench("mps").ask)
    fractions = [each.fraction for each in heard]
    assert fractions == sorted(fractions)
    assert [each.doing for each in heard][:2] == ["prepare", "examine"]
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert heard[-1].doing == "examine"  # by what the parts run
    assert heard[-2].remaining_s is not None


def test_a_cancelled_tuning_saves_nothing(tmp_path: Path) -> None:
    token, bench = CancelToken(), Bench()

    def ask(work: Mapping[str, Any]) -> Answer:
        if work["do"] == "compare":
            token.cancel()
        return bench.ask(work)

    with pytest.raises(ConversionCancelled):
        tune(TuningJob(2.0, voice=VOICE), cancel=token, folder=tmp_path, ask=ask)
    assert TuningRecord(tmp_path).latest() is None


def test_where_no_flag_was_measured_no_table_is_shown() -> None:
    machine = Machine("Chip", "Linux 6.1", "2.13.0")
    tuning = Tuning(machine, "Chip (CPU)", "", "", "Aria", 2.0, {"batch_size": 1}, ())
    lines = as_table(replace(tuning, parts=("vocoder: cpu, float32",))).splitlines()
    assert lines == [
        'Chip (CPU): 2 s of speech, the voice "Aria"', "", "kept: batch_size=1",
        "vocoder: cpu, float32",
    ]  # fmt: skip


# --- the processes ---


def test_the_command_measures_with_a_real_voice_and_conversions_use_what_it_found(
    small: SmallSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("URVC_TUNING_DIR", str(tmp_path))
    arguments = ["--voice", small.voice.weights, "--index", small.voice.index]
    arguments += ["--models-dir", small.models_dir, "--device", "cpu", "--seconds", 2]
    command = ["tune", *map(str, arguments), "--flags", "use_channels_last"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    (figure,) = told["figures"]
    assert (figure["flag"], figure["before"], figure["value"]) == ("use_channels_last", True, False)
    assert figure["seconds"] > 0
    assert figure["before_s"] > 0
    assert figure["before_db"] is None or figure["before_db"] > 60
    assert told["voice"] == small.voice.weights.stem
    assert TuningRecord().flags("cpu") == told["flags"]


def test_an_unusable_voice_is_reported_as_in_a_conversion(tmp_path: Path) -> None:
    job = TuningJob(2.0, "cpu", tmp_path / "missing.pth")
    with pytest.raises(UserError, match=r"missing\.pth"):
        tune(job, folder=tmp_path)


def test_each_network_for_songs_that_is_installed_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench("mps")
    ask, asked = bench.ask, []

    def answer(work: Mapping[str, Any]) -> Answer:
        if work["do"] != "measure_separation":
            return ask(work)
        asked.append(Path(work["network"]).name)
        if asked[-1].endswith(".ckpt"):
            raise ChildError("it ended by signal 9")
        return {"parts": ["separation, htdemucs 48 wide: mps, half precision"]}

    monkeypatch.setattr(bench, "ask", answer)
    parts = bench.tune(tmp_path / "empty", models_dir=tmp_path).parts
    assert (asked, [each for each in parts if "separation" in each.lower()]) == ([], [])
    monkeypatch.setattr(NetworkFile, "is_installed", lambda *_: True)
    parts = bench.tune(tmp_path / "full", models_dir=tmp_path).parts
    assert asked == ["04573f0d.safetensors", "MelBandRoformer.ckpt"]
    assert parts[-2:] == (
        "separation, htdemucs 48 wide: mps, half precision",
        "Song separation, best (Mel-Band RoFormer): not tried to the end: it ended by signal 9",
    )
