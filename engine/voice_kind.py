"""Which kind of voice a checkpoint holds: its weights decide, labels that contradict are noted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from engine.checkpoint import plain_names, quoted
from engine.errors import Text
from engine.models.synthesizer_sizes import Vocoder
from engine.paths import encoder_name
from engine.voice_config import UnfitError
from engine.voice_record import is_simple

EXPORT = (
    "ask for the small voice file (about 55 MB), or export it in the trainer (RVC WebUI: ckpt "
    "Processing › Model extraction; Applio saves it as NAME_200e_4000s.pth)"
)

_V1_FEATURES = 256
_VERSION = re.compile(r"(rvc)?[ _-]*v?[ _-]*([12])(\.0)?", re.IGNORECASE)
_VOCODERS = {
    "hifigan": (Vocoder.PLAIN, Vocoder.NSF),
    "nsfhifigan": (Vocoder.NSF,),
    "default": (Vocoder.PLAIN, Vocoder.NSF),
    "mrfhifigan": (Vocoder.MRF,),
    "refinegan": (Vocoder.REFINE_DIRECT, Vocoder.REFINE_CHAINED),
}
"""By their labels, without case and signs."""

_LABELS = {
    Vocoder.PLAIN: "HiFi-GAN",
    Vocoder.NSF: "HiFi-GAN",
    Vocoder.MRF: "MRF HiFi-GAN",
    Vocoder.REFINE_DIRECT: "RefineGAN",
    Vocoder.REFINE_CHAINED: "RefineGAN",
}
_FOREIGN_PARTS = {
    "conformers": "RingFormer",
    "backbone": "ChouwaGAN",
    "har_convs": "PCPH-GAN",
}
"""Parts of vocoders that cannot be played here, by which trainers' forks tell them apart."""

_PITCH_LABELS: dict[str | int, bool] = {0: False, 1: True, "0": False, "1": True}


def refuse_other_kinds(record: Mapping[str, object]) -> None:
    """Name what is not a finished voice of a known lineage.

    Raises
    ------
    UnfitError : training checkpoints, base models, other networks, other programs' voices
    """
    version = record.get("version")
    if isinstance(version, str) and version == "voras_beta":
        raise UnfitError('it is a "voras_beta" voice, which needs other networks')
    if "weight" not in record:
        raise _without_weight(record)
    if "config" not in record:
        raise UnfitError("its config (the sizes of its networks) is missing", EXPORT)
    if isinstance(record["config"], dict):
        raise UnfitError("it is a voice of another program (its config is a table of settings)")


def _without_weight(record: Mapping[str, object]) -> UnfitError:
    """What a file without ``weight`` is, by the names in it."""
    table = record.get("model", record)
    names = plain_names(table).keys() if isinstance(table, dict) else ()
    if any(name.startswith("discriminator") for name in names):
        return UnfitError("it is a discriminator (D_), which only training needs", EXPORT)
    if "model" in record and "optimizer" in record:
        return UnfitError("it is a training checkpoint (G_ or D_), not a finished voice", EXPORT)
    if any(name.startswith(("enc_p.", "dec.")) for name in names):
        return UnfitError("it is a base model or training file, not a finished voice", EXPORT)
    network = "it is a network that voices share, not a voice"
    place = "choose the voice itself; networks are added in Settings › Models"
    if any(name.startswith(("unet.encoder.", "feature_extractor.conv_layers.")) for name in names):
        return UnfitError(network, place)
    return UnfitError('it does not contain a voice (there is no "weight" in it)')


def version_of(
    record: Mapping[str, object], width: int, notes: list[Text], labels: dict[str, object]
) -> str:
    """``v1`` or ``v2``, by the width of the features and, where that leaves both, the label.

    Parameters
    ----------
    notes, labels : receive what the user should know, and the label as it should have been
    """
    label = record.get("version")
    shown = str(label) if is_simple(label) and not isinstance(label, bool) else ""
    match = _VERSION.fullmatch(shown[:20].strip())
    stated = f"v{match[2]}" if match else None
    version = "v1" if width == _V1_FEATURES else "v2"
    if version == "v1" and stated == "v2" and not _is_usual(record):
        version = "v2"  # another content encoder's last layer may be as wide
    if label is not None and stated != version:
        notes.append(
            Text(
                "the voice is labelled as version {label}, but its weights are those of {version}; "
                "the weights count",
                label=name_in_file(label),
                version=version,
            )
        )
    if label is not None and label != version:
        labels["version"] = version
    return version


