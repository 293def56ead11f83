"""Whisper's encoder against transformers', and chunk by chunk against the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from engine.models.layout import use_channels_last
from engine.models.precision import to_half
from engine.models.whisper import BandLevels, WhisperEncoder, WhisperSizes, normalised_mel
from tests.sound import agreement_db

if TYPE_CHECKING:
    from transformers import WhisperModel  # takes seconds to import

SIZES = WhisperSizes(80, 64, 96, 3, 4)
SECONDS = 3


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Bursts, so that levels differ from frame to frame."""
    dice = torch.Generator().manual_seed(seed)
    swell = torch.arange(shape[-1]).div(4000).sin().square()
    return 0.3 * torch.randn(*shape, generator=dice) * swell


@pytest.fixture(scope="module")
def oracle() -> WhisperModel:
    """transformers' network with random weights, for inputs of three seconds."""
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(1)
    config = WhisperConfig(
        d_model=SIZES.hidden_size,
        encoder_layers=SIZES.num_hidden_layers,
        encoder_attention_heads=SIZES.num_attention_heads,
        encoder_ffn_dim=SIZES.intermediate_size,
        decoder_layers=1,
        decoder_attention_heads=1,
        decoder_ffn_dim=8,
        vocab_size=8,
        max_source_positions=SECONDS * 50,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
    )
    model = WhisperModel(config).eval()
    for name, parameter in model.encoder.named_parameters():
        if "embed_positions" not in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def encoder_of(oracle: WhisperModel, sizes: WhisperSizes = SIZES) -> WhisperEncoder:
    state = oracle.encoder.state_dict()
    del state["embed_positions.weight"]
    if not sizes.final_norm:
        del state["layer_norm.weight"], state["layer_norm.bias"]
    encoder = WhisperEncoder(sizes).eval()
    encoder.load_state_dict(state)
    return encoder


@pytest.mark.parametrize("n", [SECONDS * 16_000, 16_123, 401])
def test_the_front_end_is_the_published_one(n: int) -> None:
    from transformers import WhisperFeatureExtractor

    audio = noise(1, n)
    extractor = WhisperFeatureExtractor(chunk_length=SECONDS)
    expected = extractor(audio[0].numpy(), sampling_rate=16_000, padding=False).input_features[0]
    found = normalised_mel(BandLevels(80)(audio))[0].numpy()
    assert found.shape == (80, n // 160)
    # The last frames of a sound that is cut off are mirrored by both.
    assert agreement_db(np.asarray(expected)[:, : found.shape[1]], found) > 100


def test_features_equal_those_of_transformers(oracle: WhisperModel) -> None:
    audio = noise(2, SECONDS * 16_000)
    mel = normalised_mel(BandLevels(80)(audio))
    with torch.no_grad():
        states = oracle.encoder(mel, output_hidden_states=True)
    assert agreement_db(states.last_hidden_state, encoder_of(oracle)(audio)) > 100
    for layer in (1, 2):
        found = encoder_of(oracle)(audio, layer)
        assert agreement_db(states.hidden_states[layer], found) > 100


def test_kept_blocks_without_the_last_norm_give_the_same_as_the_whole_network(
    oracle: WhisperModel,
) -> None:
    audio = noise(1, 20_000)
    whole = encoder_of(oracle)(audio, 2)
    cut = WhisperEncoder(replace(SIZES, num_hidden_layers=2, final_norm=False)).eval()
    state = {k: v for k, v in encoder_of(oracle).state_dict().items() if k in cut.state_dict()}
    cut.load_state_dict(state)
    assert torch.equal(cut(audio), whole)


def test_mean_and_spread_of_the_features_come_with_the_weights(oracle: WhisperModel) -> None:
    plain = encoder_of(oracle)
    normalising = WhisperEncoder(replace(SIZES, normalised=True)).eval()
    mean, spread = torch.full((64,), 0.5), torch.full((64,), 2.0)
    state = plain.state_dict() | {"feature_mean": mean, "feature_spread": spread}
    normalising.load_state_dict(state)
    audio = noise(1, 8000)
    assert torch.allclose(normalising(audio), (plain(audio) - 0.5) / 2.0, atol=1e-6)


@pytest.mark.parametrize("n", [160, 319, 320, 321, 480, 16_000, 51_234])
def test_every_length_gives_a_frame_for_each_20_ms(oracle: WhisperModel, n: int) -> None:
    encoder = encoder_of(oracle, replace(SIZES, chunk_frames=50, context_frames=10))
    features = encoder(noise(2, n))
    assert features.shape == (2, -(-(n // 160) // 2), 64)
    assert torch.isfinite(features).all()


def test_a_sound_shorter_than_a_frame_is_refused(oracle: WhisperModel) -> None:
    with pytest.raises(ValueError, match="too few"):
        encoder_of(oracle)(noise(1, 159))


def test_a_chunk_is_computed_from_itself_and_its_context_alone(oracle: WhisperModel) -> None:
    sizes = replace(SIZES, chunk_frames=50, context_frames=10)
    chunked, whole = encoder_of(oracle, sizes), encoder_of(oracle)
    audio, loudest = noise(1, 48_000), torch.tensor([1.0])
    found = chunked(audio, loudest=loudest)
    # Frames 40 to 110 alone, with the samples that their spectra reach.
    alone = whole(audio[:, 40 * 320 - 320 : 110 * 320 + 320], loudest=loudest)
    inner = found[:, 50:100]
    assert agreement_db(inner, alone[:, 11:61]) > 10  # the edges of the convolutions differ
    again = audio.clone()
    again[:, : 38 * 320] = 0.0
    again[:, 112 * 320 :] = 0.0
    assert torch.allclose(chunked(again, loudest=loudest)[:, 50:100], inner, atol=1e-5)


def test_what_fits_into_one_chunk_is_the_whole(oracle: WhisperModel) -> None:
    audio = noise(1, 48_000)
    chunked = encoder_of(oracle, replace(SIZES, chunk_frames=150, context_frames=10))
    assert torch.equal(chunked(audio), encoder_of(oracle)(audio))


def test_a_soft_stretch_is_heard_as_in_its_whole_source(oracle: WhisperModel) -> None:
    encoder, levels = encoder_of(oracle), BandLevels(80)
    loud, soft = noise(1, 16_000), 1e-4 * noise(1, 16_000, seed=1)
    loudest = torch.tensor([levels.loudest(torch.cat([loud, soft], dim=1).numpy())])
    silence = encoder(torch.zeros(1, 16_000), loudest=loudest)
    assert agreement_db(silence, encoder(soft, loudest=loudest)) > 100  # 80 dB below the loudest
    assert agreement_db(silence, encoder(soft)) < 40


def test_the_fast_form_and_half_precision_are_close_to_the_plain_one(oracle: WhisperModel) -> None:
    audio = noise(2, 30_000)
    plain = encoder_of(oracle)(audio)
    fast = use_channels_last(encoder_of(oracle))
    assert agreement_db(plain, fast(audio)) > 90
    half = to_half(encoder_of(oracle), torch.bfloat16)
    assert agreement_db(plain, half(audio)) > 30
