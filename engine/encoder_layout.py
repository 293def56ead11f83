"""The layouts in which content encoders are published: Hugging Face's ``config.json`` of a HuBERT
or a Whisper, and fairseq's names of a HuBERT.

Fairseq's single file ``hubert_base.pt`` also holds the trainer's objects; only the tensors under
``model`` are read, and every size is taken from their shapes. Shapes do not show strides and heads:
those are HuBERT base's, so anything that is not shaped like it is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.errors import Message, Text, WeightsError
from engine.files import open_file
from engine.models.content_encoder import ACTIVATIONS, ContentEncoderSizes
from engine.models.whisper import MOST_POSITIONS, WhisperSizes

_MAX_CONFIG_BYTES = 1_000_000
_MAX_WIDTH = 65_536
_MAX_LAYERS = 128
_FRAME_SAMPLES = 320
"""50 frames a second at 16 kHz, on which every RVC voice is trained."""

_HEAD_WIDTH = 64
"""In every published HuBERT: 768 / 12, 1024 / 16."""

_HUBERT_BASE: Mapping[str, Any] = {
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_bias": False,
    "feat_extract_norm": "group",
    "feat_extract_activation": "gelu",
    "feat_proj_layer_norm": True,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "gelu",
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "do_stable_layer_norm": False,
    "layer_norm_eps": 1e-5,
    "classifier_proj_size": 256,
}
"""Values of keys that are not in the file: the defaults of transformers' ``HubertConfig``."""

_WHISPER_TINY: Mapping[str, Any] = {
    "num_mel_bins": 80,
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "activation_function": "gelu",
    "chunk_frames": 250,
    "context_frames": 50,
    "final_norm": True,
    "normalised": False,
}
"""The same of ``WhisperConfig``; our own keys: chunks of 5 s with 1 s of context around them."""

_MIN_MEL_BANDS = 8

_ADVICE = "download config.json from where the weights came from"


class UnusableSizesError(Exception):
    """Why a configuration cannot be used."""

    def __init__(self, why: Message) -> None:
        super().__init__(why)
        self.why = why


def read_sizes(path: Path) -> ContentEncoderSizes | WhisperSizes:
    """The sizes that ``config.json`` states; its ``model_type`` tells the kinds apart.

    Raises
    ------
    WeightsError : unreadable, another kind of network, or a variant that is not supported
    """
    what = Text('Cannot use "{name}"', name=f"{path.parent.name}/{path.name}")
    try:
        with open_file(path) as file:
            text = file.read(_MAX_CONFIG_BYTES + 1)
        if len(text) > _MAX_CONFIG_BYTES:
            raise WeightsError(what, "it is too large for a configuration", _ADVICE)
        config = json.loads(text)
    except OSError as cause:
        raise WeightsError(what, "it cannot be opened", "check its permissions") from cause
    except (ValueError, RecursionError) as cause:
        raise WeightsError(what, "it is not valid JSON", _ADVICE) from cause
    if not isinstance(config, dict):
        raise WeightsError(what, "it is not a table of settings", _ADVICE)
    try:
        is_whisper = config.get("model_type") == "whisper"
        return whisper_sizes_of(config) if is_whisper else sizes_of(config)
    except UnusableSizesError as cause:
        raise WeightsError(what, cause.why, _ADVICE) from cause


def sizes_of(config: Mapping[str, Any]) -> ContentEncoderSizes:
    """Check each setting that changes the arithmetic; the others concern training.

    Raises
    ------
    UnusableSizesError : a variant that is not supported, or not a size
    """
    if config.get("model_type", "hubert") != "hubert":
        raise UnusableSizesError(
            Text(
                "it describes {model}, not a HuBERT or Whisper", model=_shown(config["model_type"])
            )
        )
    if config.get("conv_pos_batch_norm"):
        raise UnusableSizesError("conv_pos_batch_norm is not supported")
    if config.get("adapter_attn_dim") is not None:
        raise UnusableSizesError("adapter layers (adapter_attn_dim) are not supported")
    value = {**_HUBERT_BASE, **config}
    kernels, strides = _list(value, "conv_kernel"), _list(value, "conv_stride")
    dims = _list(value, "conv_dim")
    if not len(dims) == len(kernels) == len(strides):
        raise UnusableSizesError("conv_dim, conv_kernel and conv_stride have different lengths")
    if math.prod(strides) != _FRAME_SAMPLES:
        raise UnusableSizesError(
            Text(
                "its frames are {found} samples long, but voices need {expected}",
                found=math.prod(strides),
                expected=_FRAME_SAMPLES,
            )
        )
    hidden, heads = _int(value, "hidden_size"), _int(value, "num_attention_heads")
    groups = _int(value, "num_conv_pos_embedding_groups")
    if hidden % heads or hidden % groups:
        raise UnusableSizesError(
            Text(
                "hidden_size {hidden} is not a multiple of its {heads} heads and {groups} groups",
                hidden=hidden,
                heads=heads,
                groups=groups,
            )
        )
    return ContentEncoderSizes(
        conv_dim=dims,
        conv_kernel=kernels,
        conv_stride=strides,
        conv_bias=_bool(value, "conv_bias"),
        feat_extract_norm="group"
        if _choice(value, "feat_extract_norm", _NORMS) == "group"
        else "layer",
        feat_extract_activation=_choice(value, "feat_extract_activation", ACTIVATIONS),
        feat_proj_layer_norm=_bool(value, "feat_proj_layer_norm"),
        hidden_size=hidden,
        intermediate_size=_int(value, "intermediate_size"),
        num_hidden_layers=_int(value, "num_hidden_layers", _MAX_LAYERS),
        num_attention_heads=heads,
        hidden_act=_choice(value, "hidden_act", ACTIVATIONS),
        num_conv_pos_embeddings=_int(value, "num_conv_pos_embeddings"),
        num_conv_pos_embedding_groups=groups,
        do_stable_layer_norm=_bool(value, "do_stable_layer_norm"),
        layer_norm_eps=_epsilon(value, "layer_norm_eps"),
        classifier_proj_size=_int(value, "classifier_proj_size"),
    )


