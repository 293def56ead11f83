"""A tuning holds for this machine, system and torch only."""

from __future__ import annotations

import json
import plistlib
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.machine import Machine, app_version
from engine.measure.tuning_record import FILE, Figure, Tuning, TuningRecord
from engine.optimization import OptimizationConfig, resolve

PLAIN = asdict(OptimizationConfig.baseline())


def made(**flags: Any) -> Tuning:
    figures = (
        Figure("tile_frames", 0, 400, "slower", gain=-0.2, seconds=1.0, before_s=0.8),
        Figure("tile_frames", 800, 400, "faster", kept=True, gain=0.1, difference_db=118.0),
        Figure("use_channels_last", False, True, "slower", gain=-0.5, before_db=79.0),
        Figure("use_fp16", True, False, "different sound", difference_db=12.0, least_db=25.0),
        Figure("compile", "torchscript", "none", "no gain", gain=0.02, difference_db=130.0),
        Figure("use_gpu_filter", True, False, "failed", detail="ended by SIGABRT"),
    )
    when, device = "2026-11-24T12:00:00+00:00", "Apple M3 Max (Metal)"
    return Tuning(Machine.here(), device, when, "0.1.0", "Aria", 10.0, flags, figures)


def test_a_tuning_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    record = TuningRecord(tmp_path)
    assert record.tuning("mps") is None
    assert record.latest() is None
    tuning = made(tile_frames=800)
    record.save("mps", tuning)
    record.save("cpu", replace(tuning, when="2026-11-23T12:00:00+00:00"))
    assert record.tuning("mps") == tuning
    assert record.latest() == ("mps", tuning)
    assert record.flags("mps") == {"tile_frames": 800}
    assert record.flags("cuda") == {}
    record.forget("mps")
    assert record.flags("mps") == {}
    assert record.flags("cpu") == {"tile_frames": 800}


@pytest.mark.parametrize(
    ("changed", "named"),
    [("chip", "Apple M9"), ("system", "macOS 99"), ("torch", "PyTorch 9.9")],
)
def test_a_tuning_of_a_changed_machine_is_ignored_and_that_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, named: str
) -> None:
    record = TuningRecord(tmp_path)
    record.save("mps", made(tile_frames=800))
    assert record.stale_news("mps") is None
    other = Machine(**{**asdict(Machine.here()), changed: named.removeprefix("PyTorch ")})
    monkeypatch.setattr(Machine, "here", classmethod(lambda _: other))
    assert record.flags("mps") == {}
    assert record.stale("mps") == named
    assert record.stale_news("mps") == named
    assert record.stale_news("mps") is None
    assert record.tuning("mps") is not None  # still shown


def test_command_line_beats_environment_beats_settings_beats_tuning_beats_preset() -> None:
    tuned = {"batch_size": 2, "tile_frames": 60, "compile": "torchscript", "use_fp16": True}
    saved = {"batch_size": 3, "tile_frames": 70, "compile": "none"}
    environment = {"RVC_BATCH_SIZE": "4", "RVC_TILE_FRAMES": "80"}
    asked: list[str] = []

    def of(device: str) -> dict[str, Any]:
        asked.append(device)
        return tuned

    config = resolve({"batch_size": 5, "device": "cpu"}, saved, environment, tuned=of)
    assert (config.batch_size, config.tile_frames, config.compile) == (5, 80, "none")
    assert config.use_fp16
    assert config.use_channels_last == OptimizationConfig.for_cpu().use_channels_last
    assert asked == ["cpu"]


def test_without_a_choice_the_tuning_is_used_then_the_preset(tmp_path: Path) -> None:
    record = TuningRecord(tmp_path)
    assert (
        record.usual_flags("cuda")["batch_size"] == OptimizationConfig.for_nvidia_gpu().batch_size
    )
    record.save("cuda", made(batch_size=2))
    assert record.usual_flags("cuda")["batch_size"] == 2
    assert record.usual_flags("auto")["batch_size"] == 2
    assert record.usual_flags("cpu")["batch_size"] == OptimizationConfig.for_cpu().batch_size
    assert "device" not in record.usual_flags("auto")
    record.save("cuda", replace(made(batch_size=2), machine=Machine("other", "Linux", "1")))
    usual = record.usual_flags("auto")["batch_size"]
    assert usual == OptimizationConfig.for_cpu().batch_size


