"""``urvc voice``: what a voice file is."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from engine.cli.output import EXIT_OK, shown


def add_voice(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc voice``."""
    parser.add_argument("voice", type=Path, metavar="V.pth")
    parser.add_argument("--index", type=Path, metavar="X.index", help="check this index against it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_show_voice)


def _show_voice(given: argparse.Namespace) -> int:
    from engine.measure.voice_report import report_voice

    rows = report_voice(given.voice, given.index)
    if given.json:
        print(json.dumps(rows))
        return EXIT_OK
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {shown(value)}")
    return EXIT_OK
