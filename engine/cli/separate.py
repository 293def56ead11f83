"""``urvc separate``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.arguments import add_options, chosen_options, path_of
from engine.cli.output import EXIT_FAILED, EXIT_OK, ProgressBar, say, tell, tell_json
from engine.cli.sources import Source, find_sources, result_folder, tell_of_others, without_results
from engine.cover.options import COVER_OPTIONS
from engine.errors import UserError
from engine.library.separation_networks import QUALITIES, separation_file
from engine.optimization import FLAGS, resolve
from engine.options import FILE_FORMATS
from engine.paths import models_dir
from engine.plain_text import plain

if TYPE_CHECKING:
    from engine.examination import FirstUse
    from engine.separation.separator import Separator
    from engine.separation.stems import StemFiles

_DEVICE = tuple(flag for flag in FLAGS if flag.name == "device")
_PASSES = tuple(each for each in COVER_OPTIONS if each.name == "one_pass")


def add_separate(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc separate``."""
    parser.set_defaults(run=_separate)
    parser.description = "Write the vocals and the instruments of songs as two files."
    parser.add_argument(
        "inputs", nargs="+", metavar="SONG", help="audio or video file, or a folder of them"
    )
    network = parser.add_mutually_exclusive_group()
    network.add_argument(
        "--quality",
        choices=tuple(QUALITIES),
        default="fast",
        help="fast: a network of 84 MB; best: one of 913 MB, for a GPU (default: fast)",
    )
    network.add_argument(
        "--model",
        type=path_of,
        metavar="FILE",
        help="another network: HTDemucs, Mel-Band RoFormer or BS-RoFormer",
    )
    parser.add_argument(
        "--models-dir", type=path_of, metavar="DIR", help="folder of the shared networks"
    )
    parser.add_argument(
        "--output-dir", type=path_of, metavar="DIR", help="default: beside the song"
    )
    parser.add_argument(
        "--format",
        dest="file_format",
        choices=FILE_FORMATS,
        default="wav",
        help="of the files (default: wav)",
    )
    add_options(parser.add_argument_group("machine"), (*_PASSES, *_DEVICE))
    parser.add_argument("--json", action="store_true", help="print one JSON object for each song")


def _separate(given: argparse.Namespace) -> int:
    sources = find_sources(given.inputs, given.output_dir)
    for error in sources.errors:
        say(f"urvc: {error}")
    if not sources.files:
        return EXIT_FAILED
    path = given.model or separation_file(QUALITIES[given.quality], models_dir(given.models_dir))
    from engine.device import choose_device, describe
    from engine.examination import FirstUse
    from engine.measure.tuning_record import TuningRecord
    from engine.separation.separator import Separator
    from engine.separation.stems import STEM_NAMES

    config = resolve(chosen_options(given, _DEVICE), tuned=TuningRecord().flags)
    device = choose_device(config.device)
    first_use = FirstUse(str(device), describe(device), config)
    separator = Separator.open(path, **chosen_options(given, _PASSES))
    files = without_results(sources.files, *STEM_NAMES)
    tell_of_others(sources.others, len(sources.files) - len(files))
    succeeded = [
        _separate_file(source, separator, first_use, given, half=config.use_fp16)
        for source in files
    ]
    return EXIT_OK if all(succeeded) and not sources.errors else EXIT_FAILED


def _separate_file(
    source: Source,
    separator: Separator,
    first_use: FirstUse,
    given: argparse.Namespace,
    *,
    half: bool,
) -> bool:
    """Separate a file and print the result; False if it failed."""
    from engine.audio.source import clock
    from engine.separation.stems import separate_file

    bar = ProgressBar(source.path.name)

    def listen(done: float, left_s: float | None) -> None:
        bar.show(done, "separate" if left_s is None else f"{clock(left_s)} left")

    try:
        with result_folder(given.output_dir, source.folder) as output_dir:
            result = separate_file(
                source.path,
                separator,
                output_dir=output_dir,
                file_format=given.file_format,
                device=first_use.placement.device_of("separation"),
                half=half,
                record=first_use.record,
                progress=listen,
                cancelled=lambda: given.cancel.cancelled,
            )
    except UserError as error:
        bar.clear()
        say(f"urvc: {error}")
        return False
    finally:
        bar.clear()
    for note in result.notes:
        say(f"urvc: {source.path.name}: {note}")
    if given.json:
        return tell_json(_as_json(source.path, separator, result))
    return tell(_summary(source.path, result))


def _summary(source: Path, result: StemFiles) -> str:
    names = ", ".join(plain(str(path)) for path in result.paths.values())
    return (
        f"{plain(source.name)} -> {names}  ({result.source_s:.1f} s of sound in "
        f"{result.taken_s:.1f} s on {result.device})"
    )


def _as_json(source: Path, separator: Separator, result: StemFiles) -> dict[str, object]:
    return {
        "input": str(source),
        "outputs": {name: str(path) for name, path in result.paths.items()},
        "seconds_in": round(result.source_s, 6),
        "seconds_taken": round(result.taken_s, 3),
        "sample_rate": result.rate_hz,
        "device": result.device,
        "network": {"kind": separator.kind, "file": str(separator.path)},
        "notes": [str(note) for note in result.notes],
    }
