"""Checks voices: the weights decide what a voice is, and everything must fit exactly.

Other programs load with ``strict=False``, so that a wrong guess gives noise instead of an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from engine.checkpoint import COUNTER, is_finite, mismatch
from engine.errors import Text, VoiceFileError
from engine.models.layers import fold_weight_norm, weight_norm_pairs
from engine.models.refine_gan import CHAIN_CHANNELS
from engine.models.synthesizer import state_shapes
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder
from engine.voice import VoiceCard, make_card
from engine.voice_config import MAX_CHANNELS, UnfitError, VoiceConfig, parse_config
from engine.voice_kind import (
    check_pitch,
    foreign_vocoder,
    has_foreign_label,
    name_in_file,
    refuse_other_kinds,
    version_of,
    vocoder_of,
)
from engine.voice_record import POSTERIOR, read_record


@dataclass(frozen=True)
class VoiceCheckpoint:
    """A voice, ready for `engine.models.synthesizer.build_synthesizer`.

    Attributes
    ----------
    state : float32 weights, weight norm folded, exactly those that `sizes` imply
    labels : those that contradict the weights, as they should have been
    """

    state: dict[str, Tensor]
    sizes: SynthesizerSizes
    card: VoiceCard
    labels: Mapping[str, object]


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
    except UnfitError as cause:
        what = Text('Cannot use the voice "{name}"', name=path.name)
        raise VoiceFileError(what, cause.why, cause.advice) from cause


def _voice(record: Mapping[str, object], path: Path) -> VoiceCheckpoint:
    refuse_other_kinds(record)
    raw = _tensors(record["weight"])
    notes: list[Text] = []
    labels: dict[str, object] = {}
    vocoder = vocoder_of(record, raw, notes, labels)
    config = parse_config(record["config"])
    features = _size_of(raw, "enc_p.emb_phone.weight", 1)
    version = version_of(record, features, notes, labels)
    guided = "enc_p.emb_pitch.weight" in raw
    check_pitch(record, vocoder, notes, labels, guided=guided)
    sizes = _sizes(config, raw, vocoder)
    # Before a single number is copied.
    if why := mismatch(_folded_shapes(raw), state_shapes(sizes)):
        raise foreign_vocoder(record) if has_foreign_label(record) else UnfitError(why)
    state = fold_weight_norm(raw)
    for name, tensor in state.items():
        if not is_finite(tensor):
            why = Text("{tensor} contains NaN or infinite values", tensor=name_in_file(name))
            raise UnfitError(why)
    parameters = sum(tensor.numel() for tensor in state.values())
    card = make_card(path, record, version, sizes, parameters, tuple(notes))
    return VoiceCheckpoint(state, sizes, card, labels)


def _tensors(weights: object) -> dict[str, Tensor]:
    """The weights as the file has them, without the training-only ones."""
    if not isinstance(weights, dict) or not weights:
        raise UnfitError("it does not contain a voice (its weights are not a table of tensors)")
    kept: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise UnfitError(
                Text("{tensor} in its weights is not a tensor", tensor=name_in_file(name))
            )
        if name.startswith(POSTERIOR) or name.endswith(COUNTER):
            continue
        if not tensor.is_floating_point():
            raise UnfitError(
                Text("{tensor} does not contain floating-point numbers", tensor=name_in_file(name))
            )
        kept[name] = tensor
    return kept


def _sizes(config: VoiceConfig, raw: Mapping[str, Tensor], vocoder: Vocoder) -> SynthesizerSizes:
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
    if channels % (2 << stages) or not 0 < channels <= MAX_CHANNELS:
        raise UnfitError(
            Text(
                "its RefineGAN has {channels} channels, which do not fit {stages} stages",
                channels=channels,
                stages=stages,
            )
        )
    if vocoder is Vocoder.REFINE_CHAINED and channels != chained:
        raise UnfitError(
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
    if raw[name].dim() != 3 or not 0 < raw[name].shape[0] <= MAX_CHANNELS:
        raise _unexpected_shape(name, raw[name].shape)
    return int(raw[name].shape[0])


def _size_of(raw: Mapping[str, Tensor], name: str, axis: int) -> int:
    """A size that only the weights know."""
    if name not in raw:
        raise _missing(name)
    if raw[name].dim() != 2 or 0 in raw[name].shape:
        raise _unexpected_shape(name, raw[name].shape)
    return int(raw[name].shape[axis])


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


def _missing(name: str) -> UnfitError:
    return UnfitError(Text("{tensor} is missing", tensor=name_in_file(name)))


def _unexpected_shape(name: str, shape: Sequence[int]) -> UnfitError:
    return UnfitError(
        Text(
            "{tensor} has the unexpected shape {shape}",
            tensor=name_in_file(name),
            shape=list(shape),
        )
    )
