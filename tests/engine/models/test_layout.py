"""Networks in their fast layout against the plain ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.encoder_layout import sizes_of
from engine.models import layout
from engine.models.content_encoder import ContentEncoder
from engine.models.layers import ResBlock, mean_of, without_weights
from engine.models.layout import use_channels_last
from engine.models.mrf_gan import MrfBlock
from engine.models.rmvpe import RmvpeNetwork
from engine.models.synthesizer_sizes import Vocoder
from tests.engine.models.test_synthesizer import melody, noisy, small, source_of
from tests.sound import agreement_db


def seeded(module: nn.Module) -> nn.Module:
    dice = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.data.normal_(generator=dice).mul_(0.1)
    return module.eval().requires_grad_(requires_grad=False)


def weight_bytes(network: nn.Module) -> int:
    tensors = [*network.parameters(), *network.buffers()]
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


@pytest.mark.parametrize("resblock", ["1", "2"])
@pytest.mark.parametrize("vocoder", Vocoder)
@pytest.mark.parametrize("tile_floats", [1, 4000, 1 << 20])
def test_a_fast_synthesizer_equals_the_plain_one(
    vocoder: Vocoder, resblock: str, tile_floats: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(layout.CACHE_TILES, "tile_floats", tile_floats)
    plain = small(vocoder, resblock=resblock)
    fast = use_channels_last(copy.deepcopy(plain))
    frames, batch = 60, 2
    source = None
    if plain.sizes.pitch_guided:
        one = noisy(source_of(plain, melody(frames)), plain)
        draw = one.layer_noise
        assert draw is not None
        source = replace(
            one,
            f0_hz=one.f0_hz.expand(batch, -1),
            phase_cycles=one.phase_cycles.expand(batch, -1),
            layer_noise=lambda *place: draw(*place).expand(batch, -1, -1),
        )
    phone = torch.randn(batch, frames, 12, generator=torch.Generator().manual_seed(0))
    coarse = torch.randint(1, 255, (batch, frames)) if source is not None else None
    speaker = torch.tensor([0, 2])

    def run(network: nn.Module) -> Tensor:
        mean, log_scale = network.prior(phone, coarse)  # type: ignore[operator]
        z = network.latent(mean, log_scale, None, speaker)  # type: ignore[operator]
        sound: Tensor = network.vocode(z, source, speaker)  # type: ignore[operator]
        return sound

    assert agreement_db(run(fast), run(plain)) > 100
    assert weight_bytes(fast) <= 1.3 * weight_bytes(plain)  # transposed kernels are filled up
    assert fast.receptive_field_frames() == plain.receptive_field_frames()  # type: ignore[operator]


@pytest.mark.parametrize(("kernel", "rate", "padding", "extra"), [(16, 10, 3, 0), (11, 5, 3, 1)])
def test_a_phased_transposed_convolution_equals_the_plain_one(
    kernel: int, rate: int, padding: int, extra: int
) -> None:
    plain = seeded(nn.ConvTranspose1d(6, 4, kernel, rate, padding, output_padding=extra))
    fast = use_channels_last(copy.deepcopy(plain))
    x = torch.randn(2, 6, 19, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fast(x), plain(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (16, 3)])
def test_a_doubling_convolution_equals_the_transposed_one(
    bias: bool, shape: tuple[int, int]
) -> None:
    plain = seeded(nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1, bias=bias))
    fast = use_channels_last(copy.deepcopy(plain), doubling=True)
    assert isinstance(fast, layout.PhasedConvTranspose2d)
    x = torch.randn(2, 6, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fast(x), plain(x), rtol=0, atol=1e-5)


def test_another_transposed_convolution_stays_as_it_is() -> None:
    plain = seeded(nn.ConvTranspose2d(6, 4, 4, 2, 1))
    assert type(use_channels_last(plain, doubling=True)) is nn.ConvTranspose2d


@pytest.mark.parametrize(
    ("channels_in", "channels_out", "kernel", "stride", "dilation", "groups"),
    [(4, 6, 7, 1, 3, 1), (1, 5, 8, 4, 1, 1), (16, 32, 1, 1, 1, 1), (8, 8, 4, 2, 1, 4)],
)
def test_a_fast_convolution_equals_the_plain_one(
    channels_in: int, channels_out: int, kernel: int, stride: int, dilation: int, groups: int
) -> None:
    padding = (kernel - 1) * dilation // 2
    plain = seeded(nn.Conv1d(channels_in, channels_out, kernel, stride, padding, dilation, groups))
    fast = use_channels_last(copy.deepcopy(plain))
    assert type(fast) is not nn.Conv1d
    x = torch.randn(3, channels_in, 50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fast(x), plain(x), rtol=0, atol=1e-5)
    assert fast(x).stride(1) == 1


@pytest.mark.parametrize(
    "make", [lambda: ResBlock(4, 5, (1, 3)), lambda: ResBlock(4, 3, (1, 2), kind="2")]
)
def test_blocks_in_tiles_equal_the_whole_and_do_not_change_their_input(
    make: Callable[[], ResBlock],
) -> None:
    blocks = [seeded(make()), seeded(MrfBlock(4, 7, (1, 2)))]
    x = torch.randn(2, 4, 333, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    tiled = mean_of(blocks, x, 500)  # type: ignore[arg-type]
    torch.testing.assert_close(tiled, mean_of(blocks, x), rtol=0, atol=1e-5)  # type: ignore[arg-type]
    assert torch.equal(x, before)


def small_encoder(norm: str) -> ContentEncoder:
    config = {
        "conv_dim": [16] * 7,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "feat_extract_norm": norm,
    }
    return seeded(ContentEncoder(sizes_of(config)))  # type: ignore[return-value]


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("n_samples", [400, 7_000, 30_000])
def test_a_fast_content_encoder_equals_the_plain_one(
    norm: str, n_samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(layout.CACHE_TILES, "tile_frames", 20)
    plain = small_encoder(norm)
    fast = use_channels_last(copy.deepcopy(plain))
    audio = torch.randn(2, n_samples, generator=torch.Generator().manual_seed(0))
    audio[1] = 0.01 * audio[1] + 0.5  # a constant beside which the sound is small
    assert fast(audio).shape == plain(audio).shape
    assert agreement_db(fast(audio), plain(audio)) > 90


@pytest.mark.parametrize("stretch_frames", [16, 512])
def test_fast_rmvpe_equals_the_plain_one(
    stretch_frames: int,
    golden_weights: Callable[[str], dict[str, torch.Tensor]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(layout.CACHE_TILES, "stretch_frames", stretch_frames)
    with without_weights():
        plain = RmvpeNetwork()
    plain.load_state_dict(golden_weights("rmvpe.pt"), assign=True)
    plain.eval().requires_grad_(requires_grad=False)
    fast = use_channels_last(copy.deepcopy(plain))
    assert weight_bytes(fast) <= weight_bytes(plain)
    mel = torch.randn(128, 96, generator=torch.Generator().manual_seed(0))
    assert agreement_db(fast.features(mel), plain.features(mel)) > 90  # type: ignore[operator]
    norms = [layer for layer in fast.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 1  # the one before every convolution stays


@pytest.mark.skipif(not layout.has_onednn_products(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("bias", [False, True])
def test_a_folded_batch_norm_has_the_numbers_of_torchs_own_folding(
    kind: type[nn.Conv2d | nn.ConvTranspose2d], *, bias: bool
) -> None:
    torch.manual_seed(0)
    chain = nn.Sequential(kind(3, 5, 3, bias=bias), nn.BatchNorm2d(5)).eval().requires_grad_(False)
    for values in chain[1].state_dict().values():
        values.copy_(torch.rand(values.shape) + 0.5)
    expected = fuse_conv_bn_eval(chain[0], chain[1], kind is nn.ConvTranspose2d)
    use_channels_last(chain)
    assert isinstance(chain[1], nn.Identity)
    assert torch.equal(chain[0].weight, expected.weight)
    assert torch.equal(chain[0].bias, expected.bias)


def test_a_product_by_onednn_equals_the_plain_one() -> None:
    dice = torch.Generator().manual_seed(0)
    x, weight = torch.randn(3, 50, 40, generator=dice), torch.randn(30, 40, generator=dice)
    bias = torch.randn(30, generator=dice)
    expected = torch.nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(layout.product(x, weight, bias), expected, rtol=0, atol=2e-5)
    assert layout.product(x.half(), weight.half(), bias.half()).dtype == torch.float16


@pytest.mark.parametrize(("stride", "dilation"), [(1, 5), (3, 1)])
def test_a_convolution_longer_than_metal_allows_runs_in_pieces(
    stride: int, dilation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = seeded(nn.Conv1d(4, 4, 7, stride, 3 * dilation, dilation))
    transposed = seeded(nn.ConvTranspose1d(4, 4, 8, 4, 2))
    x = torch.randn(1, 4, 1000, generator=torch.Generator().manual_seed(0))
    expected = plain(x), transposed(x)
    monkeypatch.setattr(layout, "MAX_CONV_SAMPLES", 100)
    monkeypatch.setattr("engine.models.layers.MAX_CONV_SAMPLES", 100)
    for network, whole in zip((plain, transposed), expected, strict=True):
        torch.testing.assert_close(use_channels_last(network)(x), whole, rtol=0, atol=1e-5)
