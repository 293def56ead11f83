"""What a voice checkpoint says about itself, fit to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.models.synthesizer_sizes import SynthesizerSizes

_LONGEST_TEXT = 200
_LARGEST_COUNT = 10**12


@dataclass(frozen=True)
class VoiceCard:
    """A voice in figures and labels.

    Attributes
    ----------
    version : ``v1`` or ``v2``; a 256-wide ``v1`` takes layer 9 through ``final_proj``, all others
        take the content encoder's last layer
    feature_channels : width of the content features (and of the index)
    speakers : rows of the speaker table; most voices were trained with one of them
    speakers_trained : what the trainer noted, if it did
    embedder : the content encoder's name, ``contentvec`` unless the file says otherwise
    pair_id : binds it to its content encoder and index, see `engine.voice_pairing`
    parameters : numbers in the networks
    bytes_on_disk : size of the file
    """

    path: Path
    version: str
    sample_rate_hz: int
    pitch_guided: bool
    vocoder: str
    speakers: int
    speakers_trained: int | None
    feature_channels: int
    embedder: str
    pair_id: str | None
    epochs: int | None
    steps: int | None
    author: str | None
    model_name: str | None
    creation_date: str | None
    dataset_length: str | None
    info: str | None
    parameters: int
    bytes_on_disk: int

    @property
    def content_layer(self) -> int | None:
        """The content encoder's layer whose output (projected) is meant; None for the last."""
        return 9 if self.version == "v1" and self.feature_channels == 256 else None


def make_card(
    path: Path,
    record: Mapping[str, object],
    version: str,
    sizes: SynthesizerSizes,
    parameters: int,
) -> VoiceCard:
    """The card of a checkpoint whose weights have been checked; odd labels are left out."""
    return VoiceCard(
        path=path,
        version=version,
        sample_rate_hz=sizes.sample_rate_hz,
        pitch_guided=sizes.pitch_guided,
        vocoder=sizes.vocoder.value,
        speakers=sizes.speakers,
        speakers_trained=_count(record.get("speakers_id")),
        feature_channels=sizes.feature_channels,
        embedder=_text(record.get("embedder_model")) or "contentvec",
        pair_id=_text(record.get("pair_id")),
        epochs=_count(record.get("epoch")),
        steps=_count(record.get("step")),
        author=_text(record.get("author")),
        model_name=_text(record.get("model_name")),
        creation_date=_text(record.get("creation_date")),
        dataset_length=_text(record.get("dataset_length")),
        info=_text(record.get("info")),
        parameters=parameters,
        bytes_on_disk=path.stat().st_size,
    )


def _text(value: object) -> str | None:
    """A printable line, or None for what is no text (or only a number)."""
    if isinstance(value, float) or (type(value) is int and abs(value) < _LARGEST_COUNT):
        return str(value)
    if not isinstance(value, str):
        return None
    line = " ".join("".join(c if c.isprintable() else " " for c in value[:1000]).split())
    return line[:_LONGEST_TEXT] if line and line != "None" else None


def _count(value: object) -> int | None:
    """A number of epochs, steps or speakers; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer() and 0 <= value < _LARGEST_COUNT:
        value = int(value)
    return value if type(value) is int and 0 <= value < _LARGEST_COUNT else None
