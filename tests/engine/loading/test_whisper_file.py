"""Loading a Whisper as content encoder: its own layout, Hugging Face's, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import WeightsError
from engine.loading import load_content_encoder
from engine.models.whisper import WhisperEncoder, WhisperSizes
from tests.weights_maker import make_tensors

CONFIG: dict[str, object] = {
    "model_type": "whisper",
    "num_mel_bins": 80,
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
}
AUDIO = 0.3 * torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))


def state(sizes: WhisperSizes) -> dict[str, torch.Tensor]:
    """Random weights under the names of a Hugging Face ``WhisperModel``."""
    shapes = {name: tuple(t.shape) for name, t in WhisperEncoder(sizes).state_dict().items()}
    made = make_tensors(shapes, "small whisper")
    return {f"encoder.{name}": tensor.contiguous() for name, tensor in made.items()}


PUBLISHED = WhisperSizes(80, 32, 48, 2, 2)


def write(folder: Path, tensors: Mapping[str, torch.Tensor], **config: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    save_file(dict(tensors), folder / "model.safetensors")
    return folder


def test_a_published_whisper_loads_without_its_decoder(tmp_path: Path) -> None:
    encoder = state(PUBLISHED)
    whole = encoder | {
        "encoder.embed_positions.weight": torch.zeros(1500, 32),
        "decoder.embed_tokens.weight": torch.zeros(8, 32),
        "proj_out.weight": torch.zeros(8, 32),
    }
    expected = load_content_encoder(write(tmp_path / "own", encoder))(AUDIO)
    assert torch.equal(load_content_encoder(write(tmp_path / "whole", whole))(AUDIO), expected)
    prefixed = {f"model.{name}": tensor.clone() for name, tensor in whole.items()}
    assert torch.equal(load_content_encoder(write(tmp_path / "model", prefixed))(AUDIO), expected)


def test_halves_load_as_float32_and_give_nearly_the_same(tmp_path: Path) -> None:
    exact = load_content_encoder(write(tmp_path / "exact", state(PUBLISHED)))
    halves = {name: tensor.half() for name, tensor in state(PUBLISHED).items()}
    half = load_content_encoder(write(tmp_path / "half", halves))
    assert all(tensor.dtype == torch.float32 for tensor in half.state_dict().values())
    assert torch.allclose(half(AUDIO), exact(AUDIO), atol=0.02)


def test_kept_blocks_chunks_and_statistics_come_from_the_configuration(tmp_path: Path) -> None:
    sizes = WhisperSizes(80, 32, 48, 1, 2, 40, 10, final_norm=False, normalised=True)
    own = {"encoder_layers": 1, "chunk_frames": 40, "context_frames": 10}
    tensors = state(sizes) | {"encoder.feature_spread": torch.ones(32)}
    path = write(tmp_path, tensors, **own, final_norm=False, normalised=True)
    encoder = load_content_encoder(path)
    assert encoder.sizes == sizes
    assert encoder(AUDIO).shape == (1, 25, 32)
    assert not encoder.can_project


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoder_layers": 3}, '"layers.2.'),
        ({"encoder_layers": 1}, '"layers.1.'),
        ({"d_model": 31}, "d_model 31 is not a multiple of its 2 heads"),
        ({"d_model": 64}, "instead of"),
        ({"num_mel_bins": 2}, "num_mel_bins is 2, which is too few"),
        ({"num_mel_bins": 128}, "instead of"),
        ({"activation_function": "relu"}, "activation_function is 'relu'; only gelu"),
        ({"chunk_frames": 0}, "chunk_frames is 0"),
        ({"chunk_frames": 1450}, "1550 frames, but Whisper knows 1500 positions"),
        ({"final_norm": False}, '"layer_norm.'),
        ({"normalised": True}, '"feature_'),
        ({"normalised": 1}, "normalised is 1 instead of true or false"),
        ({"model_type": "clip"}, "'clip', not a HuBERT or Whisper"),
    ],
)
def test_an_unsupported_configuration_is_refused_by_its_key(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    with pytest.raises(WeightsError) as caught:
        load_content_encoder(write(tmp_path, state(PUBLISHED), **change))
    assert said in str(caught.value)


def test_a_spread_of_zero_is_refused(tmp_path: Path) -> None:
    sizes = WhisperSizes(80, 32, 48, 2, 2, normalised=True)
    broken = state(sizes) | {"encoder.feature_spread": torch.zeros(32)}
    with pytest.raises(WeightsError, match="feature_spread"):
        load_content_encoder(write(tmp_path, broken, normalised=True))
