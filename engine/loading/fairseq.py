"""HuBERT base as fairseq's single file ``hubert_base.pt`` names it.

The file also holds the trainer's objects; only the tensors under ``model`` are looked at, and
every size is taken from their shapes. Shapes do not tell strides and heads: those are HuBERT
base's, so anything that is not shaped like it is refused.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from engine.errors import WeightsError
from engine.loading.hubert_config import HUBERT_BASE, UnusableSizesError, sizes_of
from engine.models.content_encoder import ContentEncoderSizes

HEAD_WIDTH = 64
"""Every published HuBERT: 768 / 12, 1024 / 16."""

_RENAMED: tuple[tuple[str, str], ...] = (
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"feature_extractor\.conv_layers\.0\.2\.", "feature_extractor.conv_layers.0.layer_norm."),
    (r"layer_norm\.", "feature_projection.layer_norm."),
    (r"post_extract_proj\.", "feature_projection.projection."),
    (r"encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"encoder.layers.\1.layer_norm."),
    (r"encoder\.layers\.(\d+)\.self_attn\.", r"encoder.layers.\1.attention."),
    (r"encoder\.layers\.(\d+)\.fc1\.", r"encoder.layers.\1.feed_forward.intermediate_dense."),
    (r"encoder\.layers\.(\d+)\.fc2\.", r"encoder.layers.\1.feed_forward.output_dense."),
)


def from_fairseq_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of Hugging Face's ``HubertModel``; unknown names stay."""
    return {_renamed(name): tensor for name, tensor in tensors.items()}


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMED:
        new, count = re.subn(rf"^{pattern}", replacement, name)
        if count:
            return new
    return name


def fairseq_sizes(tensors: dict[str, Tensor], path: Path) -> ContentEncoderSizes:
    """Sizes of a HuBERT base from its shapes.

    Raises
    ------
    WeightsError : no HuBERT, or one that normalises like HuBERT large
    """
    what = f'Cannot use "{path.name}"'
    folder = "give its Hugging Face folder (config.json and weights) instead"
    if "feature_extractor.conv_layers.1.2.1.weight" in tensors:
        raise WeightsError(what, "it is a large HuBERT in fairseq's layout", folder)
    kernels = HUBERT_BASE["conv_kernel"]
    convs = [
        _shape(tensors, f"feature_extractor.conv_layers.{index}.0.weight", 3, path)
        for index in range(len(kernels))
    ]
    hidden = _shape(tensors, "post_extract_proj.weight", 2, path)[0]
    if [shape[2] for shape in convs] != kernels or hidden % HEAD_WIDTH:
        raise WeightsError(what, "its convolutions or widths are not those of HuBERT base", folder)
    bias = _shape(tensors, "encoder.pos_conv.0.bias", 1, path)[0]
    kernel_v = _shape(tensors, "encoder.pos_conv.0.weight_v", 3, path)
    if bias != hidden or not kernel_v[1] or hidden % kernel_v[1]:
        raise WeightsError(what, "its positional convolution contradicts its width", folder)
    layers = {
        int(name.split(".")[2]) for name in tensors if re.match(r"encoder\.layers\.\d+\.", name)
    }
    stated = {
        "conv_dim": [shape[0] for shape in convs],
        "conv_bias": "feature_extractor.conv_layers.0.0.bias" in tensors,
        "feat_proj_layer_norm": "layer_norm.weight" in tensors,
        "hidden_size": hidden,
        "intermediate_size": _shape(tensors, "encoder.layers.0.fc1.weight", 2, path)[0],
        "num_hidden_layers": len(layers),
        "num_attention_heads": hidden // HEAD_WIDTH,
        "num_conv_pos_embeddings": kernel_v[2],
        "num_conv_pos_embedding_groups": hidden // kernel_v[1],
    }
    if "final_proj.weight" in tensors:
        stated["classifier_proj_size"] = _shape(tensors, "final_proj.weight", 2, path)[0]
    try:
        return sizes_of(stated)
    except UnusableSizesError as cause:
        raise WeightsError(what, str(cause), folder) from cause


def _shape(tensors: dict[str, Tensor], name: str, dims: int, path: Path) -> tuple[int, ...]:
    if name not in tensors or tensors[name].dim() != dims:
        raise WeightsError(
            f'Cannot use "{path.name}"',
            f'it is no HuBERT in fairseq\'s layout ("{name}" is missing or misshapen)',
            "get hubert_base.pt again, or the Hugging Face folder hubert_base",
        )
    return tuple(tensors[name].shape)
