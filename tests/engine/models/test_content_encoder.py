"""The content encoder against golden numbers and against transformers' HubertModel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from engine.encoder_layout import sizes_of
from engine.models.content_encoder import (
    ContentEncoder,
    ContentEncoderSizes,
    convolve_in_tiles,
)
from engine.models.layers import without_weights
from tests.sound import agreement_db
from tests.weights_maker import GOLDEN, manifest

if TYPE_CHECKING:
    from transformers import HubertModel

SMALL = {
    "conv_dim": [24, 32, 32],
    "conv_kernel": [20, 8, 4],
    "conv_stride": [10, 8, 4],
    "num_feat_extract_layers": 3,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
VARIANTS: dict[str, dict[str, object]] = {
    "like HuBERT base": {},
    "like HuBERT large": {
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
    },
    "layer norm in front, post-norm": {"feat_extract_norm": "layer"},
    "pre-norm behind a group norm": {"do_stable_layer_norm": True},
    "no norm before the projection": {"feat_proj_layer_norm": False},
    "odd positional kernel": {"num_conv_pos_embeddings": 15},
    "other activations": {"hidden_act": "relu", "feat_extract_activation": "gelu_new"},
    "one head, no groups": {"num_attention_heads": 1, "num_conv_pos_embedding_groups": 1},
}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def oracle_and_ours(**changes: object) -> tuple[HubertModel, ContentEncoder]:
    """transformers' network with random weights, and ours with the same."""
    # Not at the top: every process of a test run reads this file, and the import takes seconds.
    from transformers import HubertConfig, HubertModel

    config = HubertConfig(**{**SMALL, **changes})
    torch.manual_seed(1)
    oracle = HubertModel(config).eval()
    for parameter in oracle.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.utils.parametrize.remove_parametrizations(oracle.encoder.pos_conv_embed.conv, "weight")
    state = oracle.state_dict()
    del state["masked_spec_embed"]
    ours = ContentEncoder(replace(sizes_of(config.to_dict()), classifier_proj_size=None)).eval()
    ours.load_state_dict(state)
    return oracle, ours


@pytest.fixture(scope="module")
def golden_encoder(golden_weights: Callable[[str], dict[str, torch.Tensor]]) -> ContentEncoder:
    state = golden_weights("hubert_base/pytorch_model.bin")
    del state["masked_spec_embed"]
    prefix = "encoder.pos_conv_embed.conv.weight"
    v = state.pop(f"{prefix}_v")
    state[prefix] = torch._weight_norm(v, state.pop(f"{prefix}_g"), 2)
    with without_weights():
        encoder = ContentEncoder(sizes_of(manifest("embedder")["config"])).eval()
    encoder.load_state_dict(state, assign=True)
    return encoder


def test_every_stage_equals_the_golden_numbers(golden_encoder: ContentEncoder) -> None:
    with np.load(GOLDEN / "embedder.npz") as golden:
        audio = torch.from_numpy(golden["audio"])[None]
        with torch.no_grad():
            conv = golden_encoder.conv_features(audio)[0]
        assert agreement_db(conv, golden["conv_features"]) > 100
        assert agreement_db(golden_encoder(audio)[0], golden["layer_12"]) > 100
        projected = golden_encoder(audio, 9, project=True)[0]
        assert agreement_db(projected, golden["layer_9_projected"]) > 100


def test_there_are_50_frames_a_second_and_a_frame_sees_400_samples(
    golden_encoder: ContentEncoder,
) -> None:
    assert golden_encoder.receptive_field_samples == 400
    for n_samples in (400, 719, 720, 16_000):
        frames = golden_encoder(noise(1, n_samples), 1).shape[1]
        assert frames == (n_samples - 400) // 320 + 1


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_each_variant_equals_transformers_at_every_layer(changes: dict[str, object]) -> None:
    oracle, ours = oracle_and_ours(**changes)
    audio = noise(2, 9000)
    with torch.no_grad():
        expected = oracle(audio, output_hidden_states=True)
    for layer in (1, 2):
        assert agreement_db(ours(audio, layer), expected.hidden_states[layer]) > 100
    assert agreement_db(ours(audio), expected.last_hidden_state) > 100
    assert torch.equal(ours(audio), ours(audio, 3))


def test_a_batch_equals_single_runs() -> None:
    _, ours = oracle_and_ours()
    audio = noise(3, 8000)
    singles = torch.cat([ours(row[None]) for row in audio])
    assert agreement_db(ours(audio), singles) > 110


def test_layers_after_the_requested_one_do_not_run() -> None:
    _, ours = oracle_and_ours()
    ours.encoder.layers[2].register_forward_hook(lambda *_: pytest.fail("layer 3 ran"))
    ours(noise(1, 4000), 2)


@pytest.mark.parametrize(("kernel", "stride"), [(10, 5), (3, 2), (2, 2), (7, 1)])
def test_a_convolution_in_tiles_equals_the_whole(kernel: int, stride: int) -> None:
    conv = torch.nn.Conv1d(4, 6, kernel, stride=stride)
    audio = noise(1, 4, 3001)
    with torch.no_grad():
        tiled = convolve_in_tiles(conv, audio, max_frames=97)
        assert agreement_db(tiled, conv(audio)) > 120
        assert tiled.shape == conv(audio).shape


@pytest.mark.parametrize("layer", [0, 4, -1])
def test_a_missing_layer_is_refused(layer: int) -> None:
    _, ours = oracle_and_ours()
    with pytest.raises(ValueError, match="of 3"):
        ours(noise(1, 4000), layer)


def test_audio_shorter_than_a_frame_and_a_missing_projection_are_refused() -> None:
    _, ours = oracle_and_ours()
    with pytest.raises(ValueError, match="too few"):
        ours(noise(1, ours.receptive_field_samples - 1))
    assert ours(noise(1, ours.receptive_field_samples)).shape[1] == 1
    assert not ours.can_project
    with pytest.raises(ValueError, match="final_proj"):
        ours(noise(1, 4000), project=True)


def test_the_sizes_cannot_be_changed_afterwards() -> None:
    sizes: ContentEncoderSizes = sizes_of({})
    with pytest.raises(AttributeError):
        sizes.hidden_size = 1  # type: ignore[misc]
