"""``urvc benchmark``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.output import EXIT_OK
from engine.device import DEVICE_NAMES
from engine.errors import OptionError, OutputFileError

if TYPE_CHECKING:
    from engine.measure.benchmark import Job

LONGEST_S = 3600.0


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.set_defaults(run=_benchmark)
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="of sound (60)")
    parser.add_argument("--voice", type=Path, metavar="V.pth", help="default: the starter voice")
    parser.add_argument("--index", type=Path, metavar="X.index")
    parser.add_argument("--models-dir", type=Path, metavar="DIR")
    parser.add_argument(
        "--synthetic", action="store_true", help="full-size networks with random weights"
    )
    parser.add_argument(
        "--index-rows", type=int, default=50_000, metavar="N", help="of --synthetic"
    )
    parser.add_argument("--device", choices=DEVICE_NAMES, default="auto")
    parser.add_argument("--flags", metavar="A,B", help="measure only these flags")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the JSON there too")
    parser.add_argument("--chart", type=Path, metavar="FILE.png", help="draw bars there")


def _benchmark(given: argparse.Namespace) -> int:
    if not 1 <= given.seconds <= LONGEST_S or not 8 <= given.index_rows <= 10**6:
        raise OptionError(
            "Cannot measure that",
            f"--seconds must be 1 to {LONGEST_S:g} and --index-rows 8 to 1000000",
            "choose values in these ranges",
        )
    if given.synthetic and given.voice is not None:
        raise OptionError(
            "Cannot use --synthetic with --voice", "it makes a voice of its own", "leave one out"
        )
    for file in (given.save, given.chart):
        if file is not None and not file.parent.is_dir():
            raise OutputFileError(
                f'Cannot save "{file.name}"', "its folder does not exist", "name another folder"
            )
    from engine.measure.benchmark import Job

    if not given.synthetic:
        return _measure(Job(given.seconds, given.voice, given.index, given.models_dir), given)
    from engine.measure.synthetic import write_synthetic_set

    with tempfile.TemporaryDirectory() as folder:
        print("making full-size networks with random weights (0.8 GB) ...", file=sys.stderr)
        voice, index = write_synthetic_set(Path(folder) / "models", given.index_rows)
        return _measure(Job(given.seconds, voice, index, voice.parent), given)


def _measure(job: Job, given: argparse.Namespace) -> int:
    from engine.measure.benchmark import run_benchmark
    from engine.measure.benchmark_report import as_json, as_table, draw_chart, readme_rows

    only = None if given.flags is None else [name.strip() for name in given.flags.split(",")]
    measured = run_benchmark(
        job, given.device, only, tell=lambda name: print(f"measuring: {name} ...", file=sys.stderr)
    )
    told = as_json(measured, job, given.device)
    text = json.dumps(told, indent=1)
    if given.save is not None:
        given.save.write_text(text + "\n", encoding="utf-8")
    if given.chart is not None:
        draw_chart(given.chart, told)
    print(text if given.json else f"{as_table(measured)}\n\nfor the README:\n{readme_rows(told)}")
    return EXIT_OK
