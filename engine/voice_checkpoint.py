"""Checks voices: the weights decide what a voice is, and everything must fit exactly.

Other programs load with ``strict=False``, so that a wrong guess gives noise instead of an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoint import mismatch, quoted
from engine.errors import Message, Text, VoiceFileError
from engine.models.layers import fold_weight_norm, weight_norm_pairs
from engine.models.refine_gan import CHAIN_CHANNELS
from engine.models.synthesizer import state_shapes
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder
from engine.voice import VoiceCard, make_card
from engine.voice_record import POSTERIOR, is_simple, read_record

_CONFIG_LENGTH = 18
_DDPN_CONFIG_LENGTH = 19
_MAX_CHANNELS = 4096
_V1_FEATURES = 256
_VOCODER_LABELS = {
    "HiFi-GAN": (Vocoder.PLAIN, Vocoder.NSF),
    "MRF HiFi-GAN": (Vocoder.MRF,),
    "RefineGAN": (Vocoder.REFINE_DIRECT, Vocoder.REFINE_CHAINED),
}
_PITCH_LABELS: dict[str | int, bool] = {0: False, 1: True, "0": False, "1": True}
_NAMED_RATES_HZ = {"32k": 32000, "40k": 40000, "48k": 48000}
_UNDAMAGED = "ask its author for an undamaged copy, or choose another voice"
_EXPORT = "ask for the small voice file, or export it in the trainer (about 55 MB)"


@dataclass(frozen=True)
class VoiceCheckpoint:
    """A voice, ready for `engine.models.synthesizer.build_synthesizer`.

    Attributes
    ----------
    state : float32 weights, weight norm folded, exactly those that `sizes` imply
    """

    state: dict[str, Tensor]
    sizes: SynthesizerSizes
    card: VoiceCard


def load_voice(path: Path) -> VoiceCheckpoint:
    """Read and check a voice.

    Raises
    ------
    VoiceFileError : missing, damaged, dangerous, of another kind, or contradicting itself
    """
    return checked_voice(read_record(path), path)


def checked_voice(record: Mapping[str, object], path: Path) -> VoiceCheckpoint:
    """The voice in a record that was read from ``path``.

    Raises
    ------
    VoiceFileError : of another kind, or contradicting itself
    """
    try:
        return _voice(record, path)
    except _UnfitError as cause:
        what = Text('Cannot use the voice "{name}"', name=path.name)
        raise VoiceFileError(what, cause.why, cause.advice) from cause


class _UnfitError(Exception):
    """Why the voice cannot be used, and what to do."""

    def __init__(self, why: Message, advice: str = _UNDAMAGED) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice


def _voice(record: Mapping[str, object], path: Path) -> VoiceCheckpoint:
    _refuse_other_kinds(record)
    config = _parse_config(record["config"])
    raw = _tensors(record["weight"])
    version = _version(record, raw)
    sizes = _sizes(config, raw, record)
    # Before a single number is copied.
    if why := mismatch(_folded_shapes(raw), state_shapes(sizes)):
        raise _UnfitError(why)
    state = fold_weight_norm(raw)
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise _UnfitError(Text("{tensor} contains NaN or infinite values", tensor=_name(name)))
    parameters = sum(tensor.numel() for tensor in state.values())
    return VoiceCheckpoint(state, sizes, make_card(path, record, version, sizes, parameters))


def _refuse_other_kinds(record: Mapping[str, object]) -> None:
    if "model" in record and "optimizer" in record:
        raise _UnfitError("it is a training checkpoint (G_ or D_), not a finished voice", _EXPORT)
    version = record.get("version")
    if isinstance(version, str) and version == "voras_beta":
        raise _UnfitError('it is a "voras_beta" voice, which needs other networks')
    if "weight" not in record:
        raise _UnfitError('it does not contain a voice (there is no "weight" in it)')
    if "config" not in record:
        raise _UnfitError("its config (the sizes of its networks) is missing", _EXPORT)


def _tensors(weights: object) -> dict[str, Tensor]:
    """The weights as the file has them, without the training-only ones."""
    if not isinstance(weights, dict) or not weights:
        raise _UnfitError("it does not contain a voice (its weights are not a table of tensors)")
    kept: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise _UnfitError(Text("{tensor} in its weights is not a tensor", tensor=_name(name)))
        if name.startswith(POSTERIOR):
            continue
        if not tensor.is_floating_point():
            raise _UnfitError(
                Text("{tensor} does not contain floating-point numbers", tensor=_name(name))
            )
        kept[name] = tensor
    return kept


def _version(record: Mapping[str, object], raw: Mapping[str, Tensor]) -> str:
    """``v1`` or ``v2``; without a label, the width of the features decides."""
    width = _size_of(raw, "enc_p.emb_phone.weight", 1)
    label = record.get("version")
    if label is None:
        return "v1" if width == _V1_FEATURES else "v2"
    if not isinstance(label, str) or label not in ("v1", "v2"):
        raise _UnfitError(
            Text("its version is {version}, but only v1 and v2 are supported", version=_name(label))
        )
    if label == "v1" and width != _V1_FEATURES:
        raise _UnfitError(
            Text(
                'it is labelled "v1" ({expected} features), but its weights take {found} features',
                expected=_V1_FEATURES,
                found=width,
            )
        )
    return label


def _sizes(
    config: _Config, raw: Mapping[str, Tensor], record: Mapping[str, object]
) -> SynthesizerSizes:
    vocoder = _vocoder(raw)
    _check_labels(record, vocoder, guided="enc_p.emb_pitch.weight" in raw)
    initial = config.upsample_initial_channels
    if vocoder in (Vocoder.REFINE_DIRECT, Vocoder.REFINE_CHAINED):
        initial = _refine_channels(raw, vocoder, len(config.upsample_rates))
    return SynthesizerSizes(
        vocoder=vocoder,
        feature_channels=_size_of(raw, "enc_p.emb_phone.weight", 1),
        inter_channels=config.inter_channels,
        hidden_channels=config.hidden_channels,
        filter_channels=config.filter_channels,
        heads=config.heads,
        layers=config.layers,
        kernel_size=config.kernel_size,
        resblock="2" if any(".convs.0." in name for name in raw) else "1",
        resblock_kernel_sizes=config.resblock_kernel_sizes,
        resblock_dilations=config.resblock_dilations,
        upsample_rates=config.upsample_rates,
        upsample_initial_channels=initial,
        upsample_kernel_sizes=config.upsample_kernel_sizes,
        speakers=_size_of(raw, "emb_g.weight", 0),
        gin_channels=config.gin_channels,
        sample_rate_hz=config.sample_rate_hz,
        flow_channels=_flow_channels(raw),
    )


def _refine_channels(raw: Mapping[str, Tensor], vocoder: Vocoder, stages: int) -> int:
    """RefineGAN's trainers ignore the config's channels; the weights show them."""
    bias = raw.get("dec.mel_conv.bias")
    channels = 0 if bias is None or bias.dim() != 1 else 2 * bias.numel()
    chained = 2 * CHAIN_CHANNELS << stages
    if channels % (2 << stages) or not 0 < channels <= _MAX_CHANNELS:
        raise _UnfitError(
            Text(
                "its RefineGAN has {channels} channels, which do not fit {stages} stages",
                channels=channels,
                stages=stages,
            )
        )
    if vocoder is Vocoder.REFINE_CHAINED and channels != chained:
        raise _UnfitError(
            Text(
                "its RefineGAN has {channels} channels, but its source has {expected}",
                channels=channels,
                expected=chained,
            )
        )
    return channels


def _flow_channels(raw: Mapping[str, Tensor]) -> int:
    """Usually the config's hidden channels, but the config does not promise that."""
    name = "flow.flows.0.pre.weight"
    if name not in raw:
        raise _missing(name)
    if raw[name].dim() != 3 or not 0 < raw[name].shape[0] <= _MAX_CHANNELS:
        raise _unexpected_shape(name, raw[name].shape)
    return int(raw[name].shape[0])


