"""A voice: its files, what its checkpoint says about itself, and what it was trained together with.

A voice, its content encoder and its index may carry one id. Community files carry none. Where sizes
differ, loading refuses a mixture by itself; the id is for files of equal sizes, which would give
noise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.errors import IndexFileError, Text, VoiceFileError, WeightsError
from engine.files import read_small_file
from engine.paths import (
    CONFIG_FILE,
    OTHER_ENCODERS,
    advised,
    content_encoder_path,
    starter_dir,
)

if TYPE_CHECKING:
    from engine.models.synthesizer_sizes import SynthesizerSizes

_MAX_TEXT_CHARS = 200
_MAX_COUNT = 10**12
_MAX_CONFIG_BYTES = 1_000_000
_LOWEST_MEDIAN_HZ, _HIGHEST_MEDIAN_HZ = 40.0, 1000.0
_PAIR_ID_ROWS = 64
_PAIR_ID_DIGITS = 16
_OWN_INDEX = "choose the index that came with the voice, or none"


@dataclass(frozen=True)
class VoiceFiles:
    """The files of a voice.

    Attributes
    ----------
    weights : the ``.pth``, or the library's ``voice.safetensors``
    index : the ``.index`` that came with it, if any
    name : for the names of results; None takes the name of the file
    """

    weights: Path
    index: Path | None = None
    name: str | None = None

    @property
    def title(self) -> str:
        """For lists; also the beginning of the names of results."""
        return self.name or self.weights.stem


def starter_voice() -> VoiceFiles:
    """The voice that ships with the program."""
    folder = starter_dir()
    return VoiceFiles(folder / "voice.pth", folder / "starter.index", "Starter")


@dataclass(frozen=True)
class VoiceCard:
    """What a voice's checkpoint says about the voice, fit to be shown.

    Attributes
    ----------
    version : ``v1`` or ``v2``; a 256-wide ``v1`` takes layer 9 through ``final_proj``, all others
        take the content encoder's last layer
    feature_channels : width of the content features (and of the index)
    speakers : rows of the speaker table; most voices use only one of them
    speakers_trained : as the trainer noted it, if it did
    embedder : the content encoder's name, ``contentvec`` unless the file says otherwise
    pair_id : shared with its content encoder and index; None for community files
    f0_median_hz : median pitch of the training data, as some trainers note it
    parameters : numbers in the networks
    bytes_on_disk : size of the file
    notes : sentences about labels that contradict the weights
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
    f0_median_hz: float | None = None
    notes: tuple[Text, ...] = ()

    @property
    def content_layer(self) -> int | None:
        """The content encoder's layer whose projected output the voice takes; None: the last."""
        return 9 if self.version == "v1" and self.feature_channels == 256 else None


def make_card(
    path: Path,
    record: Mapping[str, object],
    version: str,
    sizes: SynthesizerSizes,
    parameters: int,
    notes: tuple[Text, ...] = (),
) -> VoiceCard:
    """The card of a checkpoint whose weights have been checked; unusable labels are left out."""
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
        f0_median_hz=_hz(record.get("f0_median")),
        notes=notes,
    )


def _text(value: object) -> str | None:
    """A printable line; None for anything that is neither a text nor a number."""
    if isinstance(value, float) or (type(value) is int and abs(value) < _MAX_COUNT):
        return str(value)
    if not isinstance(value, str):
        return None
    line = " ".join("".join(c if c.isprintable() else " " for c in value[:1000]).split())
    return line[:_MAX_TEXT_CHARS] if line and line != "None" else None


def _count(value: object) -> int | None:
    """A number of epochs, steps or speakers; None for any other value."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer() and 0 <= value < _MAX_COUNT:
        value = int(value)
    return value if type(value) is int and 0 <= value < _MAX_COUNT else None


def _hz(value: object) -> float | None:
    """A pitch that a voice can have; None for any other value."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    return float(number) if _LOWEST_MEDIAN_HZ <= number <= _HIGHEST_MEDIAN_HZ else None


def index_pair_id(rows: NDArray[np.float32]) -> str:
    """The id that an index gives: the digest of its first rows, in whatever file they are."""
    first = np.ascontiguousarray(rows[:_PAIR_ID_ROWS], np.float32)
    return hashlib.sha256(first.tobytes()).hexdigest()[:_PAIR_ID_DIGITS]


def encoder_pair_id(path: Path) -> str | None:
    """The id in a content encoder's ``config.json``; None without one, or for a single file."""
    try:
        config = json.loads(read_small_file(path / CONFIG_FILE, _MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    found = config.get("pair_id") if isinstance(config, dict) else None
    return found if isinstance(found, str) else None


def find_encoder(card: VoiceCard, models_folder: Path) -> Path:
    """Where the voice's content encoder lies, for `engine.loading.load_content_encoder`.

    Raises
    ------
    WeightsError : it is one of its own and is not there
    """
    path = content_encoder_path(card.embedder, models_folder)
    if path == models_folder or (path / CONFIG_FILE).is_file():
        return path
    advice = (
        advised(
            Text('fetch it with "urvc models download {name}"', name=path.name),
            Text("download {name} in Settings › Models", name=path.name),
        )
        if path.name in OTHER_ENCODERS
        else Text(
            "get its {config} and weights from the voice's author and put them into that folder",
            config=CONFIG_FILE,
        )
    )
    raise WeightsError(
        Text('Cannot find the content encoder "{name}"', name=path.name),
        Text('the voice was trained with it, and it is not in "{folder}"', folder=path),
        advice,
    )


def check_encoder(card: VoiceCard, path: Path) -> None:
    """Refuse a content encoder that belongs to another voice.

    Raises
    ------
    VoiceFileError : only one of them has an id, or they differ
    """
    if encoder_pair_id(path) != card.pair_id:
        raise VoiceFileError(
            Text('Cannot use the voice "{name}"', name=card.path.name),
            Text('it was not trained with the content encoder in "{folder}"', folder=path.name),
            "install the content encoder it was trained with",
        )


def check_index(card: VoiceCard, rows: NDArray[np.float32], path: Path) -> None:
    """Refuse an index that belongs to another voice.

    Raises
    ------
    IndexFileError : the voice's id is another one, or it has none and this is the starter's index
    """
    what = Text('Cannot use the index "{name}"', name=path.name)
    found = index_pair_id(rows)
    if card.pair_id is not None and found != card.pair_id:
        why = Text('it was not made with the voice "{voice}"', voice=card.path.name)
        raise IndexFileError(what, why, _OWN_INDEX)
    if card.pair_id is None and found == encoder_pair_id(starter_dir() / "encoder"):
        why = Text('it belongs to the starter voice, not to "{voice}"', voice=card.path.name)
        raise IndexFileError(what, why, _OWN_INDEX)
