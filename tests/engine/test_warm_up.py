"""Warming up meets every length that conversions will bring, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from engine import CancelToken, ConversionOptions, Converter, OptimizationConfig
from engine.models.content_encoder import ContentEncoder
from engine.segments import BUCKET_FRAMES, HOP_SAMPLES
from tests.engine.second_device import give_second_device
from tests.engine.small_set import SmallSet


def made(small: SmallSet, **flags: Any) -> Converter:
    config = OptimizationConfig(**{"device": "cpu", "use_shape_buckets": True, **flags})
    return Converter(small.models_dir, config, examine_device=False)


def spied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Rows and frames of what the content encoder is given."""
    seen: list[tuple[int, int]] = []
    plain = ContentEncoder.forward

    def forward(self: ContentEncoder, audio: torch.Tensor, *args: Any, **named: Any) -> Any:
        seen.append((len(audio), audio.shape[1] // HOP_SAMPLES))
        return plain(self, audio, *args, **named)

    monkeypatch.setattr(ContentEncoder, "forward", forward)
    return seen


def test_every_length_runs_alone_and_in_full_batches(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = spied(monkeypatch)
    assert made(small, batch_size=2).warm_up(small.voice, CancelToken(), even_on_cpu=True)
    assert seen == [(rows, frames) for frames in BUCKET_FRAMES for rows in (1, 2)]


def test_nothing_runs_on_the_cpu_nor_without_common_lengths(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = spied(monkeypatch)
    assert made(small).warm_up(small.voice, CancelToken())
    plain = made(small, use_shape_buckets=False)
    assert plain.warm_up(small.voice, CancelToken(), even_on_cpu=True)
    assert seen == []


def test_on_a_device_it_runs_unasked(small: SmallSet, monkeypatch: pytest.MonkeyPatch) -> None:
    give_second_device(monkeypatch)
    monkeypatch.setattr("engine.warm_up.BUCKET_FRAMES", BUCKET_FRAMES[:1])
    seen = spied(monkeypatch)
    assert made(small).warm_up(small.voice, CancelToken())
    assert seen == [(1, BUCKET_FRAMES[0])]


def test_a_cancel_stops_it_at_once_and_the_next_job_is_not_touched(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = (0.1 * np.random.default_rng(1).standard_normal(16_000)).astype(np.float32)
    options = ConversionOptions(seed=3)
    token = CancelToken()
    layers: list[str] = []
    plain = torch.nn.Conv1d.forward

    def counting(self: torch.nn.Conv1d, x: torch.Tensor) -> torch.Tensor:
        layers.append("conv")
        if len(layers) == 2:
            token.cancel()
        return plain(self, x)

    converter = made(small, use_channels_last=False)
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Conv1d, "forward", counting)
        assert not converter.warm_up(small.voice, token, even_on_cpu=True)
    assert len(layers) == 2
    after = converter.convert(samples, 16_000, small.voice, options).samples
    plainly = made(small, use_channels_last=False)
    assert np.array_equal(after, plainly.convert(samples, 16_000, small.voice, options).samples)


def test_results_are_the_same_after_it(small: SmallSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.warm_up.BUCKET_FRAMES", BUCKET_FRAMES[:2])
    samples = (0.1 * np.random.default_rng(1).standard_normal(40_000)).astype(np.float32)
    options = ConversionOptions(seed=3)
    converter = made(small)
    cold = converter.convert(samples, 16_000, small.voice, options).samples
    assert converter.warm_up(small.voice, CancelToken(), even_on_cpu=True)
    warm = converter.convert(samples, 16_000, small.voice, options).samples
    assert np.array_equal(cold, warm)


def test_too_little_memory_only_ends_it(small: SmallSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> object:
        raise MemoryError

    monkeypatch.setattr(ContentEncoder, "forward", full)
    assert not made(small).warm_up(small.voice, CancelToken(), even_on_cpu=True)
