"""Parts of the synthesizer against plain evaluations of their formulas, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from engine.models.attention import WINDOW_FRAMES, RelativeAttention
from engine.models.layers import (
    ResBlock,
    source_conv,
    upsample_linear,
    upsampling_conv,
    without_weights,
)
from engine.models.refine_gan import Decimation, middle_of_frames
from engine.models.source import Harmonics, SourceInput, frame_phase


def brute_force_cycles(f0: np.ndarray, rate_hz: int, hop: int, *, gliding: bool) -> np.ndarray:
    """The phase at every sample by adding up sample after sample, float64."""
    if gliding:
        place = (np.arange(len(f0) * hop) + 0.5) / hop - 0.5
        held = np.interp(place, np.arange(len(f0)), f0.astype(np.float64))
    else:
        held = np.repeat(f0.astype(np.float64), hop)
    return np.cumsum(held / rate_hz)


@pytest.mark.parametrize("gliding", [False, True])
def test_the_phase_is_exact_after_minutes(*, gliding: bool) -> None:
    rate_hz, hop, frames = 48000, 480, 12_000
    dice = np.random.default_rng(0)
    f0 = (300 + 200 * np.sin(np.arange(frames) / 40) + dice.normal(0, 5, frames)).astype(np.float32)
    f0[dice.integers(0, frames, 500)] = 0
    cycles = brute_force_cycles(f0, rate_hz, hop, gliding=gliding)
    phase = frame_phase(f0, rate_hz, hop, gliding=gliding)
    starts = np.concatenate([[0.0], cycles[hop - 1 :: hop][:-1]])
    difference = (phase - starts + 0.5) % 1 - 0.5
    assert np.abs(difference).max() < 3e-7  # most of it the sum's own rounding
    assert phase.dtype == np.float64
    assert phase.min() >= 0
    assert phase.max() < 1

    late = slice(frames - 300, frames)
    sines = (
        Harmonics(rate_hz, hop, 1, gliding=gliding)(
            SourceInput(
                torch.from_numpy(f0[late])[None], torch.from_numpy(phase[late]).float()[None]
            )
        )[0, :, 0]
        .double()
        .numpy()
    )
    inside = slice(hop, -hop)  # the cut piece's first frame does not know its neighbour
    exact = 0.1 * np.sin(2 * math.pi * cycles[(frames - 300) * hop :])
    f0_samples = np.diff(cycles, prepend=0)[(frames - 300) * hop :]
    exact[f0_samples <= 1e-12] = 0
    # 1e-6 cycles of a sine of amplitude 0.1
    assert np.abs(sines - exact)[inside].max() < 0.1 * 2 * math.pi * 1.5e-6


def test_harmonics_are_multiples_of_f0_with_their_own_start_phase() -> None:
    f0 = torch.full((1, 20), 200.0)
    phase = torch.from_numpy(frame_phase(f0[0].numpy(), 16000, 160, gliding=False)).float()[None]
    starts = torch.tensor([0.0, 0.25, 0.5])
    waves = Harmonics(16000, 160, 3, gliding=False)(
        SourceInput(f0, phase, start_phase_cycles=starts)
    )
    seconds = torch.arange(1, 3201, dtype=torch.float64) / 16000
    cycles = 200 * seconds[:, None] * torch.tensor([1.0, 2.0, 3.0]).double() + starts
    torch.testing.assert_close(
        waves[0].double(), 0.1 * torch.sin(2 * math.pi * cycles), rtol=0, atol=2e-6
    )


def test_noise_is_loud_only_where_there_is_no_pitch() -> None:
    f0 = torch.tensor([[100.0, 0.0]])
    noise = torch.randn(1, 320, 1, generator=torch.Generator().manual_seed(0))
    sines = Harmonics(16000, 160, 1, gliding=False)
    clean = sines(SourceInput(f0, torch.zeros(1, 2)))
    added = sines(SourceInput(f0, torch.zeros(1, 2), noise)) - clean
    torch.testing.assert_close(added[:, :160], 0.003 * noise[:, :160], rtol=0, atol=1e-7)
    torch.testing.assert_close(added[:, 160:], 0.1 / 3 * noise[:, 160:], rtol=0, atol=1e-7)
    assert clean[:, 160:].abs().max() == 0


def test_no_frames_have_no_phase() -> None:
    assert frame_phase(np.zeros(0, np.float32), 16000, 160, gliding=True).shape == (0,)


@pytest.mark.parametrize("frames", [1, 2, 7, 21, 40])
def test_attention_equals_its_definition_frame_by_frame(frames: int) -> None:
    torch.manual_seed(0)
    layer = RelativeAttention(8, 2).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(1, 8, frames, dtype=torch.float64)
    query, key, value = (conv(x)[0] for conv in (layer.conv_q, layer.conv_k, layer.conv_v))
    result = torch.zeros(8, frames, dtype=torch.float64)
    for head in range(2):
        rows = slice(4 * head, 4 * head + 4)
        for i in range(frames):
            scores = query[rows, i] @ key[rows] / 2
            near = [j for j in range(frames) if abs(j - i) <= WINDOW_FRAMES]
            for j in near:
                scores[j] += query[rows, i] @ layer.emb_rel_k[0, j - i + WINDOW_FRAMES] / 2
            weights = scores.softmax(0)
            result[rows, i] = value[rows] @ weights
            for j in near:
                result[rows, i] += weights[j] * layer.emb_rel_v[0, j - i + WINDOW_FRAMES]
    torch.testing.assert_close(layer(x), layer.conv_o(result[None]))


@pytest.mark.parametrize("rate", [1, 2, 6, 10])
def test_decimation_equals_the_filters_formula_in_float64(rate: int) -> None:
    x = np.random.default_rng(0).normal(size=rate * 90)
    result = Decimation(rate)(torch.from_numpy(x).float()[None, None])[0, 0].numpy()
    crossings = (np.arange(len(x)) - rate * np.arange(90)[:, None]) * 0.9475937167399596 / rate
    inside = np.abs(crossings) < 64
    window = np.i0(14.769656459379492 * np.sqrt(np.where(inside, 1 - (crossings / 64) ** 2, 0)))
    gain = np.sinc(crossings) * window / np.i0(14.769656459379492)
    expected = np.where(inside, gain, 0) @ x * 0.9475937167399596 / rate
    np.testing.assert_allclose(result, x if rate == 1 else expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("rate", [1, 2, 5, 12])
def test_linear_upsampling_equals_pytorchs(rate: int) -> None:
    x = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = functional.interpolate(x, scale_factor=rate, mode="linear")
    torch.testing.assert_close(upsample_linear(x, rate), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hop", [80, 441])
def test_the_middle_of_frames_equals_pytorchs_interpolation(hop: int) -> None:
    x = torch.randn(1, 2, 30 * hop, generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(x, size=30, mode="linear")
    torch.testing.assert_close(middle_of_frames(x, 30), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("rate", "kernel"), [(10, 16), (12, 24), (2, 4), (5, 11), (7, 14), (3, 6), (6, 16), (1, 1)]
)
def test_upsampling_gives_exactly_rate_samples_per_sample(rate: int, kernel: int) -> None:
    assert upsampling_conv(1, 1, kernel, rate)(torch.zeros(1, 1, 13)).shape == (1, 1, 13 * rate)


@pytest.mark.parametrize("stride", [1, 2, 4, 21, 40, 147])
def test_the_source_is_decimated_by_exactly_its_stride(stride: int) -> None:
    assert source_conv(1, 1, stride)(torch.zeros(1, 1, 13 * stride)).shape == (1, 1, 13)


def test_the_second_kind_of_residual_block_has_one_convolution_per_dilation() -> None:
    torch.manual_seed(0)
    block = ResBlock(4, 3, (1, 3), kind="2")
    x = torch.randn(1, 4, 20)
    y = x
    for conv, dilation in zip(block.convs, (1, 3), strict=True):
        assert isinstance(conv, nn.Conv1d)
        assert conv.dilation == conv.padding == (dilation,)
        y = y + conv(functional.leaky_relu(y, 0.1))
    torch.testing.assert_close(block(x), y)


def test_a_network_without_weights_draws_no_numbers_and_takes_no_memory() -> None:
    def network() -> nn.Module:
        layers = [nn.Conv1d(2, 3, 5), nn.Linear(3, 4), nn.GRU(4, 2), nn.Embedding(5, 6)]
        return nn.ModuleList(layers)

    with without_weights(), Draws() as draws:
        empty = network().state_dict()
    assert draws.count == 0
    assert all(tensor.is_meta for tensor in empty.values())
    with Draws() as draws:
        filled = network().state_dict()
    assert draws.count > 0
    assert {k: v.shape for k, v in empty.items()} == {k: v.shape for k, v in filled.items()}


class Draws(TorchDispatchMode):
    """Counts the random numbers' operators."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.count += func.name().startswith(("aten::uniform_", "aten::normal_"))
        return func(*args, **(kwargs or {}))
