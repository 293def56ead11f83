"""The content of the next windows is computed beside the vocoder, at another place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine import (
    CancelToken,
    ConversionOptions,
    Converter,
    OptimizationConfig,
    accelerators,
)
from engine.accelerators import Accelerator, AcceleratorFailed, register, torch_parts
from engine.errors import ConversionCancelled
from engine.models.content_encoder import ContentEncoder
from engine.optimization import OptimizationConfig as Config
from engine.options import ConversionResult
from engine.stages import Part
from tests.engine.small_set import SmallSet

SAMPLES = (0.1 * np.random.default_rng(3).standard_normal(6 * 16_000)).astype(np.float32)
"""Three pieces, as short as the fixture makes them."""

LONG_ENOUGH_S = 60.0
"""No proof waits so long; what does not happen until then does not happen."""

events: list[str] = []
refusals: list[Exception] = []
begun_beside = threading.Event()


def offers(part: Part, device: str, config: Config) -> bool:
    return part == "content"


def build(part: Part, source: ContentEncoder, config: Config, device: str) -> Any:
    """Torch's own content encoder, at another place; writes down when it is called."""

    content = torch_parts.build(part, source, config, device)

    class Content:
        def __call__(self, audio: Tensor, layer: int | None, *, project: bool) -> Tensor:
            beside = threading.current_thread() is not threading.main_thread()
            events.append("content beside" if beside else "content")
            if beside:
                begun_beside.set()
            if beside and refusals:
                raise refusals.pop()
            return content(audio, layer, project=project)

    return Content()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(accelerators, "ACCELERATORS", [*accelerators.ACCELERATORS])
    monkeypatch.setattr(accelerators, "failures", {})
    monkeypatch.setattr("engine.examination.SLOWER_RATIO", float("inf"))
    monkeypatch.setattr("engine.examination.ACCELERATOR_RATIO", float("inf"))
    monkeypatch.setattr("engine.window.SMALLEST_PIECE_FRAMES", 50)
    for name, frames in (("MAX_PIECE", 250), ("CUT_EVERY", 200), ("CUT_SEARCH", 20)):
        monkeypatch.setattr(f"engine.segments.{name}_FRAMES", frames)
    events.clear()
    refusals.clear()
    yield
    assert [each for each in threading.enumerate() if each.name.startswith("content")] == []


def convert(
    small: SmallSet, folder: Path, cancel: CancelToken | None = None, **flags: Any
) -> ConversionResult:
    config = OptimizationConfig(device="cpu", skip_silence=False, **flags)
    converter = Converter(small.models_dir, config, tuning_dir=folder)
    options = ConversionOptions(seed=5, index_rate=0)
    events.clear()
    return converter.convert(SAMPLES, 16_000, small.voice, options, cancel=cancel)


def another_place() -> None:
    register(Accelerator("stand-in", __name__))


def test_at_one_place_nothing_is_computed_ahead(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.content_ahead.ThreadPoolExecutor", None)  # would fail
    assert convert(small, tmp_path).samples is not None


def test_at_two_places_the_next_content_is_made_beside_the_vocoder_with_the_same_sound(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = convert(small, tmp_path / "plain").samples
    another_place()
    convert(small, tmp_path)  # examined
    seen = watch_the_vocoder(monkeypatch)
    found = convert(small, tmp_path)
    assert events == ["content", *("content beside", "vocoder") * 2, "vocoder"]
    assert seen == [True, True]
    assert found.notes == ()
    assert np.array_equal(expected, found.samples)


def watch_the_vocoder(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the content of the next piece begins while the vocoder works on a piece."""
    from engine.synthesis import Synthesis

    plain = Synthesis._vocode
    seen: list[bool] = []

    def vocode(self: Synthesis, batch: Any, latent: Tensor) -> Any:
        if self._next is not None:
            seen.append(begun_beside.wait(LONG_ENOUGH_S))
            begun_beside.clear()
        events.append("vocoder")
        return plain(self, batch, latent)

    begun_beside.clear()
    monkeypatch.setattr(Synthesis, "_vocode", vocode)
    return seen


def test_a_failure_ahead_lets_torch_go_on_with_the_same_sound(
    small: SmallSet, tmp_path: Path
) -> None:
    another_place()
    expected = convert(small, tmp_path).samples
    refusals.append(AcceleratorFailed("the engine is hot", give_up=lambda: None))
    found = convert(small, tmp_path)
    assert np.array_equal(expected, found.samples)
    assert found.notes == (
        "the content encoder runs on torch, because stand-in cannot run it (the engine is hot)",
    )
    assert events == ["content", "content beside", "content", "content"]


def test_an_error_ahead_is_raised(small: SmallSet, tmp_path: Path) -> None:
    another_place()
    convert(small, tmp_path)
    refusals.append(KeyError("a fault of ours"))
    with pytest.raises(KeyError, match="a fault of ours"):
        convert(small, tmp_path)


def test_short_memory_ahead_cuts_the_work(small: SmallSet, tmp_path: Path) -> None:
    another_place()
    convert(small, tmp_path)
    refusals.append(MemoryError())
    assert any("not enough memory" in each for each in convert(small, tmp_path).notes)


def test_a_cancel_ends_what_was_begun_ahead(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_place()
    convert(small, tmp_path)
    cancel = CancelToken()

    def endless(self: ContentEncoder, *args: Any, **kwargs: Any) -> Tensor:
        if threading.current_thread() is threading.main_thread():
            return plain(self, *args, **kwargs)
        cancel.cancel()
        while True:  # until an operation of torch stops it
            torch.zeros(1).add(1)

    plain = ContentEncoder.__call__
    monkeypatch.setattr(ContentEncoder, "__call__", endless)
    with pytest.raises(ConversionCancelled):
        convert(small, tmp_path, cancel)
