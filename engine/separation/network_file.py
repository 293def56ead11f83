"""Files of separation networks: their weights say what they hold, and nothing is executed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from engine.checkpoint import quoted, read_state_file
from engine.errors import Message, Text, WeightsError
from engine.inert_pickle import Inert
from engine.loading import load_strictly
from engine.models.htdemucs import HTDemucs, HTDemucsSizes
from engine.models.layers import without_weights
from engine.models.roformer import BIN_FLOATS, BS_WIDTHS, Roformer, RoformerSizes, mel_bands
from engine.safetensors_file import is_safetensors, read_metadata

Kind = Literal["htdemucs", "mel", "bs"]
"""HTDemucs, Mel-Band RoFormer, BS-RoFormer."""

RATE_HZ = 44_100
_TABLES = ("state_dict", "state", "model_state_dict")
_DEFAULT_SEGMENT_S = Fraction(39, 5)
_SHORTEST_S, _LONGEST_S = Fraction(1, 4), 60
_MAX_LAYERS = 64
_HEAD_BYTES = 9

_OTHER_LINEAGES = (
    (r"static_alpha|dynamic_alpha|\.branch\.", Text("it is a RoFormer with hyper-connections")),
    (r"to_value_residual_mix", Text("it is a RoFormer with value residuals")),
    (r"pope", Text("it is a RoFormer with PoPE positions")),
    (r"lora_[ab]\b", Text("it is a LoRA adapter")),
    (r"conformer|conv_module|depthwise", Text("it is a Conformer")),
    (r"hyperace|segm\.", Text("it is a HyperACE RoFormer")),
    (r"^separation_net\.", Text("it is an SCNet")),
    (r"^(first_conv|tfc_tdf)|encoder_blocks\.", Text("it is an MDX23C network")),
    (r"^stg1_", Text("it is a VR network")),
)
"""Names of tensors that only these have; most specific first."""


@dataclass(frozen=True)
class SeparationNetwork:
    """A network that was read from a file.

    Attributes
    ----------
    stems : names of what it separates, as far as the file states them
    """

    kind: Kind
    network: HTDemucs | Roformer
    stems: tuple[str, ...] = ()


def read_network(
    path: Path, hop: int | None = None, *, keeps_constant: bool = False
) -> SeparationNetwork:
    """Read a network for songs, on the CPU.

    Parameters
    ----------
    path : ``.th`` or ``.safetensors`` of demucs v4, ``.ckpt`` or ``.safetensors`` of a RoFormer
    hop, keeps_constant : of a RoFormer, see `RoformerSizes`; its weights do not tell them

    Raises
    ------
    WeightsError : the file is missing, damaged, or another network, which is named
    """
    state = read_state_file(path, WeightsError)
    labels = _labels(state, path)
    for name in _TABLES:
        if isinstance(state.get(name), Mapping):
            state = state[name]
            break
    tensors = _tensors(state, path)
    if any(name.startswith("band_split.") for name in tensors):
        _refuse_other_lineages(tensors, path)
        sizes = _roformer_sizes(tensors, path, hop, keeps_constant=keeps_constant)
        kind: Kind = "mel" if sizes.mel else "bs"
        with without_weights():
            roformer = Roformer(sizes)
        return SeparationNetwork(kind, load_strictly(roformer, tensors, path))
    if any(name.startswith("crosstransformer.") for name in tensors):
        with without_weights():
            demucs = HTDemucs(_htdemucs_sizes(tensors, labels, path))
        return SeparationNetwork(
            "htdemucs", load_strictly(demucs, tensors, path), _sources(labels, demucs.sizes)
        )
    _refuse_other_lineages(tensors, path)
    if any(name.startswith(("encoder.0.", "tencoder.0.")) for name in tensors):
        raise _refused(path, "it is a Demucs network of version 3 or older")
    raise _refused(path, "it is another kind of network")


def _refused(path: Path, why: Message) -> WeightsError:
    return WeightsError(
        Text('Cannot separate songs with "{name}"', name=path.name),
        why,
        "choose a file of HTDemucs, Mel-Band RoFormer or BS-RoFormer",
    )


def _refuse_other_lineages(tensors: Mapping[str, Tensor], path: Path) -> None:
    for pattern, why in _OTHER_LINEAGES:
        if any(re.search(pattern, name, re.IGNORECASE) for name in tensors):
            raise _refused(path, why)


def _tensors(state: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """The weights as float32."""
    tensors = {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise _refused(path, "it does not contain a table of named tensors")
    return tensors


# --- demucs ---


def _labels(state: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The arguments with which demucs built the network: the table ``kwargs``, or as metadata."""
    found = state.get("kwargs")
    if isinstance(found, dict):
        return found
    try:
        with path.open("rb") as file:
            if not is_safetensors(file.read(_HEAD_BYTES), path.stat().st_size):
                return {}
            found = json.loads(read_metadata(file).get("kwargs", "{}"))
    except (OSError, ValueError, RecursionError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _sources(labels: Mapping[str, Any], sizes: HTDemucsSizes) -> tuple[str, ...]:
    named = labels.get("sources")
    if isinstance(named, list | tuple) and len(named) == sizes.sources:
        return tuple(str(each)[:40] for each in named)
    return ()


def _segment_s(labels: Mapping[str, Any]) -> Fraction:
    """Seconds that the network was trained on, in any of the spellings that occur."""
    value = labels.get("segment", _DEFAULT_SEGMENT_S)
    if isinstance(value, Inert) and isinstance(value.args, tuple):
        value = "/".join(map(str, value.args))
    if isinstance(value, dict):
        value = f"{value.get('numerator')}/{value.get('denominator')}"
    try:
        seconds = Fraction(value)
    except (TypeError, ValueError, ArithmeticError):
        return _DEFAULT_SEGMENT_S
    return seconds if _SHORTEST_S <= seconds <= _LONGEST_S else _DEFAULT_SEGMENT_S


def _htdemucs_sizes(
    tensors: Mapping[str, Tensor], labels: Mapping[str, Any], path: Path
) -> HTDemucsSizes:
    depth = _count(tensors, "encoder")
    channels, inputs = _shape(tensors, "encoder.0.conv.weight", path, 4)[:2]
    if inputs != BIN_FLOATS:
        raise _refused(path, "it is not for stereo")
    outermost = _shape(tensors, f"decoder.{depth - 1}.conv_tr.weight", path, 4)
    heads = labels.get("t_heads", HTDemucsSizes.heads)
    bottom = 0
    if "channel_upsampler.weight" in tensors:
        bottom = _shape(tensors, "channel_upsampler.weight", path, 3)[0]
    width = bottom or channels << (depth - 1)
    if type(heads) is not int or not 0 < heads <= width or width % heads:
        raise _refused(path, "its number of attention heads does not fit its weights")
    return HTDemucsSizes(
        channels=channels,
        depth=depth,
        sources=outermost[1] // BIN_FLOATS,
        bottom_channels=bottom,
        layers=_count(tensors, "crosstransformer.layers"),
        hidden=_shape(tensors, "crosstransformer.layers.0.linear1.weight", path, 2)[0],
        dconv_depth=_count(tensors, "encoder.0.dconv.layers"),
        dconv_hidden=_shape(tensors, "encoder.0.dconv.layers.0.0.weight", path, 3)[0],
        decoder_dconv=any(name.startswith("decoder.0.dconv.") for name in tensors),
        embeddings=_shape(tensors, "freq_emb.embedding.weight", path, 2)[0],
        heads=heads,
        segment_samples=int(RATE_HZ * _segment_s(labels)),
    )


# --- RoFormer ---


def _roformer_sizes(
    tensors: Mapping[str, Tensor], path: Path, hop: int | None, *, keeps_constant: bool
) -> RoformerSizes:
    bands = _count(tensors, "band_split.to_features")
    first = [
        _shape(tensors, f"band_split.to_features.{band}.1.weight", path, 2) for band in range(bands)
    ]
    widths = [shape[1] for shape in first]
    mel_widths = [BIN_FLOATS * len(band) for band in mel_bands()]
    bs_widths = [BIN_FLOATS * width for width in BS_WIDTHS]
    mono = [[width // 2 for width in widths] for widths in (mel_widths, bs_widths)]
    if widths in mono:
        raise _refused(path, "it is not for stereo")
    if widths not in (mel_widths, bs_widths):
        raise _refused(path, Text("it divides the spectrum into {count} other bands", count=bands))
    if _count(tensors, "layers.0") > 2:
        raise _refused(path, "it is a RoFormer with linear attention")
    attention = "layers.0.0.layers.0.0"
    heads = _shape(tensors, f"{attention}.to_gates.weight", path, 2)[0]
    inner = _shape(tensors, f"{attention}.to_qkv.weight", path, 2)[0]
    half_head = _shape(tensors, f"{attention}.rotary_embed.freqs", path, 1)[0]
    if inner != 6 * heads * half_head:
        raise _refused(path, "its attention heads do not fit its weights")
    mask = "mask_estimators.0.to_freqs.0.0"
    return RoformerSizes(
        mel=widths == mel_widths,
        width=first[0][0],
        depth=_count(tensors, "layers"),
        heads=heads,
        head_width=2 * half_head,
        time_depth=_count(tensors, "layers.0.0.layers"),
        band_depth=_count(tensors, "layers.0.1.layers"),
        stems=_count(tensors, "mask_estimators"),
        mask_layers=len({name.split(".")[5] for name in tensors if name.startswith(f"{mask}.")}),
        mask_hidden=_shape(tensors, f"{mask}.0.weight", path, 2)[0],
        hop=hop or RoformerSizes.hop,
        keeps_constant=keeps_constant,
    )


def _count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered members a list of layers has; a list with holes is refused later."""
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d{{1,3}})\.")
    found = {int(match[1]) for name in tensors if (match := pattern.match(name))}
    return min(len(found), _MAX_LAYERS)


def _shape(
    tensors: Mapping[str, Tensor], name: str, path: Path, dimensions: int
) -> tuple[int, ...]:
    tensor = tensors.get(name)
    if tensor is None:
        raise _refused(path, Text("{tensor} is missing", tensor=quoted(name)))
    if tensor.dim() != dimensions or not tensor.numel():
        raise _refused(path, Text("{tensor} has an unexpected shape", tensor=quoted(name)))
    return tuple(tensor.shape)
