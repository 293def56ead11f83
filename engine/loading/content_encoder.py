"""Loading the content encoder: a Hugging Face folder, or fairseq's single ``hubert_base.pt``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from engine.bundle import advised
from engine.checkpoint import read_state_file
from engine.errors import WeightsError
from engine.loading.fairseq import fairseq_sizes, from_fairseq_names
from engine.loading.hubert_config import read_sizes
from engine.loading.state import fold_weight_norm, load_strictly, tensors_of
from engine.models.content_encoder import ContentEncoder, ContentEncoderSizes
from engine.paths import (
    CONFIG_FILE,
    CONTENT_ENCODER_DIR,
    FAIRSEQ_FILE,
    WEIGHTS_FILES,
)

TRAINING_KEYS = frozenset({"masked_spec_embed", "mask_emb", "label_embs_concat"})
"""What only training needs: the mask's vector (either name) and the embeddings of the targets."""


def load_content_encoder(path: Path) -> ContentEncoder:
    """Read the content encoder, on the CPU.

    Parameters
    ----------
    path : a folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``;
        or fairseq's file; or the models folder that holds ``hubert_base/`` or ``hubert_base.pt``

    Raises
    ------
    WeightsError : a file is missing or damaged, it is another network, or the configuration
        contradicts the weights
    """
    found = _locate(path)
    if found.is_dir():
        file = _weights_file(found)
        sizes = read_sizes(found / CONFIG_FILE)
        tensors = tensors_of(read_state_file(file, WeightsError), file)
        return _assemble(sizes, tensors, file)
    state = read_state_file(found, WeightsError)
    if "model" not in state:
        raise WeightsError(
            f'Cannot use "{found.name}"',
            'it is a single file but not in fairseq\'s layout (no "model" in it)',
            f"give the folder that holds {CONFIG_FILE} and the weights",
        )
    tensors = tensors_of(state["model"], found)
    sizes = fairseq_sizes(tensors, found)
    return _assemble(sizes, from_fairseq_names(tensors), found)


def content_encoder_files(path: Path) -> tuple[Path, ...]:
    """The files that `load_content_encoder` would read.

    Raises
    ------
    WeightsError : one is missing
    """
    found = _locate(path)
    return (found / CONFIG_FILE, _weights_file(found)) if found.is_dir() else (found,)


def _locate(path: Path) -> Path:
    """The Hugging Face folder or the fairseq file that ``path`` means."""
    if path.is_file() or (path / CONFIG_FILE).is_file():
        return path
    folder, file = path / CONTENT_ENCODER_DIR, path / FAIRSEQ_FILE
    if (folder / CONFIG_FILE).is_file():
        return folder
    if file.is_file():
        return file
    if any((place / name).is_file() for place in (path, folder) for name in WEIGHTS_FILES):
        why = f'the weights in "{path}" have no {CONFIG_FILE} beside them'
    else:
        why = f'there is neither "{folder.name}/{CONFIG_FILE}" nor "{file.name}" in "{path}"'
    raise WeightsError(
        "Cannot find the content encoder",
        why,
        advised(
            'fetch it with "urvc models download" ("urvc doctor" shows where each file belongs)',
            "download it in Settings › Models",
        ),
    )


def _weights_file(folder: Path) -> Path:
    for name in WEIGHTS_FILES:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(
        "Cannot find the content encoder's weights",
        f'there is neither {WEIGHTS_FILES[0]} nor {WEIGHTS_FILES[1]} in "{folder}"',
        f"put one of them beside {CONFIG_FILE}",
    )


def _assemble(sizes: ContentEncoderSizes, tensors: dict[str, Tensor], path: Path) -> ContentEncoder:
    kept = {name: tensor for name, tensor in tensors.items() if name not in TRAINING_KEYS}
    folded = fold_weight_norm(kept, "encoder.pos_conv_embed.conv", 2, path)
    if not any(name.startswith("final_proj.") for name in folded):
        sizes = replace(sizes, classifier_proj_size=None)
    with torch.device("meta"):
        encoder = ContentEncoder(sizes)
    return load_strictly(encoder, folded, path)