_NORMS = ("group", "layer")


def whisper_sizes_of(config: Mapping[str, Any]) -> WhisperSizes:
    """Check each setting of a Whisper that changes its encoder's arithmetic.

    Raises
    ------
    UnusableSizesError : a variant that is not supported, or not a size
    """
    value = {**_WHISPER_TINY, **config}
    _choice(value, "activation_function", ("gelu",))
    width, heads = _int(value, "d_model"), _int(value, "encoder_attention_heads")
    if width % heads or width % 2:
        raise UnusableSizesError(
            Text("d_model {width} is not a multiple of its {heads} heads", width=width, heads=heads)
        )
    bands = _int(value, "num_mel_bins", 1024)
    if bands < _MIN_MEL_BANDS:
        raise UnusableSizesError(Text("num_mel_bins is {bands}, which is too few", bands=bands))
    sizes = WhisperSizes(
        mel_bands=bands,
        hidden_size=width,
        intermediate_size=_int(value, "encoder_ffn_dim"),
        num_hidden_layers=_int(value, "encoder_layers", _MAX_LAYERS),
        num_attention_heads=heads,
        chunk_frames=_int(value, "chunk_frames", MOST_POSITIONS),
        context_frames=_int(value, "context_frames", MOST_POSITIONS),
        final_norm=_bool(value, "final_norm"),
        normalised=_bool(value, "normalised"),
    )
    if sizes.window_frames > MOST_POSITIONS:
        raise UnusableSizesError(
            Text(
                "a chunk with its context has {found} frames, but Whisper knows {most} positions",
                found=sizes.window_frames,
                most=MOST_POSITIONS,
            )
        )
    return sizes


def _int(value: Mapping[str, Any], key: str, high: int = _MAX_WIDTH) -> int:
    number = value[key]
    if type(number) is not int or not 1 <= number <= high:
        raise UnusableSizesError(
            Text(
                "{key} is {value} instead of a number from 1 to {high}",
                key=key,
                value=_shown(number),
                high=high,
            )
        )
    return number


def _list(value: Mapping[str, Any], key: str) -> tuple[int, ...]:
    numbers = value[key]
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= _MAX_LAYERS:
        raise UnusableSizesError(
            Text("{key} is {value} instead of a list", key=key, value=_shown(numbers))
        )
    return tuple(_int({key: number}, key) for number in numbers)


def _bool(value: Mapping[str, Any], key: str) -> bool:
    flag = value[key]
    if not isinstance(flag, bool):
        raise UnusableSizesError(
            Text("{key} is {value} instead of true or false", key=key, value=_shown(flag))
        )
    return flag


def _choice(value: Mapping[str, Any], key: str, choices: Iterable[str]) -> str:
    names = tuple(choices)
    name = value[key]
    if not isinstance(name, str) or name not in names:
        supported = ", ".join(names)
        raise UnusableSizesError(
            Text(
                "{key} is {value}; only {supported} are supported",
                key=key,
                value=_shown(name),
                supported=supported,
            )
        )
    return name


def _epsilon(value: Mapping[str, Any], key: str) -> float:
    number = value[key]
    if not isinstance(number, float) or not 0.0 < number < 1.0:
        raise UnusableSizesError(
            Text(
                "{key} is {value} instead of a small positive number", key=key, value=_shown(number)
            )
        )
    return number


def _shown(value: object) -> str:
    """A value from the file, short and printable."""
    text = repr(value)[:40]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


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
    WeightsError : not a HuBERT, or one that normalises like HuBERT large
    """
    what = Text('Cannot use "{name}"', name=path.name)
    folder = "choose its Hugging Face folder (config.json and weights) instead"
    if "feature_extractor.conv_layers.1.2.1.weight" in tensors:
        raise WeightsError(what, "it is a large HuBERT in fairseq's layout", folder)
    kernels = _HUBERT_BASE["conv_kernel"]
    convs = [
        _shape(tensors, f"feature_extractor.conv_layers.{index}.0.weight", 3, path)
        for index in range(len(kernels))
    ]
    hidden = _shape(tensors, "post_extract_proj.weight", 2, path)[0]
    if [shape[2] for shape in convs] != kernels or hidden % _HEAD_WIDTH:
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
        "num_attention_heads": hidden // _HEAD_WIDTH,
        "num_conv_pos_embeddings": kernel_v[2],
        "num_conv_pos_embedding_groups": hidden // kernel_v[1],
    }
    if "final_proj.weight" in tensors:
        stated["classifier_proj_size"] = _shape(tensors, "final_proj.weight", 2, path)[0]
    try:
        return sizes_of(stated)
    except UnusableSizesError as cause:
        raise WeightsError(what, cause.why, folder) from cause


def _shape(tensors: dict[str, Tensor], name: str, dims: int, path: Path) -> tuple[int, ...]:
    if name not in tensors or tensors[name].dim() != dims:
        raise WeightsError(
            Text('Cannot use "{name}"', name=path.name),
            Text(
                'it is not a HuBERT in fairseq\'s layout ("{tensor}" is missing or misshaped)',
                tensor=name,
            ),
            "download hubert_base.pt or the Hugging Face folder hubert_base again",
        )
    return tuple(tensors[name].shape)
