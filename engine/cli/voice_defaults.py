"""``urvc voices defaults``: the settings that an installed voice starts with."""

from __future__ import annotations

import argparse

from engine.cli.output import EXIT_OK, shown
from engine.library.installed_voice import VOICE_OPTIONS
from engine.library.voice_library import VoiceLibrary
from engine.pitch.methods import AUTO, METHODS

_NAMES = {"pitch": "semitones"}
"""Arguments that are called otherwise than their option."""


def add_defaults(parser: argparse.ArgumentParser) -> None:
    """The arguments; what is not given stays as it is."""
    parser.set_defaults(run=_keep)
    parser.add_argument("voice", metavar="NAME")
    parser.add_argument("--pitch", type=float, metavar="SEMITONES")
    parser.add_argument("--index-rate", type=float, metavar="0..1")
    parser.add_argument("--protect", type=float, metavar="0..0.5")
    parser.add_argument("--volume-envelope", type=float, metavar="0..1")
    parser.add_argument("--autotune", type=float, metavar="0..1")
    parser.add_argument("--pitch-method", choices=(AUTO, *METHODS))
    parser.add_argument("--f0-min", dest="f0_min_hz", type=float, metavar="HZ")
    parser.add_argument("--f0-max", dest="f0_max_hz", type=float, metavar="HZ")
    parser.add_argument("--speaker", type=int, metavar="N")
    parser.add_argument("--reset", action="store_true", help="forget all others")


def _keep(given: argparse.Namespace) -> int:
    library = VoiceLibrary()
    voice = library.get(given.voice)
    named = {_NAMES.get(name, name): value for name, value in vars(given).items()}
    chosen = {name: named[name] for name in VOICE_OPTIONS if named[name] is not None}
    if chosen or given.reset:
        kept = {} if given.reset else dict(voice.defaults)
        voice = library.set_defaults(voice.id, {**kept, **chosen})
    for name, value in sorted(voice.defaults.items()):
        print(f"{name.replace('_', ' ')}  {shown(value)}")
    return EXIT_OK
