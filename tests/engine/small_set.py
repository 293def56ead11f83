"""A set of small networks in the real files' layout, for tests in which the sound is irrelevant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from engine.encoder_layout import sizes_of, whisper_sizes_of
from engine.models.content_encoder import ContentEncoder
from engine.models.layers import without_weights
from engine.models.synthesizer_sizes import Vocoder
from engine.models.whisper import WhisperEncoder
from engine.retrieval.index_file import write_flat_index
from engine.voice import VoiceFiles
from tests.weights_maker import SMALL_CONFIG, make_tensors, small_record

RATE_HZ = int(SMALL_CONFIG[17])
FEATURES = 12

_ENCODER = {
    "conv_dim": [8, 8, 8],
    "conv_kernel": [320, 3, 2],
    "conv_stride": [80, 2, 2],
    "hidden_size": FEATURES,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 6,
}

_WHISPER = {
    "model_type": "whisper",
    "num_mel_bins": 20,
    "d_model": FEATURES,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "chunk_frames": 100,
    "context_frames": 20,
}


@dataclass(frozen=True)
class SmallSet:
    """Its files; the voice has the rate `RATE_HZ` and three speakers."""

    models_dir: Path
    voice: VoiceFiles


def write_small_set(
    folder: Path, vocoder: Vocoder = Vocoder.NSF, *, whisper: bool = False
) -> SmallSet:
    """Write content encoder (a HuBERT, or a Whisper), voice and index (a few kB)."""
    encoder = folder / "hubert_base"
    encoder.mkdir(parents=True, exist_ok=True)
    (encoder / "config.json").write_text(json.dumps(_WHISPER if whisper else _ENCODER))
    with without_weights():
        network = (
            WhisperEncoder(whisper_sizes_of(_WHISPER))
            if whisper
            else ContentEncoder(sizes_of(_ENCODER))
        )
    prefix = "encoder." if whisper else ""
    shapes = {prefix + name: tuple(t.shape) for name, t in network.state_dict().items()}
    save_file(make_tensors(shapes, "small encoder"), encoder / "model.safetensors")
    weights = folder / f"small {vocoder.name.lower()}.pth"
    torch.save(small_record(vocoder), weights)
    rows = np.random.default_rng(0).standard_normal((50, FEATURES)).astype(np.float32)
    write_flat_index(rows, folder / "small.index")
    return SmallSet(folder, VoiceFiles(weights, folder / "small.index"))
