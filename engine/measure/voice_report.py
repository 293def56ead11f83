"""What ``urvc voice`` shows: a voice's card and whether an index belongs to it."""

from __future__ import annotations

from pathlib import Path

from engine.retrieval.index_file import RetrievalIndex, read_index
from engine.voice_card import VoiceCard
from engine.voice_checkpoint import load_voice

Row = str | int | bool | None


def report_voice(voice: Path, index: Path | None) -> dict[str, Row]:
    """The voice's card, name by name, in the order in which it is read.

    Raises
    ------
    VoiceFileError : the voice cannot be used
    IndexFileError : the index cannot be used, or not with this voice
    """
    card = load_voice(voice).card
    rows = _card_rows(card)
    if index is not None:
        rows |= _index_rows(read_index(index, card.feature_channels))
    return rows


def _card_rows(card: VoiceCard) -> dict[str, Row]:
    layer = "last" if card.content_layer is None else f"{card.content_layer}, projected"
    return {
        "file": str(card.path),
        "bytes": card.bytes_on_disk,
        "version": card.version,
        "sample rate (Hz)": card.sample_rate_hz,
        "vocoder": card.vocoder,
        "pitch guided": card.pitch_guided,
        "speakers": card.speakers,
        "speakers trained": card.speakers_trained,
        "content encoder": card.embedder,
        "content layer": layer,
        "content width": card.feature_channels,
        "epochs": card.epochs,
        "steps": card.steps,
        "name": card.model_name,
        "author": card.author,
        "created": card.creation_date,
        "dataset length": card.dataset_length,
        "info": card.info,
        "parameters": card.parameters,
    }


def _index_rows(index: RetrievalIndex) -> dict[str, Row]:
    return {
        "index": str(index.path),
        "index kind": index.kind,
        "index rows": len(index.rows),
        "index fits the voice": True,
    }
