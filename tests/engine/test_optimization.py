"""Where the flags come from, and which of them wins."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from engine.errors import DeviceError, OptionError
from engine.optimization import VARIABLES, OptimizationConfig, overrides_from_env, resolve

OTHER_VALUES = {
    "RVC_DEVICE": ("CPU", "cpu"),
    "RVC_BACKEND": ("MLX", "mlx"),
    "RVC_RETRIEVAL": ("Exact", "exact"),
    "RVC_GPU_RETRIEVAL": ("off", False),
    "RVC_GPU_FILTER": ("true", True),
    "RVC_USE_FP16": ("Yes", True),
    "RVC_CHANNELS_LAST": ("false", False),
    "RVC_COMPILE": ("torchscript", "torchscript"),
    "RVC_BATCH_SIZE": ("4", 4),
    "RVC_SHAPE_BUCKETS": ("on", True),
    "RVC_TILE_FRAMES": ("100", 100),
    "RVC_SKIP_SILENCE": ("0", False),
    "RVC_RETRIEVAL_WEIGHTING": ("inverse", "inverse"),
    "RVC_PROFILING": ("1", True),
    "RVC_CPU_PARTS": ("pitch, Vocoder", "pitch, vocoder"),
    "RVC_COREML_CONTENT": ("Auto", "auto"),
}


def test_every_field_has_a_variable() -> None:
    assert set(VARIABLES.values()) == {
        field.name for field in dataclasses.fields(OptimizationConfig)
    }
    assert set(OTHER_VALUES) == set(VARIABLES)


@pytest.mark.parametrize("variable", list(VARIABLES))
def test_a_variable_sets_its_field(variable: str) -> None:
    text, value = OTHER_VALUES[variable]
    config = OptimizationConfig.from_env(environment={variable: text})
    assert getattr(config, VARIABLES[variable]) == value
    changed = {
        field.name
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(OptimizationConfig(), field.name)
    }
    assert changed == {VARIABLES[variable]}


@pytest.mark.parametrize("variable", list(VARIABLES))
def test_a_value_that_makes_no_sense_is_refused_and_the_variable_named(variable: str) -> None:
    with pytest.raises(OptionError, match=variable) as caught:
        overrides_from_env({variable: "maybe"})
    assert "maybe" in str(caught.value)


@pytest.mark.parametrize("value", [False, 2.5, "400"])
def test_a_number_of_frames_must_be_a_whole_number(value: object) -> None:
    with pytest.raises(OptionError, match='"Tile size": it must be a whole number'):
        replace(OptimizationConfig(), tile_frames=value)  # type: ignore[arg-type]


def test_numbers_out_of_range_name_the_variable_too() -> None:
    for variable, text in (("RVC_BATCH_SIZE", "0"), ("RVC_TILE_FRAMES", "7")):
        with pytest.raises(OptionError, match=variable):
            overrides_from_env({variable: text})


def test_empty_variables_count_as_unset() -> None:
    assert overrides_from_env(dict.fromkeys(VARIABLES, "")) == {}


def test_command_line_beats_environment_beats_settings_beats_preset() -> None:
    saved = {"batch_size": 2, "tile_frames": 60, "skip_silence": False}
    environment = {"RVC_BATCH_SIZE": "3", "RVC_TILE_FRAMES": "70"}
    config = resolve({"batch_size": 5, "device": "cpu"}, saved, environment)
    assert (config.batch_size, config.tile_frames, config.skip_silence) == (5, 70, False)
    assert config.use_gpu_retrieval == OptimizationConfig.for_cpu().use_gpu_retrieval


def test_the_framework_that_tuning_found_is_used_unless_another_is_asked_for() -> None:
    for asked, used in (("auto", "mlx"), ("torch", "torch")):
        environment = {"RVC_DEVICE": "cpu", "RVC_BACKEND": asked}
        config = resolve({}, None, environment, lambda _: {"backend": "mlx"})
        assert config.backend == used


def test_a_preset_belongs_to_its_device() -> None:
    assert resolve({"device": "cpu"}, environment={}) == OptimizationConfig.for_cpu()
    for preset, device in (
        (OptimizationConfig.for_apple_silicon(), "mps"),
        (OptimizationConfig.for_nvidia_gpu(), "cuda"),
        (OptimizationConfig.baseline(), "cpu"),
    ):
        assert preset.device == device
    assert OptimizationConfig.for_nvidia_gpu().batch_size == 4


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="cuda"):
        resolve({}, environment={"RVC_DEVICE": "cuda"})


def test_the_baseline_has_every_optimization_off() -> None:
    baseline = OptimizationConfig.baseline()
    assert not baseline.use_gpu_retrieval
    assert not baseline.skip_silence
    assert not baseline.use_channels_last
    assert not baseline.use_fp16
    assert not baseline.use_gpu_filter
    assert baseline.compile == "none"
    assert not baseline.use_shape_buckets
    assert (baseline.batch_size, baseline.tile_frames) == (1, 0)


def test_every_preset_searches_the_index_as_its_maker_chose() -> None:
    for device in ("cpu", "mps", "cuda"):
        assert OptimizationConfig.preset(device).retrieval == "ivf"
    assert OptimizationConfig.baseline().retrieval == "ivf"
    assert OptimizationConfig.preset("mps").searches_on_device
    assert not replace(OptimizationConfig.preset("mps"), retrieval="faiss").searches_on_device


@pytest.mark.parametrize("name", ["baseline", "for_cpu", "for_nvidia_gpu", "for_apple_silicon"])
def test_variables_carry_the_whole_configuration_to_another_process(name: str) -> None:
    config = getattr(OptimizationConfig, name)()
    given = overrides_from_env(config.to_env())
    assert set(given) == set(VARIABLES.values())
    assert given.pop("cpu_parts") == "none"  # empty would leave the tuned parts in place
    assert OptimizationConfig(**given) == config
