"""The benchmark measures what it says: real conversions, one process each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from PIL import Image

from engine import device as devices
from engine.cli import main
from engine.cli.benchmark import as_table
from engine.errors import OptionError, UserError
from engine.library.networks import CONTENT_ENCODER, RMVPE
from engine.loading import load_content_encoder, load_rmvpe
from engine.measure.benchmark import (
    BASELINE,
    IN_COREML,
    IN_FULL,
    IN_HALF,
    IN_MLX,
    IN_MLX_HALF,
    TOGETHER,
    WHOLE,
    Job,
    Measurement,
    as_json,
    configurations,
    draw_chart,
    run_benchmark,
)
from engine.measure.synthetic import V2_40K, write_synthetic_set
from engine.optimization import OptimizationConfig
from engine.retrieval.index_file import read_index
from engine.voice_checkpoint import load_voice
from tests.engine.small_set import write_small_set


def test_each_flag_is_measured_alone_and_all_together() -> None:
    found = configurations("cpu", None)
    assert next(iter(found)) == BASELINE
    half = found.pop(IN_HALF, None)
    assert list(found)[-1] == TOGETHER
    assert (half is not None) == (devices.half_type("cpu") is not None)
    assert half is None or half == replace(found[TOGETHER], use_fp16=True)
    baseline = OptimizationConfig.baseline()
    assert found[BASELINE] == baseline
    alone = dict(list(found.items())[1:-1])
    assert [name for name, config in alone.items() if config == baseline] == []
    assert alone["retrieval"] == replace(baseline, retrieval="exact")
    assert ("use_fp16" in alone) == (half is not None)
    usual = OptimizationConfig.for_cpu()
    for name in alone.keys() - {"retrieval", "use_fp16"}:
        assert alone[name] == replace(baseline, **{name: getattr(usual, name)})
    assert found[TOGETHER] == usual


def test_on_a_mac_the_preset_is_also_measured_in_half_precision_by_mlx_and_by_core_ml(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "choose_device", lambda _: torch.device("mps"))
    monkeypatch.setattr(devices, "half_type", lambda _: torch.float16)
    monkeypatch.setattr(devices, "has_mlx", lambda: True)
    monkeypatch.setattr("engine.accelerators.coreml.fault", lambda: None)
    found = configurations("mps", None)
    ways = {name: config for name, config in found.items() if name in WHOLE}
    assert list(ways) == [TOGETHER, IN_HALF, IN_MLX, IN_MLX_HALF, IN_COREML]
    preset = ways[TOGETHER]
    assert (preset.backend, preset.use_fp16, preset.coreml_content) == ("auto", False, "off")
    assert ways[IN_HALF] == replace(preset, use_fp16=True)
    assert ways[IN_MLX] == replace(preset, backend="mlx")
    assert ways[IN_MLX_HALF] == replace(preset, backend="mlx", use_fp16=True)
    assert ways[IN_COREML] == replace(preset, coreml_content="on")
    monkeypatch.setattr(devices, "has_mlx", lambda: False)
    assert IN_MLX not in configurations("mps", None)


def test_where_the_preset_has_half_precision_it_is_also_measured_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(devices, "half_type", lambda _: torch.float16)
    found = configurations("cuda", None)
    assert found[IN_FULL] == replace(found[TOGETHER], use_fp16=False)
    assert IN_HALF not in found


def test_a_flag_the_device_does_not_use_is_refused() -> None:
    with pytest.raises(OptionError, match="use_warp_drive"):
        configurations("cpu", ["use_warp_drive"])


def test_half_precision_is_measured_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "half_type", lambda device: torch.bfloat16)
    found = configurations("cpu", ["use_fp16"])
    assert list(found) == [BASELINE, "use_fp16", TOGETHER]
    assert found[TOGETHER].use_fp16
    monkeypatch.setattr(devices, "half_type", lambda device: None)
    with pytest.raises(OptionError, match="use_fp16"):
        configurations("cpu", ["use_fp16"])


def test_a_run_gives_times_memory_and_difference(tmp_path: Path) -> None:
    small = write_small_set(tmp_path)
    job = Job(2.0, small.voice.weights, small.voice.index, small.models_dir)
    baseline, tiles, together = run_benchmark(job, "cpu", ["tile_frames"])
    assert (baseline.name, tiles.name, together.name) == (BASELINE, "tile_frames", TOGETHER)
    assert baseline.difference_db is None
    assert baseline.seconds == pytest.approx(
        sum(s for stage, s in baseline.stage_s.items() if stage != "load"), abs=0.01
    )
    assert baseline.realtime == pytest.approx(2.0 / baseline.seconds, rel=0.05)
    assert tiles.difference_db is None or tiles.difference_db > 80
    assert min(each.peak_memory_bytes for each in (baseline, tiles, together)) > 10**8
    told = as_json([baseline, tiles, together], job, "cpu")
    assert json.loads(json.dumps(told))["measurements"][1]["name"] == "tile_frames"
    assert as_table([baseline, tiles, together]).count("\n") == 3


def two_measurements() -> list[Measurement]:
    stages = {"load": 9.0, "decode": 1.0, "content": 15.0, "synthesis": 24.0}
    halves = {stage: seconds / 2 for stage, seconds in stages.items()}
    return [
        Measurement(BASELINE, 40.0, 1.5, 1.0, stages, 3 * 10**9, None),
        Measurement(TOGETHER, 20.0, 3.0, 2.0, halves, 10**9, 71.26),
    ]


def test_the_chart_has_bars_as_long_as_the_seconds(tmp_path: Path) -> None:
    draw_chart(tmp_path / "chart.png", as_json(two_measurements(), Job(60.0), "cpu"))
    with Image.open(tmp_path / "chart.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    coloured = (pixels.max(2) - pixels.min(2) > 60).sum(1)
    first, second = coloured[90:118].max(), coloured[146:174].max()
    assert first > 500
    assert abs(first - 2 * second) < 8


def test_a_failed_conversion_is_reported_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.pth"):
        run_benchmark(Job(1.0, tmp_path / "missing.pth"), "cpu", ["tile_frames"])


def test_the_synthetic_set_is_full_size_and_loads_like_a_real_one(tmp_path: Path) -> None:
    voice, index = write_synthetic_set(tmp_path / "models", 200)
    assert load_voice(voice).sizes == V2_40K
    assert load_content_encoder(voice.parent).sizes.hidden_size == 768
    load_rmvpe(voice.parent)
    for network in (CONTENT_ENCODER, RMVPE):
        assert all(file.has_content(voice.parent) for file in network.files_in(voice.parent))
    ours, theirs = read_index(index, 768), faiss.read_index(str(index))
    assert (theirs.ntotal, theirs.nlist, theirs.nprobe) == (200, 5, 1)
    theirs.nprobe = theirs.nlist
    distances, found = theirs.search(ours.rows, 1)
    assert not distances.any()
    assert set(found[:, 0]) == set(range(200))
    assert 50e6 < voice.stat().st_size < 62e6
    assert torch.isfinite(load_voice(voice).state["dec.conv_pre.weight"]).all()


def test_invalid_arguments_are_refused_in_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--seconds", "0"], ["--synthetic", "--voice", "x.pth"], ["--flags", "nope"]):
        assert main(["benchmark", "--device", "cpu", *arguments]) == 2
        assert capfd.readouterr().err.count("\n") == 1


def test_the_figures_are_printed_even_if_a_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import engine.measure.benchmark

    monkeypatch.setattr(
        engine.measure.benchmark, "run_benchmark", lambda *_, **__: two_measurements()
    )
    monkeypatch.setattr("engine.measure.doctor.run_checks", lambda _: [])
    (tmp_path / "folder").mkdir()
    for option in ("--save", "--chart", "--report"):
        arguments = ["benchmark", "--device", "cpu", option, str(tmp_path / "folder")]
        assert main(arguments) == 2
        printed = capfd.readouterr()
        assert TOGETHER in printed.out
        assert 'Cannot write "folder"' in printed.err
