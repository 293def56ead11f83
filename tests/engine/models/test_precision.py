"""Half precision against float32: how much is lost, and that nothing overflows."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from engine.models.layout import use_channels_last
from engine.models.precision import to_half
from engine.models.source import Harmonics
from engine.models.synthesizer import Synthesizer
from engine.models.synthesizer_sizes import Vocoder
from tests.engine.models.test_layout import small_encoder
from tests.engine.models.test_synthesizer import melody, noisy, small, source_of
from tests.sound import agreement_db


def whole(network: Synthesizer, phone: Tensor) -> Tensor:
    frames = phone.shape[1]
    guided = network.sizes.pitch_guided
    source = noisy(source_of(network, melody(frames)), network) if guided else None
    coarse = torch.arange(frames)[None] % 255 + 1 if guided else None
    mean, log_scale = network.prior(phone, coarse)
    z = network.latent(mean, log_scale, torch.ones_like(mean), torch.tensor([1]))
    assert z.dtype == torch.float32
    return network.vocode(z, source, torch.tensor([1]))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("vocoder", Vocoder)
def test_a_half_precision_synthesizer_is_close_to_float32(vocoder: Vocoder, fast: bool) -> None:
    network = small(vocoder)
    phone = torch.randn(1, 40, 12, generator=torch.Generator().manual_seed(0))
    expected = whole(network, phone)
    half = copy.deepcopy(network)
    if fast:
        use_channels_last(half)
    to_half(half)
    sound = whole(half, phone)
    assert sound.dtype == torch.float32
    assert torch.isfinite(sound).all()
    level_db = agreement_db(sound, expected)
    print(vocoder, level_db)
    assert level_db > 35
    assert level_db < 110  # it is another precision, not the same network


@pytest.mark.parametrize("vocoder", Vocoder)
def test_a_bfloat16_synthesizer_sounds_the_same(vocoder: Vocoder) -> None:
    network = small(vocoder)
    phone = torch.randn(1, 40, 12, generator=torch.Generator().manual_seed(0))
    half = to_half(use_channels_last(copy.deepcopy(network)), torch.bfloat16)
    assert isinstance(half, Synthesizer)
    assert 25 < agreement_db(whole(half, phone), whole(network, phone)) < 80


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_a_half_precision_content_encoder_is_close_to_float32(norm: str, fast: bool) -> None:
    plain = small_encoder(norm)
    half = copy.deepcopy(plain)
    if fast:
        use_channels_last(half)
    to_half(half)
    audio = 0.3 * torch.randn(2, 9_000, generator=torch.Generator().manual_seed(0))
    for project in (False, True):
        content = half(audio, 2, project=project)
        assert content.dtype == torch.float32
        assert agreement_db(content, plain(audio, 2, project=project)) > 35


def test_phase_and_sums_stay_float32() -> None:
    network = to_half(small(Vocoder.NSF))
    seen: dict[type[nn.Module], set[torch.dtype]] = {}

    def watch(layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if isinstance(output, Tensor):
            seen.setdefault(type(layer), set()).add(output.dtype)

    for layer in network.modules():
        layer.register_forward_hook(watch)
    assert isinstance(network, Synthesizer)
    whole(network, torch.zeros(1, 8, 12))
    exact = [kind for kind in seen if kind is Harmonics or "Norm" in kind.__name__]
    assert len(exact) == 2
    assert all(seen[kind] == {torch.float32} for kind in exact)
    assert seen[nn.ConvTranspose1d] == {torch.float16}