def _size_of(raw: Mapping[str, Tensor], name: str, axis: int) -> int:
    """A size that only the weights know."""
    if name not in raw:
        raise _missing(name)
    if raw[name].dim() != 2 or 0 in raw[name].shape:
        raise _unexpected_shape(name, raw[name].shape)
    return int(raw[name].shape[axis])


def _vocoder(raw: Mapping[str, Tensor]) -> Vocoder:
    """By the names of the weights: labels are often wrong."""
    parts = {name.split(".")[1] for name in raw if name.startswith("dec.") and name.count(".") > 1}
    if "mrfs" in parts:
        return Vocoder.MRF
    if "mel_conv" in parts or "downsample_blocks" in parts:
        direct = [name for name in raw if name.startswith("dec.downsample_blocks.1.weight")]
        chained = any(raw[name].dim() == 3 and raw[name].shape[1] > 1 for name in direct)
        return Vocoder.REFINE_CHAINED if chained else Vocoder.REFINE_DIRECT
    if "m_source" in parts or "noise_convs" in parts:
        return Vocoder.NSF
    return Vocoder.PLAIN


def _check_labels(record: Mapping[str, object], vocoder: Vocoder, *, guided: bool) -> None:
    """Labels that would change the sound must agree with the weights."""
    label = record.get("vocoder")
    if isinstance(label, str) and vocoder not in _VOCODER_LABELS.get(label, (vocoder,)):
        raise _UnfitError(
            Text(
                'its vocoder is labelled "{label}", but its weights are those of "{vocoder}"',
                label=label,
                vocoder=vocoder.value,
            )
        )
    if guided != (vocoder is not Vocoder.PLAIN):
        raise _UnfitError("only one of its prior and its vocoder takes pitch")
    pitch = record.get("f0")
    stated = _PITCH_LABELS.get(pitch) if isinstance(pitch, str | int) else None
    if stated is not None and stated != guided:
        raise _UnfitError(
            "it is labelled as a voice with pitch, but its weights take no pitch"
            if stated
            else "it is labelled as a voice without pitch, but its weights take pitch"
        )


