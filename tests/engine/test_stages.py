"""Each part of a conversion runs where it is placed, and on the CPU when memory runs out."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from engine import ConversionOptions, Converter, OptimizationConfig, StageProgress
from engine.errors import DeviceError, OptionError
from engine.models.content_encoder import ContentEncoder
from engine.models.synthesizer import Synthesizer
from engine.options import ConversionResult
from engine.retrieval.search import ExactSearch
from engine.stages import (
    CONVERSION_PARTS,
    CPU,
    PARTS,
    STAGES,
    Part,
    Placement,
    done_after,
    parse_parts,
)
from engine.synthesis import Synthesis
from tests.engine.second_device import SECOND, give_second_device
from tests.engine.small_set import SmallSet
from tests.sound import signal_to_error_db


def noise(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (0.1 * rng.standard_normal(int(seconds * 16_000))).astype(np.float32)


def made(small: SmallSet, **flags: Any) -> Converter:
    return Converter(small.models_dir, OptimizationConfig(**flags), examine_device=False)


@pytest.fixture(scope="module")
def on_the_cpu(small: SmallSet) -> Callable[..., ConversionResult]:
    """Converts noise of so many seconds on the CPU alone; each once for all tests."""

    @cache
    def get(seconds: float, **flags: Any) -> ConversionResult:
        return converted(made(small, device="cpu", **flags), small, noise(seconds))

    return get


def converted(converter: Converter, small: SmallSet, samples: np.ndarray) -> ConversionResult:
    result = converter.convert(
        samples, 16_000, small.voice, ConversionOptions(seed=5, pitch_method="yin")
    )
    assert result.samples is not None
    return result


def test_a_placement_has_a_device_for_every_part() -> None:
    placement = Placement.on("mps", ("pitch", "vocoder"))
    assert placement.cpu_parts == ("pitch", "vocoder")
    assert {placement.device_of(part) for part in PARTS} == {"mps", "cpu"}
    assert placement.with_device("content", CPU).cpu_parts == ("pitch", "content", "vocoder")
    assert placement.device_of_stage("synthesis") == "mps+cpu"
    assert placement.device_of_stage("pitch") == "cpu"
    assert placement.device_of_stage("decode") == "cpu"
    assert Placement.on("mps").device_of_stage("synthesis") == "mps"
    assert Placement.on("cpu") == Placement() == Placement.on("mps", PARTS)


def test_stages_have_names_and_colours_of_their_own_and_fill_the_progress_bar() -> None:
    assert len({stage.name for stage in STAGES}) == len(STAGES)
    assert len({stage.hue for stage in STAGES}) == len(STAGES)
    shares = [done_after(stage.name) for stage in STAGES]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_parts_are_read_from_a_list_and_unknown_names_are_refused() -> None:
    assert parse_parts(" vocoder,pitch ,") == ("pitch", "vocoder")
    assert parse_parts("") == ()
    with pytest.raises(OptionError, match=r"warp.*vocoder"):
        parse_parts("pitch,warp")
    with pytest.raises(OptionError, match="warp"):
        OptimizationConfig(cpu_parts="warp")


@pytest.mark.parametrize("part", CONVERSION_PARTS)
def test_a_part_kept_on_the_cpu_runs_there_and_the_rest_on_the_device(
    small: SmallSet,
    part: Part,
    monkeypatch: pytest.MonkeyPatch,
    on_the_cpu: Callable[..., ConversionResult],
) -> None:
    expected = on_the_cpu(2, use_gpu_filter=True)
    give_second_device(monkeypatch)
    heard: dict[str, str] = {}

    def listen(step: StageProgress) -> None:
        heard[step.stage] = step.device

    converter = made(small, cpu_parts=part, use_gpu_filter=True)
    options = ConversionOptions(seed=5, pitch_method="yin")
    result = converter.convert(noise(2), 16_000, small.voice, options, listener=listen)
    stages = {"filter", "content", "pitch", "retrieval"}
    assert {stage: heard[stage] for stage in stages} == {
        stage: CPU if stage == part else SECOND for stage in stages
    }
    halves = {"latent": f"{CPU}+{SECOND}", "vocoder": f"{SECOND}+{CPU}"}
    assert heard["synthesis"] == halves.get(part, SECOND)
    assert signal_to_error_db(expected.samples, result.samples) > 100


def test_weights_are_on_the_device_of_their_part(small: SmallSet) -> None:
    """The meta device stands for a GPU; nothing need be computed."""
    from engine.progress import PerformanceProfiler
    from engine.run import Run
    from engine.store import ModelStore

    placement = Placement.on("meta", ("pitch", "latent"))
    store = ModelStore(small.models_dir, OptimizationConfig(device="cpu"), placement)
    run = Run(PerformanceProfiler(), placement)
    models = store.models(small.voice, [ConversionOptions(pitch_method="yin")], run)

    def lies_on(network: torch.nn.Module) -> set[str]:
        return {str(weight.device) for weight in network.parameters()}

    assert lies_on(models.content) == {"meta"}
    assert lies_on(models.synthesizer.enc_p) == {"cpu"}
    assert lies_on(models.synthesizer.flow) == {"cpu"}
    assert lies_on(models.synthesizer.emb_g) == {"cpu"}
    assert lies_on(models.synthesizer.dec) == {"meta"}
    assert isinstance(models.search, ExactSearch)
    assert models.search._rows.is_meta


@pytest.mark.parametrize("part", ["content", "retrieval", "latent", "vocoder"])
def test_when_smaller_pieces_do_not_help_the_part_continues_on_the_cpu(
    small: SmallSet,
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    on_the_cpu: Callable[..., ConversionResult],
) -> None:
    """Every run of the part on the second device is refused; those before it are not repeated."""
    expected = on_the_cpu(50)
    give_second_device(monkeypatch)
    refused = refuse_on_second(part, after=1, monkeypatch=monkeypatch)
    converter = made(small)
    result = converted(converter, small, noise(50))
    assert refused
    assert [note for note in result.notes if "continued on the CPU" in note and SECOND in note]
    assert signal_to_error_db(expected.samples, result.samples) > 15  # cut elsewhere: other context
    head = slice(0, 100_000)  # the piece that was finished before: not done again
    assert signal_to_error_db(expected.samples[head], result.samples[head]) > 100


def refuse_on_second(part: str, after: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a part fail for want of memory on the second device, but for its first runs."""
    runs: list[str] = []
    refused: list[str] = []
    target, method = {
        "content": (ContentEncoder, "forward"),
        "retrieval": (ExactSearch, "blend"),
        "latent": (Synthesizer, "latent"),
        "vocoder": (Synthesizer, "vocode"),
    }[part]
    plain = getattr(target, method)
    enter = Synthesis._enter

    def note_device(self: Synthesis, entered: Part) -> str:
        device = enter(self, entered)
        if entered == part:
            runs.append(device)
        return device

    def tight(self: Any, *args: Any, **named: Any) -> Any:
        if runs[-1] == SECOND and len(runs) > after:
            refused.append(part)
            raise RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)")
        return plain(self, *args, **named)

    monkeypatch.setattr(Synthesis, "_enter", note_device)
    monkeypatch.setattr(target, method, tight)
    return refused


