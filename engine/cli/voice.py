"""``urvc voice`` and ``urvc voices defaults``: what a voice is, and the settings it starts with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from engine.cli.arguments import add_options, chosen_options, path_of
from engine.cli.output import EXIT_OK, shown, table, tell, tell_json
from engine.library.voice_library import VoiceLibrary
from engine.options import voice_options

if TYPE_CHECKING:
    from engine.retrieval.index_file import RetrievalIndex
    from engine.voice import VoiceCard

Row = str | int | bool | None


def add_voice(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc voice``."""
    parser.add_argument("voice", type=path_of, metavar="V.pth")
    parser.add_argument(
        "--index", type=path_of, metavar="X.index", help="check this index against it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_show_voice)


def add_defaults(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc voices defaults``; options that are not given stay as they are."""
    parser.set_defaults(run=_keep_defaults)
    parser.add_argument("voice", metavar="NAME")
    parser.add_argument("--reset", action="store_true", help="forget all others")
    add_options(parser.add_argument_group("settings"), voice_options())


def _show_voice(given: argparse.Namespace) -> int:
    from engine.retrieval.index_file import read_index
    from engine.voice_checkpoint import load_voice

    card = load_voice(given.voice).card
    rows = _card_rows(card)
    if given.index is not None:
        rows |= _index_rows(read_index(given.index, card.feature_channels))
    if given.json:
        tell_json(rows)
    else:
        tell(table([(name, shown(value)) for name, value in rows.items()]))
    return EXIT_OK


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


def _keep_defaults(given: argparse.Namespace) -> int:
    library = VoiceLibrary()
    voice = library.get(given.voice)
    chosen = chosen_options(given, voice_options())
    if chosen or given.reset:
        kept = {} if given.reset else dict(voice.defaults)
        voice = library.set_defaults(voice.id, {**kept, **chosen})
    for name, value in sorted(voice.defaults.items()):
        tell(f"{name.replace('_', ' ')}  {shown(value)}")
    return EXIT_OK
