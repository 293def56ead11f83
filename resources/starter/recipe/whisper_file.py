"""The content encoder of a set: the first blocks of a Whisper, read from CTranslate2's file.

``model.bin``, format 6, little endian: version u32, name of the kind, revision u32, number of
tensors u32; of each its name, rank u8, sizes u32, type u8, bytes u32 and numbers. A text is its
length u16 with a closing zero, and that.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from engine.loading import load_content_encoder
from engine.models.whisper import WhisperEncoder

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
BLOCKS = 2
CHUNK_FRAMES, CONTEXT_FRAMES = 250, 50
LEAST_SPREAD = 0.05
"""Added to the spread of a feature, so that one that hardly moves is not blown up."""

_FORMAT = 6
_NORMS = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "ffn/layer_norm": "final_layer_norm",
}
_LAYERS = {"self_attention/linear_1": "self_attn.out_proj", "ffn/linear_0": "fc1"}
_LAYERS["ffn/linear_1"] = "fc2"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from("<" + kind, self._data, self._at)
        self._at += struct.calcsize("<" + kind)
        return int(value)

    def text(self) -> str:
        n = self.number("H")
        self._at += n
        return self._data[self._at - n : self._at - 1].decode()

    def array(self) -> NDArray[Any]:
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = np.dtype(TYPES[self.number("B")])
        n_bytes = self.number("I")
        found = np.frombuffer(self._data, kind, n_bytes // kind.itemsize, self._at)
        self._at += n_bytes
        return found.reshape(shape)


def read_model(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a CTranslate2 model, by its own names.

    Raises
    ------
    ValueError : another version of the format
    """
    reader = _Reader(path.read_bytes())
    if (version := reader.number("I")) != _FORMAT:
        raise ValueError(f"format {version} instead of {_FORMAT}")
    reader.text()
    reader.number("I")
    return {reader.text(): reader.array() for _ in range(reader.number("I"))}


def encoder_tensors(model: dict[str, NDArray[Any]], blocks: int = BLOCKS) -> dict[str, Tensor]:
    """Of a Whisper: convolutions and the first blocks, under Hugging Face's names, float16."""
    found: dict[str, Tensor] = {}

    def take(source: str, target: str, names: tuple[str, str] = ("weight", "bias")) -> None:
        for theirs, ours in zip(names, ("weight", "bias"), strict=True):
            array = model[f"encoder/{source}/{theirs}"]
            found[f"encoder.{target}.{ours}"] = torch.from_numpy(array.copy()).half()

    take("conv1", "conv1")
    take("conv2", "conv2")
    for number in range(blocks):
        source, target = f"layer_{number}", f"layers.{number}"
        for theirs, ours in _NORMS.items():
            take(f"{source}/{theirs}", f"{target}.{ours}", ("gamma", "beta"))
        for theirs, ours in _LAYERS.items():
            take(f"{source}/{theirs}", f"{target}.{ours}")
        _take_projections(found, model, source, target)
    return found


def _take_projections(
    found: dict[str, Tensor], model: dict[str, NDArray[Any]], source: str, target: str
) -> None:
    """Query, key and value lie in one matrix; keys have no bias in Whisper."""
    for kind in ("weight", "bias"):
        stacked = model[f"encoder/{source}/self_attention/linear_0/{kind}"]
        parts = torch.from_numpy(stacked.copy()).half().chunk(3)
        for name, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
            if (name, kind) != ("k_proj", "bias"):
                found[f"encoder.{target}.self_attn.{name}.{kind}"] = part.clone()


def statistics_of(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature [T, C], float32 [C]; see `write_encoder`."""
    return features.mean(0), features.std(0) + LEAST_SPREAD


def write_encoder(
    folder: Path,
    tensors: dict[str, Tensor],
    statistics: tuple[Tensor, Tensor] | None = None,
    pair_id: str | None = None,
) -> None:
    """``config.json`` and ``model.safetensors``, as the product's loader takes them.

    Parameters
    ----------
    statistics : mean and spread of each feature, float32 [C], by which features are normalised
    """
    folder.mkdir(parents=True, exist_ok=True)
    width, bands = tensors["encoder.conv1.bias"].numel(), tensors["encoder.conv1.weight"].shape[1]
    config = {
        "model_type": "whisper",
        "num_mel_bins": bands,
        "d_model": width,
        "encoder_layers": sum(name.endswith(".fc1.bias") for name in tensors),
        "encoder_attention_heads": width // 64,
        "encoder_ffn_dim": 4 * width,
        "chunk_frames": CHUNK_FRAMES,
        "context_frames": CONTEXT_FRAMES,
        "final_norm": False,
        "normalised": statistics is not None,
    }
    if pair_id is not None:
        config["pair_id"] = pair_id
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    whole = dict(tensors)
    if statistics is not None:
        whole["encoder.feature_mean"], whole["encoder.feature_spread"] = statistics
    save_file(whole, folder / "model.safetensors", {"format": "pt"})


def encoder_of(model: dict[str, NDArray[Any]], folder: Path) -> WhisperEncoder:
    """The first blocks of a Whisper as the product's loader gives them; written, if need be."""
    if not folder.exists():
        write_encoder(folder, encoder_tensors(model))
    return load_encoder(folder)


def load_encoder(folder: Path) -> WhisperEncoder:
    """What `write_encoder` wrote."""
    encoder = load_content_encoder(folder)
    if not isinstance(encoder, WhisperEncoder):
        raise TypeError(f"{folder} is not a Whisper")
    return encoder
