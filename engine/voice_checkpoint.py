"""Loading a voice: the weights decide what it is, and everything must fit exactly.

Every peer loads with ``strict=False``, so that a wrong guess gives noise; here it gives a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import VoiceFileError
from engine.models.layers import fold_weight_norm, weight_norm_pairs
from engine.models.refine_gan import CHAIN_CHANNELS
from engine.models.synthesizer import state_shapes
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder
from engine.stored_tensors import TRAINING_ONLY, read_record
from engine.voice_card import VoiceCard, make_card
from engine.voice_config import MOST_CHANNELS, ConfigError, ConfigList, parse_config

V1_FEATURES = 256
_VOCODER_LABELS = {
    "HiFi-GAN": (Vocoder.PLAIN, Vocoder.NSF),
    "MRF HiFi-GAN": (Vocoder.MRF,),
    "RefineGAN": (Vocoder.REFINE_DIRECT, Vocoder.REFINE_CHAINED),
}
_PITCH_LABELS: dict[str | int, bool] = {0: False, 1: True, "0": False, "1": True}
_ANOTHER = "choose another voice or ask its author for a sound copy"
_EXPORT = "ask for the small voice file, or export it in the trainer (about 55 MB)"


@dataclass(frozen=True)
class VoiceCheckpoint:
    """A voice, ready for `engine.models.synthesizer.build_synthesizer`.

    Attributes
    ----------
    state : float32 weights, weight norm folded, exactly what `sizes` imply
    """

    state: dict[str, Tensor]
    sizes: SynthesizerSizes
    card: VoiceCard


def load_voice(path: Path) -> VoiceCheckpoint:
    """Read and check a voice: ``NAME.pth``, or the library's ``voice.safetensors``.

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
    what = f'Cannot use the voice "{path.name}"'
    try:
        return _voice(record, path)
    except _UnfitError as cause:
        raise VoiceFileError(what, cause.why, cause.advice) from cause
    except ConfigError as cause:
        raise VoiceFileError(what, str(cause), _ANOTHER) from cause


class _UnfitError(Exception):
    """Cause and advice of the sentence."""

    def __init__(self, why: str, advice: str = _ANOTHER) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice


def _voice(record: Mapping[str, object], path: Path) -> VoiceCheckpoint:
    _refuse_other_lineages(record)
    config = parse_config(record["config"])
    raw = _tensors(record["weight"])
    version = _version(record, raw)
    sizes = _sizes(config, raw, record)
    _check_names_and_shapes(raw, state_shapes(sizes))
    state = fold_weight_norm(raw)
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise _UnfitError(f"{_quoted(name)} holds values that are no numbers (NaN, infinite)")
    parameters = sum(tensor.numel() for tensor in state.values())
    return VoiceCheckpoint(state, sizes, make_card(path, record, version, sizes, parameters))


def _refuse_other_lineages(record: Mapping[str, object]) -> None:
    if "model" in record and "optimizer" in record:
        raise _UnfitError("it is a training checkpoint (G_ or D_), not a finished voice", _EXPORT)
    version = record.get("version")
    if isinstance(version, str) and version == "voras_beta":
        raise _UnfitError('it is of the lineage "voras_beta", which has other networks')
    if "weight" not in record:
        raise _UnfitError("it holds no voice: there are no weights under the name it needs")
    if "config" not in record:
        raise _UnfitError("its config (the sizes of its networks) is missing", _EXPORT)


def _tensors(weights: object) -> dict[str, Tensor]:
    """The weights as the file has them, without the training-only ones."""
    if not isinstance(weights, dict) or not weights:
        raise _UnfitError("it holds no voice: its weights are no table of tensors")
    kept: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise _UnfitError(f"{_quoted(name)} among its weights is no tensor")
        if name.startswith(TRAINING_ONLY):
            continue
        if not tensor.is_floating_point():
            raise _UnfitError(f"{_quoted(name)} among its weights holds no decimal numbers")
        kept[name] = tensor
    return kept


def _version(record: Mapping[str, object], raw: Mapping[str, Tensor]) -> str:
    """``v1`` or ``v2``; without a label, the width of the features tells."""
    width = _columns(raw, "enc_p.emb_phone.weight", 1)
    label = record.get("version")
    if label is None:
        return "v1" if width == V1_FEATURES else "v2"
    if not isinstance(label, str) or label not in ("v1", "v2"):
        raise _UnfitError(f"its version is {_quoted(label)}, but only v1 and v2 are known")
    if label == "v1" and width != V1_FEATURES:
        raise _UnfitError(
            f'its label says "v1" (features {V1_FEATURES} wide), but its weights take '
            f"features {width} wide"
        )
    return label