@pytest.mark.parametrize("part", ["filter", "pitch"])
def test_filter_and_pitch_continue_on_the_cpu_too(
    small: SmallSet,
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    on_the_cpu: Callable[..., ConversionResult],
) -> None:
    expected = on_the_cpu(2, use_gpu_filter=True)
    give_second_device(monkeypatch)
    names = {
        "filter": "engine.pipeline.highpass_48hz_on_device",
        "pitch": "engine.pitch.yin.track_yin",
    }
    module, _, name = names[part].rpartition(".")
    plain = getattr(importlib.import_module(module), name)
    tries: list[str] = []

    def tight(samples: torch.Tensor, *args: Any, **named: Any) -> Any:
        tries.append(part)
        if len(tries) == 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return plain(samples, *args, **named)

    monkeypatch.setattr(names[part], tight)
    result = converted(made(small, use_gpu_filter=True), small, noise(2))
    assert len(tries) == 2
    assert any("continued on the CPU" in note for note in result.notes)
    assert signal_to_error_db(expected.samples, result.samples) > 100


def test_the_next_conversion_starts_on_the_device_again(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_second_device(monkeypatch)
    converter = made(small)
    with monkeypatch.context() as tight:
        refuse_on_second("vocoder", after=0, monkeypatch=tight)
        assert converted(converter, small, noise(2)).notes
    heard: dict[str, str] = {}
    result = converter.convert(
        noise(2), 16_000, small.voice, listener=lambda step: heard.update({step.stage: step.device})
    )
    assert heard["synthesis"] == SECOND
    assert result.notes == ()


def test_too_little_memory_on_the_cpu_too_is_an_error(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise MemoryError

    give_second_device(monkeypatch)
    monkeypatch.setattr(ContentEncoder, "forward", full)
    with pytest.raises(DeviceError, match="memory"):
        made(small).convert(noise(2), 16_000, small.voice)
