"""Every network in MLX gives torch's numbers, at odd lengths, in pieces, and in 16 bits."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from engine.accelerators import mlx
from engine.encoder_layout import sizes_of
from engine.models.content_encoder import ContentEncoder
from engine.models.fcpe import Fcpe, FcpeNetwork
from engine.models.rmvpe import Rmvpe, RmvpeNetwork
from engine.models.synthesizer import build_synthesizer, state_shapes
from engine.models.synthesizer_sizes import Vocoder
from engine.optimization import OptimizationConfig
from engine.stages import CPU
from tests.engine.models.test_content_encoder import SMALL, VARIANTS
from tests.engine.models.test_synthesizer import cut, melody, noisy, small, source_of
from tests.sound import agreement_db
from tests.weights_maker import make_tensors, small_sizes

if sys.platform == "darwin" and find_spec("mlx") is None:
    pytest.skip("MLX is not installed on this Mac", allow_module_level=True)

EXACT = OptimizationConfig(device="cpu", backend="mlx")
HALF = replace(EXACT, use_fp16=True)
LEAST_DB, LEAST_HALF_DB = 100, 45
SPEAKER = torch.tensor([1])
TILE_FRAMES = 7


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_weights(network: torch.nn.Module) -> None:
    """Also for norms and their statistics, which start as ones and zeros."""
    dice = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if tensor.dim() < 2 and tensor.is_floating_point():
            positive = name.endswith(("running_var", "weight", "gamma"))
            tensor.normal_(1.0 if positive else 0.0, 0.1, generator=dice)
    network.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize(
    ("kind", "resblock"), [*((kind, "1") for kind in Vocoder), (Vocoder.NSF, "2")]
)
def test_every_vocoder_gives_torchs_sound_and_a_tile_gives_that_of_the_whole(
    kind: Vocoder, resblock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.models.refine_gan.CHAIN_CHANNELS", 2)
    sizes = replace(small_sizes(kind, resblock=resblock), upsample_initial_channels=32)
    network = build_synthesizer(sizes, make_tensors(state_shapes(sizes), "small"))
    margin = network.receptive_field_frames()
    first, frames = margin + 2, 2 * margin + TILE_FRAMES + 4
    z = noise(1, network.sizes.inter_channels, frames)
    guided = network.sizes.pitch_guided
    source = noisy(source_of(network, melody(frames)), network) if guided else None
    expected = network.vocode(z, source, SPEAKER)
    exact = mlx.build("vocoder", network, EXACT, CPU)
    whole = exact(z, source, SPEAKER)
    assert agreement_db(whole, expected) > LEAST_DB
    half = mlx.build("vocoder", network, HALF, CPU)(z, source, SPEAKER)
    assert LEAST_HALF_DB < agreement_db(half, expected) < LEAST_DB
    low, high = first - margin, first + TILE_FRAMES + margin
    hop = network.sizes.hop_samples
    part = None if source is None else cut(source, low, high, hop)
    tile = exact(z[..., low:high], part, SPEAKER, (margin, margin))
    assert agreement_db(tile, whole[:, first * hop : (first + TILE_FRAMES) * hop]) > LEAST_DB


def test_a_vocoder_takes_a_source_exactly_if_its_voice_has_pitch() -> None:
    vocode = mlx.build("vocoder", small(Vocoder.NSF), EXACT, CPU)
    with pytest.raises(ValueError, match="needs a source"):
        vocode(noise(1, 8, 5), None, SPEAKER)


@pytest.mark.parametrize("kind", [Vocoder.NSF, Vocoder.PLAIN])
def test_prior_and_flow_give_torchs_numbers_over_several_blocks_of_attention(kind: Vocoder) -> None:
    network, frames = small(kind), 521
    phone, drawn, speaker = noise(2, frames, 12), noise(2, 8, frames), torch.tensor([0, 2])
    coarse = torch.arange(2 * frames).view(2, frames) % 255 + 1 if kind is Vocoder.NSF else None
    statistics = network.prior(phone, coarse)
    latents = [network.latent(*statistics, each, speaker) for each in (None, drawn)]
    for config, least_db in ((EXACT, LEAST_DB), (HALF, LEAST_HALF_DB)):
        found = mlx.build("latent", network, config, CPU)
        for expected, given in zip(statistics, found.prior(phone, coarse), strict=True):
            assert agreement_db(given, expected) > least_db
        for expected, each in zip(latents, (None, drawn), strict=True):
            assert agreement_db(found.flow(*statistics, each, speaker), expected) > least_db


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_content_encoder_gives_torchs_features(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = sizes_of({**SMALL, **VARIANTS[variant], "classifier_proj_size": 10})
    audio = 0.3 * noise(2, 4_003)
    for config, least_db in ((EXACT, LEAST_DB), (HALF, LEAST_HALF_DB)):
        torch.manual_seed(1)
        encoder = ContentEncoder(sizes)
        random_weights(encoder)
        expected = [encoder(audio), encoder(audio, 2, project=True)]
        content = mlx.build("content", encoder, config, CPU)
        whole = [content(audio), content(audio, 2, project=True)]
        for given, wanted in zip(whole, expected, strict=True):
            assert agreement_db(given, wanted) > least_db
    monkeypatch.setattr("engine.accelerators.mlx.content.FRONT_END_FRAMES", 5)
    shorter = [content(audio), content(audio, 2, project=True)]
    for given, wanted in zip(shorter, whole, strict=True):
        assert agreement_db(given, wanted) > LEAST_HALF_DB


def test_a_content_encoder_refuses_what_torchs_refuses() -> None:
    encoder = ContentEncoder(sizes_of({**SMALL, "classifier_proj_size": 10}))
    random_weights(encoder)
    content = mlx.build("content", encoder, EXACT, CPU)
    for audio, layer in ((noise(1, 100), 1), (noise(1, 4_000), 4)):
        with pytest.raises(ValueError, match=r"too few|layer 4"):
            content(audio, layer)


def test_the_convolutions_of_rmvpe_give_torchs_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.rmvpe.BASE_CHANNELS", 4)
    torch.manual_seed(0)
    network = RmvpeNetwork()
    random_weights(network)
    audio = 0.1 * noise(80 * 160)
    expected = Rmvpe(network).salience(audio)
    mel = noise(128, 96)
    features = network.features(mel)
    found = mlx.build("pitch", Rmvpe(network), HALF, CPU)  # the pitch is never in 16 bits
    assert agreement_db(found.network.features(mel), features) > LEAST_DB
    assert agreement_db(found.salience(audio), expected) > 80


def test_fcpe_gives_torchs_salience() -> None:
    torch.manual_seed(0)
    network = FcpeNetwork()
    random_weights(network)
    mel = noise(128, 41)
    expected = network(mel)
    found = mlx.build("pitch", Fcpe(network), HALF, CPU)
    assert agreement_db(found.network(mel), expected) > LEAST_DB
    assert torch.equal(found.network.cent_table, network.cent_table)


def test_another_thread_than_the_one_that_built_a_part_can_run_it() -> None:
    network = small(Vocoder.NSF)
    z, source = noise(1, 8, 9), source_of(network, melody(9))
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        vocode = one.submit(mlx.build, "vocoder", network, HALF, CPU).result()
        sound = other.submit(vocode, z, source, SPEAKER).result()
    assert agreement_db(sound, network.vocode(z, source, SPEAKER)) > LEAST_HALF_DB