def _sizes(
    config: ConfigList, raw: Mapping[str, Tensor], record: Mapping[str, object]
) -> SynthesizerSizes:
    vocoder = _vocoder(raw)
    _check_labels(record, vocoder, guided="enc_p.emb_pitch.weight" in raw)
    initial = config.upsample_initial_channels
    if vocoder in (Vocoder.REFINE_DIRECT, Vocoder.REFINE_CHAINED):
        initial = _refine_channels(raw, vocoder, len(config.upsample_rates))
    return SynthesizerSizes(
        vocoder=vocoder,
        feature_channels=_columns(raw, "enc_p.emb_phone.weight", 1),
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
        speakers=_columns(raw, "emb_g.weight", 0),
        gin_channels=config.gin_channels,
        sample_rate_hz=config.sample_rate_hz,
        flow_channels=_flow_channels(raw),
    )


def _refine_channels(raw: Mapping[str, Tensor], vocoder: Vocoder, stages: int) -> int:
    """RefineGAN's trainers ignore the config's channels, so the weights tell them."""
    bias = raw.get("dec.mel_conv.bias")
    channels = 0 if bias is None or bias.dim() != 1 else 2 * bias.numel()
    chained = 2 * CHAIN_CHANNELS << stages
    if channels % (2 << stages) or not 0 < channels <= MOST_CHANNELS:
        raise _UnfitError(f"its RefineGAN has {channels} channels for {stages} stages")
    if vocoder is Vocoder.REFINE_CHAINED and channels != chained:
        raise _UnfitError(f"its RefineGAN has {channels} channels, but its source {chained}")
    return channels


def _flow_channels(raw: Mapping[str, Tensor]) -> int:
    """Usually the config's hidden channels, but nothing in the list says so for the flow."""
    weight = raw.get("flow.flows.0.pre.weight")
    if weight is None:
        raise _UnfitError('"flow.flows.0.pre.weight" is missing from its weights')
    if weight.dim() != 3 or not 0 < weight.shape[0] <= MOST_CHANNELS:
        raise _UnfitError(f'"flow.flows.0.pre.weight" has the shape {list(weight.shape)}')
    return int(weight.shape[0])


def _columns(raw: Mapping[str, Tensor], name: str, axis: int) -> int:
    """A size that only the weights know."""
    if name not in raw:
        raise _UnfitError(f"{_quoted(name)} is missing from its weights")
    if raw[name].dim() != 2 or 0 in raw[name].shape:
        raise _UnfitError(f"{_quoted(name)} has the shape {list(raw[name].shape)}")
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
            f'its label says the vocoder "{label}", but its weights are those of "{vocoder.value}"'
        )
    if guided != (vocoder is not Vocoder.PLAIN):
        raise _UnfitError("its prior and its vocoder disagree whether there is pitch")
    pitch = record.get("f0")
    stated = _PITCH_LABELS.get(pitch) if isinstance(pitch, str | int) else None
    if stated is not None and stated != guided:
        raise _UnfitError(
            f'its label "f0" says {"with" if stated else "without"} pitch, but its weights are '
            f"{'with' if guided else 'without'} pitch"
        )


def _check_names_and_shapes(
    raw: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Before a single number is copied: exactly the expected names, each in its shape."""
    shapes = _folded_shapes(raw)
    missing = [name for name in expected if name not in shapes]
    if missing:
        raise _UnfitError(f"{_quoted(missing[0])} is missing{_others(missing)} from its weights")
    extra = [name for name in shapes if name not in expected]
    if extra:
        raise _UnfitError(f"{_quoted(extra[0])} is unknown{_others(extra)} among its weights")
    for name, shape in shapes.items():
        if shape != expected[name]:
            raise _UnfitError(
                f"{_quoted(name)} has the shape {list(shape)}, but its config asks for "
                f"{list(expected[name])}"
            )


def _folded_shapes(raw: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Names and shapes after folding, found without folding."""
    shapes = {name: tuple(tensor.shape) for name, tensor in raw.items()}
    for folded, (length, direction) in weight_norm_pairs(raw.keys()).items():
        length_shape, shape = shapes.pop(length), shapes.pop(direction)
        if len(shape) != 3:
            raise _UnfitError(f"{_quoted(direction)} has the shape {list(shape)}")
        if length_shape != (shape[0], 1, 1):
            raise _UnfitError(f"{_quoted(length)} has the shape {list(length_shape)}")
        shapes[folded] = shape
    return shapes


def _others(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _quoted(name: object) -> str:
    """A name from the file, fit for a sentence; numbers may be too large to be printed."""
    text = name if isinstance(name, str) else type(name).__name__
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[:100])
    return f'"{clean[:80]}"'