@pytest.mark.parametrize(
    "damage",
    [
        {"flags": {"tile_frames": 7}},
        {"flags": {"warp": True}},
        {"flags": {"tile_frames": "400"}},
        {"flags": {"device": "cuda"}},
        {"flags": 3},
        {"figures": [{"flag": "x"}]},
        {"machine": None},
        {"clip_s": "long"},
    ],
)
def test_a_damaged_record_is_ignored(tmp_path: Path, damage: dict[str, Any]) -> None:
    record = TuningRecord(tmp_path)
    record.save("cpu", made(tile_frames=800))
    kept = json.loads((tmp_path / FILE).read_text())
    kept["devices"]["cpu"].update(damage)
    (tmp_path / FILE).write_text(json.dumps(kept))
    assert record.tuning("cpu") is None
    assert record.flags("cpu") == {}
    assert record.stale_news("cpu") is None


def test_a_tuning_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    record = TuningRecord(tmp_path)
    tuning = made(tile_frames=800)
    measured_only = Figure("retrieval", "exact", "ivf", "measured only")
    record.save("cpu", replace(tuning, figures=(*tuning.figures, measured_only)))
    now = (tmp_path / FILE).read_text()
    earlier = now.replace('"faster"', '"pays"').replace('"different sound"', '"other sound"')
    (tmp_path / FILE).write_text(earlier.replace('"measured only"', '"left as it is"'))
    found = record.tuning("cpu")
    assert found is not None
    assert [each.reason for each in found.figures] == [
        each.reason for each in (*tuning.figures, measured_only)
    ]
    assert record.flags("cpu") == {"tile_frames": 800}


def test_a_flag_has_its_gain_or_the_reason_why_it_is_not_used() -> None:
    gains = made().gains(PLAIN)
    tiles = gains["tile_frames"]
    assert (tiles.chosen, tiles.used, tiles.reason, tiles.difference_db) == (
        800,
        True,
        "faster",
        118,
    )
    assert tiles.gain == pytest.approx(1.1 / 0.8 - 1)
    layout = gains["use_channels_last"]
    assert (layout.chosen, layout.used, layout.difference_db) == (True, True, 79.0)
    assert layout.gain == pytest.approx(1.0)
    half = gains["use_fp16"]
    assert (half.used, half.reason, half.gain) == (False, "different sound", None)
    assert (gains["compile"].used, gains["compile"].reason) == (False, "no gain")
    assert gains["compile"].gain == pytest.approx(0.02)
    assert gains["use_gpu_filter"].reason == "failed"


def test_the_command_line_uses_a_tuning_and_reports_once_that_it_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import argparse

    from engine.cli.arguments import machine_config

    monkeypatch.setenv("URVC_TUNING_DIR", str(tmp_path))
    TuningRecord().save("cpu", made(tile_frames=800))
    given = argparse.Namespace(device="cpu", retrieval=None)
    assert machine_config(given).tile_frames == 800
    monkeypatch.setenv("RVC_TILE_FRAMES", "200")
    assert machine_config(given).tile_frames == 200
    monkeypatch.delenv("RVC_TILE_FRAMES")
    other = replace(Machine.here(), system="macOS 99")
    monkeypatch.setattr(Machine, "here", classmethod(lambda _: other))
    assert capfd.readouterr().err == ""
    preset = OptimizationConfig.for_cpu().tile_frames
    assert [machine_config(given).tile_frames for _ in range(2)] == [preset, preset]
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "macOS 99" in err
    assert main(["tune", "--forget", "--device", "cpu"]) == 0
    assert TuningRecord().tuning("cpu") is None


def test_the_version_comes_from_the_project_or_from_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESOURCEPATH", raising=False)
    assert re.fullmatch(r"\d+\.\d+\.\d+", app_version())
    contents = tmp_path / "Contents"
    (contents / "Resources").mkdir(parents=True)
    monkeypatch.setenv("RESOURCEPATH", str(contents / "Resources"))
    assert app_version() == ""
    info = plistlib.dumps({"CFBundleShortVersionString": "9.8.7"})
    (contents / "Info.plist").write_bytes(info)
    assert app_version() == "9.8.7"
