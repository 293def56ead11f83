"""Reading the sizes of a HuBERT from Hugging Face's ``config.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import WeightsError
from engine.models.content_encoder import ACTIVATIONS, ContentEncoderSizes

MAX_CONFIG_BYTES = 1_000_000
MAX_WIDTH = 65_536
MAX_LAYERS = 128
FRAME_SAMPLES = 320
"""50 frames a second at 16 kHz: what every RVC voice is trained on."""

HUBERT_BASE: Mapping[str, Any] = {
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
"""What a key that is not in the file means; the defaults of transformers' ``HubertConfig``."""

_FIX = "take config.json from where the weights came from"


class UnusableSizesError(ValueError):
    """Why a configuration cannot be used; its readers tell it as one sentence."""


def read_sizes(path: Path) -> ContentEncoderSizes:
    """The sizes that ``config.json`` states.

    Raises
    ------
    WeightsError : unreadable, another kind of network, or a variant that is not supported
    """
    what = f'Cannot use "{path.parent.name}/{path.name}"'
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise WeightsError(what, "it is too large for a configuration", _FIX)
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as cause:
        raise WeightsError(what, "it cannot be opened", "check that you may read it") from cause
    except (ValueError, RecursionError) as cause:
        raise WeightsError(what, "it is no valid JSON", _FIX) from cause
    if not isinstance(config, dict):
        raise WeightsError(what, "it is no table of settings", _FIX)
    try:
        return sizes_of(config)
    except UnusableSizesError as cause:
        raise WeightsError(what, str(cause), _FIX) from cause


def sizes_of(config: Mapping[str, Any]) -> ContentEncoderSizes:
    """Check each setting that changes the arithmetic; the others concern training.

    Raises
    ------
    UnusableSizesError : a variant that is not supported, or no sizes at all
    """
    if config.get("model_type", "hubert") != "hubert":
        raise UnusableSizesError(f"it describes {_shown(config['model_type'])}, not a HuBERT")
    if config.get("conv_pos_batch_norm"):
        raise UnusableSizesError("conv_pos_batch_norm is not supported")
    if config.get("adapter_attn_dim") is not None:
        raise UnusableSizesError("adapter layers (adapter_attn_dim) are not supported")
    value = {**HUBERT_BASE, **config}
    kernels, strides = _list(value, "conv_kernel"), _list(value, "conv_stride")
    dims = _list(value, "conv_dim")
    if not len(dims) == len(kernels) == len(strides):
        raise UnusableSizesError("conv_dim, conv_kernel and conv_stride have different lengths")
    if math.prod(strides) != FRAME_SAMPLES:
        raise UnusableSizesError(
            f"its frames are {math.prod(strides)} samples long, but voices need {FRAME_SAMPLES}"
        )
    hidden, heads = _int(value, "hidden_size"), _int(value, "num_attention_heads")
    groups = _int(value, "num_conv_pos_embedding_groups")
    if hidden % heads or hidden % groups:
        raise UnusableSizesError(
            f"hidden_size {hidden} is no multiple of its {heads} heads and {groups} groups"
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
        num_hidden_layers=_int(value, "num_hidden_layers", MAX_LAYERS),
        num_attention_heads=heads,
        hidden_act=_choice(value, "hidden_act", ACTIVATIONS),
        num_conv_pos_embeddings=_int(value, "num_conv_pos_embeddings"),
        num_conv_pos_embedding_groups=groups,
        do_stable_layer_norm=_bool(value, "do_stable_layer_norm"),
        layer_norm_eps=_epsilon(value, "layer_norm_eps"),
        classifier_proj_size=_int(value, "classifier_proj_size"),
    )


_NORMS = ("group", "layer")


def _int(value: Mapping[str, Any], key: str, most: int = MAX_WIDTH) -> int:
    number = value[key]
    if type(number) is not int or not 1 <= number <= most:
        raise UnusableSizesError(f"{key} is {_shown(number)} instead of a number from 1 to {most}")
    return number


def _list(value: Mapping[str, Any], key: str) -> tuple[int, ...]:
    numbers = value[key]
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= MAX_LAYERS:
        raise UnusableSizesError(f"{key} is {_shown(numbers)} instead of a list")
    return tuple(_int({key: number}, key) for number in numbers)


def _bool(value: Mapping[str, Any], key: str) -> bool:
    flag = value[key]
    if not isinstance(flag, bool):
        raise UnusableSizesError(f"{key} is {_shown(flag)} instead of true or false")
    return flag


def _choice(value: Mapping[str, Any], key: str, choices: Iterable[str]) -> str:
    names = tuple(choices)
    name = value[key]
    if not isinstance(name, str) or name not in names:
        supported = ", ".join(names)
        raise UnusableSizesError(f"{key} is {_shown(name)}; only {supported} are supported")
    return name


def _epsilon(value: Mapping[str, Any], key: str) -> float:
    number = value[key]
    if not isinstance(number, float) or not 0.0 < number < 1.0:
        raise UnusableSizesError(f"{key} is {_shown(number)} instead of a small positive number")
    return number


def _shown(value: object) -> str:
    """A value from the file, fit for a sentence."""
    text = repr(value)[:40]
    return "".join(letter if letter.isprintable() else "?" for letter in text)
