"""``urvc export``: the networks of a voice for other programs, or for another part of this one."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.cli.arguments import path_of
from engine.cli.convert import chosen_voice
from engine.cli.output import EXIT_OK, ProgressBar, table, tell, tell_json
from engine.errors import OptionError
from engine.paths import models_dir

_MOST_S = 30.0
_COREML_HELP = (
    "Convert the networks of a voice (content encoder, prior and flow, vocoder, and RMVPE's U-Net "
    "where it is installed) to Core ML and write them as packages with a README. Each is compared "
    "with PyTorch first; one that differs is refused, and then nothing is written. Without -o the "
    "content encoder alone is converted, for RVC_COREML_CONTENT in this program and the app. "
    "Needs the Python package coremltools."
)


def add_export(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc export``."""
    formats = parser.add_subparsers(dest="kind", required=True, metavar="FORMAT")
    coreml = formats.add_parser("coreml", help="packages for Core ML", description=_COREML_HELP)
    coreml.set_defaults(run=_export)
    coreml.add_argument("voice", metavar="VOICE", help="a file, or an installed voice")
    coreml.add_argument("-o", "--output", type=path_of, metavar="FOLDER", help="a new folder")
    coreml.add_argument(
        "--seconds",
        type=float,
        default=5.0,
        metavar="S",
        help=f"of sound that a program takes at once, 0.5 to {_MOST_S:g} (default: 5)",
    )
    coreml.add_argument(
        "--precision",
        choices=("float16", "float32"),
        default="float16",
        help="of the numbers (default: float16, which the Neural Engine needs)",
    )
    coreml.add_argument(
        "--models-dir", type=path_of, metavar="DIR", help="folder of the shared networks"
    )
    coreml.add_argument("--json", action="store_true", help="print one JSON object")


def _export(given: argparse.Namespace) -> int:
    if not 0.5 <= given.seconds <= _MOST_S:  # NaN fails too
        raise OptionError(
            f"Cannot use --seconds {given.seconds:g}",
            f"a program takes 0.5 to {_MOST_S:g} seconds",
            "choose a number between",
        )
    voice, models = chosen_voice(given.voice).weights, models_dir(given.models_dir)
    if given.output is None:
        return _prepare(voice, models, given)
    from engine.accelerators.coreml.export import export_voice

    bar = ProgressBar(given.voice)
    names = ("content", "latent", "vocoder", "pitch")
    try:
        found = export_voice(
            voice,
            models,
            given.output,
            seconds=given.seconds,
            half=given.precision == "float16",
            listen=lambda name: bar.show(names.index(name) / len(names), name),
            pause=given.cancel.raise_if_cancelled,
        )
    finally:
        bar.clear()
    records = [each.record() for each in found]
    if given.json:
        tell_json({"folder": str(given.output), "packages": records})
        return EXIT_OK
    rows = [("package", "agreement with PyTorch", "kept from the Neural Engine by")]
    for each in found:
        reasons = ", ".join(each.neural_engine) or "nothing known"
        rows.append((each.file, each.agreement, reasons))
    tell(f"{table(rows)}\n\nWritten to {given.output}")
    return EXIT_OK


def _prepare(voice: Path, models: Path, given: argparse.Namespace) -> int:
    """Convert the content encoder for conversions by this program and the app."""
    from engine.accelerators.coreml.content import BUCKETS
    from engine.accelerators.coreml.export import prepare_content

    bar = ProgressBar(given.voice)
    try:
        prepare_content(
            voice,
            models,
            lambda done: bar.show(done / len(BUCKETS), "content"),
            given.cancel.raise_if_cancelled,
        )
    finally:
        bar.clear()
    seconds = [size / 50 for size in BUCKETS]
    if given.json:
        tell_json({"folder": None, "content_seconds": seconds})
    else:
        lengths = ", ".join(f"{each:g}" for each in seconds)
        tell(f"The content encoder is ready for Core ML, for pieces of {lengths} s.")
    return EXIT_OK
