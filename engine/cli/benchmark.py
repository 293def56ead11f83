"""``urvc benchmark``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from engine.cli.arguments import path_of
from engine.cli.output import EXIT_FAILED, EXIT_OK, say, table, tell
from engine.device import DEVICE_NAMES
from engine.errors import OptionError, OutputFileError
from engine.files import scratch_folder
from engine.paths import models_dir
from engine.stages import CONVERSION_STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.measure.benchmark import Job, Measurement

LONGEST_S = 3600.0


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.set_defaults(run=_benchmark)
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="length of sound (60)"
    )
    parser.add_argument("--voice", type=path_of, metavar="V.pth", help="default: the starter voice")
    parser.add_argument("--index", type=path_of, metavar="X.index")
    parser.add_argument("--models-dir", type=path_of, metavar="DIR")
    parser.add_argument(
        "--synthetic", action="store_true", help="full-size networks with random weights"
    )
    parser.add_argument(
        "--index-rows",
        type=int,
        default=50_000,
        metavar="N",
        help="size of the --synthetic index (default: 50000)",
    )
    parser.add_argument("--device", choices=DEVICE_NAMES, default="auto")
    parser.add_argument("--flags", metavar="A,B", help="measure only these flags")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--save", type=path_of, metavar="FILE", help="write the JSON to this file")
    parser.add_argument(
        "--chart", type=path_of, metavar="FILE.png", help="draw a bar chart to this file"
    )
    parser.add_argument(
        "--report",
        type=path_of,
        metavar="FILE.md",
        help="write the figures, versions and the doctor's findings to this file, without paths",
    )
    parser.add_argument(
        "--takes",
        action="store_true",
        help="how long a first and a second take of a song and of a voice take; full-size "
        "networks with random weights",
    )
    parser.add_argument(
        "--roofline",
        action="store_true",
        help="measure nothing; reckon from the layers' sizes what Apple's GPUs need at least",
    )


def _benchmark(given: argparse.Namespace) -> int:
    if given.roofline:
        return _roofline()
    if not 1 <= given.seconds <= LONGEST_S or not 8 <= given.index_rows <= 10**6:
        raise OptionError(
            "Cannot start the benchmark",
            f"--seconds must be 1 to {LONGEST_S:g} and --index-rows 8 to 1000000",
            "choose values in these ranges",
        )
    if given.synthetic and given.voice is not None:
        raise OptionError(
            "Cannot use --synthetic with --voice",
            "--synthetic makes its own voice",
            "omit one of them",
        )
    for file in (given.save, given.chart, given.report):
        if file is not None and not file.parent.is_dir():
            raise OutputFileError(
                f'Cannot save "{file.name}"', "its folder does not exist", "choose another folder"
            )
    if given.takes:
        return _takes(given)
    from engine.measure.benchmark import Job

    if not given.synthetic:
        return _measure(Job(given.seconds, given.voice, given.index, given.models_dir), given)
    from engine.measure.synthetic import write_synthetic_set

    with scratch_folder() as folder:
        say("creating full-size networks with random weights (0.8 GB) ...")
        voice, index = write_synthetic_set(folder / "models", given.index_rows)
        return _measure(Job(given.seconds, voice, index, voice.parent), given)


def _roofline() -> int:
    from engine.measure.report import as_markdown
    from engine.measure.roofline import as_tables, work_of_parts

    parts, chips = as_tables(work_of_parts())
    head = "Reckoned from the sizes of the layers and public figures of the chips, not measured."
    head += " Full-size v2 voice, 40 kHz, float32:"
    printed = tell("\n\n".join([head, as_markdown(parts), as_markdown(chips)]))
    return EXIT_OK if printed else EXIT_FAILED


def _takes(given: argparse.Namespace) -> int:
    from engine.cover.options import CoverNetworks
    from engine.measure.benchmark import write_sound
    from engine.measure.report import as_markdown
    from engine.measure.synthetic import write_separation_network, write_synthetic_set
    from engine.measure.takes import as_rows, measure_takes
    from engine.optimization import OptimizationConfig
    from engine.voice import VoiceFiles

    config = OptimizationConfig.for_this_machine(given.device)
    with scratch_folder() as folder:
        say("creating full-size networks with random weights (0.9 GB) ...")
        models = folder / "models"
        voice, index = write_synthetic_set(models, given.index_rows)
        network = write_separation_network(models / "separation" / "random.safetensors")
        source = write_sound(folder / "source.wav", given.seconds)
        takes = measure_takes(
            source, VoiceFiles(voice, index), CoverNetworks(network), models, config, folder,
            tell=lambda name: say(f"measuring: {name} ..."),
        )  # fmt: skip
    printed = tell(as_markdown(as_rows(takes)))
    return EXIT_OK if printed else EXIT_FAILED


def _measure(job: Job, given: argparse.Namespace) -> int:
    from engine.measure.benchmark import as_json, draw_chart, run_benchmark
    from engine.measure.report import Benchmark, as_markdown

    only = None if given.flags is None else [name.strip() for name in given.flags.split(",")]
    measured = run_benchmark(
        job, given.device, only, tell=lambda name: say(f"measuring: {name} ...")
    )
    report = as_json(measured, job, given.device)
    text = json.dumps(report, indent=1)
    # First, because a file that cannot be written must not lose minutes of measuring.
    voice = "a file" if given.voice else "synthetic" if given.synthetic else "starter"
    flags = "preset" if only is None else ", ".join(only)
    made = Benchmark(report["machine"], job.seconds, voice, flags, measured)
    rows = f"Rows for the README:\n\n{as_markdown(made.rows())}"
    printed = tell(text if given.json else f"{as_table(measured)}\n\n{rows}")
    if given.save is not None:
        _write(given.save, text + "\n")
    if given.report is not None:
        from engine.measure.doctor import run_checks

        say("examining this machine ...")
        folder = models_dir(job.models_dir)
        private = [folder, *(each.stem for each in (given.voice, given.index) if each)]
        _write(given.report, made.report(run_checks(folder), private))
    if given.chart is not None:
        draw_chart(given.chart, report)
    return EXIT_OK if printed else EXIT_FAILED


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputFileError(
            f'Cannot write "{file.name}"', error.strerror or str(error), "choose another folder"
        ) from error


def as_table(measured: Sequence[Measurement]) -> str:
    """One line for each configuration."""
    stages = [stage.name for stage in CONVERSION_STAGES if stage.counted]
    head = ["", "seconds", "x realtime", "speed-up", "memory", "vs. baseline", *stages]
    return table([head, *(_row(each, stages) for each in measured)], numbers=True)


def _row(each: Measurement, stages: Sequence[str]) -> list[str]:
    level = "identical" if each.difference_db is None else f"{each.difference_db:.1f} dB"
    return [
        each.name,
        f"{each.seconds:.2f}",
        f"{each.realtime:.2f}",
        f"{each.speed_up:.2f}",
        f"{each.peak_memory_bytes / 1e9:.2f} GB",
        level,
        *(f"{each.stage_s.get(stage, 0.0):.2f}" for stage in stages),
    ]
