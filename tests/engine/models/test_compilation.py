"""Recorded graphs against the networks they record."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from engine.models.compilation import CompiledVocoder, compile_traced
from engine.models.layout import use_channels_last
from engine.models.synthesizer_sizes import Vocoder
from tests.engine.models.test_synthesizer import melody, noisy, small, source_of


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("vocoder", [Vocoder.PLAIN, Vocoder.NSF, Vocoder.MRF])
def test_a_recorded_vocoder_equals_the_vocoder_for_every_shape(
    vocoder: Vocoder, fast: bool
) -> None:
    network = small(vocoder)
    if fast:
        use_channels_last(network)
    compiled, speaker = CompiledVocoder(network), torch.tensor([2])
    for frames, seed, context in (
        (20, 0, (0, 0)),
        (33, 1, (9, 4)),
        (20, 2, (0, 0)),
        (33, 3, (4, 9)),
    ):
        dice = torch.Generator().manual_seed(seed)
        z = torch.randn(1, 8, frames, generator=dice)
        source = None
        if network.sizes.pitch_guided:
            source = noisy(source_of(network, melody(frames, seed)), network)
            source = replace(source, layer_noise=None)
        expected = network.vocode(z, source, speaker, context)
        sound = compiled.vocode(z, source, speaker, context)
        torch.testing.assert_close(sound, expected, rtol=0, atol=1e-5)
    assert compiled.warnings == []
    assert len(compiled._recordings) == 3


def test_a_vocoder_with_noise_in_its_layers_runs_uncompiled_with_one_warning() -> None:
    network, speaker = small(Vocoder.REFINE_DIRECT), torch.tensor([0])
    compiled = CompiledVocoder(network)
    source = noisy(source_of(network, melody(9)), network)
    z = torch.zeros(1, 8, 9)
    for _ in range(2):
        assert torch.equal(compiled.vocode(z, source, speaker), network.vocode(z, source, speaker))
    assert len(compiled.warnings) == 1
    assert "noise" in compiled.warnings[0]


class Refusing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if torch.jit.is_tracing():
            raise RuntimeError("no such graph")
        return x + 1


class Changing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if torch.jit.is_tracing() else x + 2


@pytest.mark.parametrize(
    ("module", "why"), [(Refusing(), "no such graph"), (Changing(), "differs from the network")]
)
def test_a_network_that_cannot_be_recorded_runs_uncompiled_with_a_warning(
    module: nn.Module, why: str
) -> None:
    x = torch.arange(3.0)
    compiled = compile_traced(copy.deepcopy(module), (x,))
    assert torch.equal(compiled.run(x), module(x))
    assert compiled.warning is not None
    assert why in compiled.warning