def _is_usual(record: Mapping[str, object]) -> bool:
    """Whether the voice was trained with ContentVec, whose last layer is 768 wide."""
    embedder = record.get("embedder_model")
    known = not isinstance(embedder, str) or encoder_name(embedder) is None
    return known and record.get("pair_id") is None


def vocoder_of(
    record: Mapping[str, object],
    raw: Mapping[str, Tensor],
    notes: list[Text],
    labels: dict[str, object],
) -> Vocoder:
    """The vocoder by the names of the weights.

    Parameters
    ----------
    notes, labels : as in `version_of`

    Raises
    ------
    UnfitError : it cannot be played here; named as far as the file tells
    """
    parts = {name.split(".")[1] for name in raw if name.startswith("dec.") and name.count(".") > 1}
    for part, name in _FOREIGN_PARTS.items():
        if part in parts:
            raise foreign_vocoder(record, name)
    vocoder = _vocoder_with(parts, raw)
    label = _vocoder_label(record)
    if label is None:
        return vocoder
    if vocoder not in _VOCODERS.get(_plain(label), ()):
        notes.append(
            Text(
                "the voice is labelled with the vocoder {label}, but its weights are those of "
                '"{vocoder}"; the weights count',
                label=quoted(label),
                vocoder=vocoder.value,
            )
        )
        labels["vocoder"] = _LABELS[vocoder]
    return vocoder


def has_foreign_label(record: Mapping[str, object]) -> bool:
    """Whether the label names a vocoder that cannot be played here."""
    label = _vocoder_label(record)
    return label is not None and _plain(label) not in _VOCODERS


def foreign_vocoder(record: Mapping[str, object], name: str = "") -> UnfitError:
    """Why a voice with such a vocoder cannot be used; the label is the better name."""
    shown = _vocoder_label(record) if has_foreign_label(record) else name
    return UnfitError(
        Text(
            "its vocoder is {vocoder}, which cannot be played here", vocoder=quoted(shown or name)
        ),
        "choose a voice with HiFi-GAN, MRF HiFi-GAN or RefineGAN, or use the program that made it",
    )


def check_pitch(
    record: Mapping[str, object],
    vocoder: Vocoder,
    notes: list[Text],
    labels: dict[str, object],
    *,
    guided: bool,
) -> None:
    """Compare the prior, the vocoder and the label: do they take pitch?

    Parameters
    ----------
    notes, labels : as in `version_of`
    guided : whether the prior does

    Raises
    ------
    UnfitError : prior and vocoder differ
    """
    if guided != (vocoder is not Vocoder.PLAIN):
        raise UnfitError("only one of its prior and its vocoder takes pitch")
    label = record.get("f0")
    stated = _PITCH_LABELS.get(label) if isinstance(label, str | int) else None
    if stated is not None and stated != guided:
        notes.append(
            Text(
                "the voice is labelled as one without pitch, but its weights take pitch; the "
                "weights count"
                if guided
                else "the voice is labelled as one with pitch, but its weights take no pitch; the "
                "weights count"
            )
        )
        labels["f0"] = int(guided)


def name_in_file(value: object) -> str:
    """A name or label from the file, safe to show; other objects may be too large to print."""
    shown = isinstance(value, str) or is_simple(value)
    return quoted(str(value) if shown else type(value).__name__)


def _vocoder_label(record: Mapping[str, object]) -> str | None:
    label = record.get("vocoder")
    return label if isinstance(label, str) and _plain(label) not in ("", "none") else None


def _plain(label: str) -> str:
    return re.sub(r"[^a-z0-9]", "", label[:100].lower())


def _vocoder_with(parts: set[str], raw: Mapping[str, Tensor]) -> Vocoder:
    if "mrfs" in parts:
        return Vocoder.MRF
    if "mel_conv" in parts or "downsample_blocks" in parts:
        direct = [name for name in raw if name.startswith("dec.downsample_blocks.1.weight")]
        chained = any(raw[name].dim() == 3 and raw[name].shape[1] > 1 for name in direct)
        return Vocoder.REFINE_CHAINED if chained else Vocoder.REFINE_DIRECT
    if "m_source" in parts or "noise_convs" in parts:
        return Vocoder.NSF
    return Vocoder.PLAIN