def _folded_shapes(raw: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Names and shapes after folding, without folding."""
    shapes = {name: tuple(tensor.shape) for name, tensor in raw.items()}
    for folded, (length, direction) in weight_norm_pairs(raw.keys()).items():
        length_shape, shape = shapes.pop(length), shapes.pop(direction)
        if len(shape) != 3:
            raise _unexpected_shape(direction, shape)
        if length_shape != (shape[0], 1, 1):
            raise _unexpected_shape(length, length_shape)
        shapes[folded] = shape
    return shapes


def _missing(name: str) -> _UnfitError:
    return _UnfitError(Text("{tensor} is missing", tensor=_name(name)))


def _unexpected_shape(name: str, shape: Sequence[int]) -> _UnfitError:
    return _UnfitError(
        Text("{tensor} has the unexpected shape {shape}", tensor=_name(name), shape=list(shape))
    )


def _name(value: object) -> str:
    """A name or label from the file, safe to show; other objects may be too large to print."""
    shown = isinstance(value, str) or is_simple(value)
    return quoted(str(value) if shown else type(value).__name__)


@dataclass(frozen=True)
class _Config:
    """The values of ``config`` that decide the layers; the others serve training only."""

    inter_channels: int
    hidden_channels: int
    filter_channels: int
    heads: int
    layers: int
    kernel_size: int
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]
    upsample_rates: tuple[int, ...]
    upsample_initial_channels: int
    upsample_kernel_sizes: tuple[int, ...]
    gin_channels: int
    sample_rate_hz: int


def _parse_config(values: object) -> _Config:
    """Check the 18 positional values; the limits lie far outside of what any voice has."""
    if not isinstance(values, list | tuple):
        raise _UnfitError("its config must be a list of sizes")
    if len(values) == _DDPN_CONFIG_LENGTH:
        raise _UnfitError("it is a DDPN voice (config of 19 values), which needs other networks")
    if len(values) != _CONFIG_LENGTH:
        raise _UnfitError(
            Text(
                "its config has {found} values instead of {expected}",
                found=len(values),
                expected=_CONFIG_LENGTH,
            )
        )
    for place in (0, 1, 8, 9, 15):
        if values[place] is not None and not is_simple(values[place]):
            raise _UnfitError(Text("value {place} of its config must be a number", place=place))
    config = _Config(
        inter_channels=_number(values[2], 2, 2, 1024),
        hidden_channels=_number(values[3], 3, 1, 1024),
        filter_channels=_number(values[4], 4, 1, 8192),
        heads=_number(values[5], 5, 1, 32),
        layers=_number(values[6], 6, 1, 32),
        kernel_size=_number(values[7], 7, 1, 31),
        resblock_kernel_sizes=_numbers(values[10], 10, 63),
        resblock_dilations=_dilations(values[11]),
        upsample_rates=_numbers(values[12], 12, 64),
        upsample_initial_channels=_number(values[13], 13, 2, _MAX_CHANNELS),
        upsample_kernel_sizes=_numbers(values[14], 14, 512),
        gin_channels=_number(values[16], 16, 1, 1024),
        sample_rate_hz=_rate_hz(values[17]),
    )
    _check_consistency(config)
    return config


def _check_consistency(config: _Config) -> None:
    rates, kernels = config.upsample_rates, config.upsample_kernel_sizes
    hop_samples = math.prod(rates)
    if hop_samples * 100 != config.sample_rate_hz:
        raise _UnfitError(
            Text(
                "its config has upsample rates that give {found} samples per frame, but the sample "
                "rate of {rate_hz} Hz needs {expected}",
                found=hop_samples,
                rate_hz=config.sample_rate_hz,
                expected=f"{config.sample_rate_hz / 100:g}",
            )
        )
    if len(kernels) != len(rates) or any(k < r for k, r in zip(kernels, rates, strict=True)):
        raise _UnfitError("its config has upsample kernels that do not fit the upsample rates")
    if len(config.resblock_dilations) != len(config.resblock_kernel_sizes):
        raise _UnfitError("its config has resblock dilations that do not fit the resblock kernels")
    if any(size % 2 == 0 for size in (config.kernel_size, *config.resblock_kernel_sizes)):
        raise _UnfitError("its config has an even kernel size, which would shift the sound")
    if config.hidden_channels % config.heads or config.inter_channels % 2:
        raise _UnfitError("its config has channels that cannot be divided into heads and halves")
    if config.upsample_initial_channels % (1 << len(rates)):
        raise _UnfitError("its config has vocoder channels that cannot be halved at every stage")


def _number(value: object, place: int, low: int, high: int) -> int:
    if type(value) is int and low <= value <= high:
        return value
    raise _UnfitError(
        Text(
            "value {place} of its config must be a number from {low} to {high}",
            place=place,
            low=low,
            high=high,
        )
    )


def _numbers(value: object, place: int, high: int) -> tuple[int, ...]:
    """One to eight numbers."""
    if isinstance(value, list | tuple) and 1 <= len(value) <= 8:
        return tuple(_number(item, place, 1, high) for item in value)
    raise _UnfitError(Text("value {place} of its config must be a list of sizes", place=place))


def _dilations(value: object) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, list | tuple) and 1 <= len(value) <= 8:
        return tuple(_numbers(row, 11, 64) for row in value)
    raise _UnfitError("value 11 of its config must be a list of lists of dilations")


def _rate_hz(value: object) -> int:
    """Some trainers wrote ``"40k"``."""
    named = _NAMED_RATES_HZ.get(value) if isinstance(value, str) else value
    return _number(named, 17, 8000, 96000)
