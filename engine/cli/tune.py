"""``urvc tune``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from engine.cli.arguments import path_of
from engine.cli.convert import chosen_voice
from engine.cli.output import EXIT_OK, ProgressBar, say, table, tell, tell_json
from engine.device import DEVICE_NAMES
from engine.errors import OptionError, OutputFileError
from engine.machine import TUNING_VARIABLE, tuning_dir

if TYPE_CHECKING:
    from engine.measure.tuner import TuningJob
    from engine.measure.tuning_record import Figure, Tuning, TuningProgress

SHORTEST_S, LONGEST_S = 2.0, 60.0


def add_tune(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.set_defaults(run=_tune)
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="length of sound (10)"
    )
    parser.add_argument(
        "--voice",
        metavar="V.pth|NAME",
        help="default: the voice installed last, or full-size networks with random weights",
    )
    parser.add_argument("--index", type=path_of, metavar="X.index")
    parser.add_argument("--models-dir", type=path_of, metavar="DIR")
    parser.add_argument("--device", choices=DEVICE_NAMES, default="auto")
    parser.add_argument(
        "--flags",
        metavar="A,B",
        help="measure only these flags; parts: only by what and how each part runs fastest",
    )
    parser.add_argument(
        "--forget", action="store_true", help="delete the tuning and go back to the presets"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")


def _tune(given: argparse.Namespace) -> int:
    if not SHORTEST_S <= given.seconds <= LONGEST_S:
        raise OptionError(
            "Cannot start tuning",
            f"--seconds must be {SHORTEST_S:g} to {LONGEST_S:g}",
            "choose a value in this range",
        )
    if given.forget:
        return _forget(given)
    from engine.measure.tuner import tune

    job = replace(_job(given), only=_only(given.flags))
    bar = ProgressBar("this machine")
    shown: list[str] = []

    def listen(progress: TuningProgress) -> None:
        left_s = progress.remaining_s
        left = "" if left_s is None else f", about {left_s / 60:.0f} min left"
        value = "" if progress.value is None else f" {progress.value}"
        bar.show(progress.fraction, f"{progress.doing}{value}{left}")
        if not sys.stderr.isatty() and progress.doing not in shown:
            shown.append(progress.doing)
            say(f"{progress.fraction:4.0%}  {progress.doing} ...")

    try:
        tuning = tune(job, listen, given.cancel)
    except OSError as error:
        raise OutputFileError(
            "Cannot save the tuning",
            f'the folder "{tuning_dir()}" cannot be written ({error.strerror or error})',
            f"make it writable, or set {TUNING_VARIABLE} to another folder",
        ) from error
    finally:
        bar.clear()
    if given.json:
        tell_json(asdict(tuning))
    else:
        tell(as_table(tuning))
    return EXIT_OK


def _forget(given: argparse.Namespace) -> int:
    from engine.device import choose_device, device_name
    from engine.measure.tuning_record import TuningRecord

    TuningRecord().forget(device_name(choose_device(given.device)))
    return EXIT_OK


def _job(given: argparse.Namespace) -> TuningJob:
    from engine.measure.tuner import TuningJob

    if given.voice is None:
        if given.index is not None:
            raise OptionError(
                "Cannot use --index without --voice", "an index belongs to a voice", "give both"
            )
        return TuningJob.with_installed_voice(given.seconds, given.device, given.models_dir)
    voice = chosen_voice(given.voice)
    index = given.index or voice.index
    return TuningJob(
        given.seconds, given.device, voice.weights, index, voice.name, given.models_dir
    )


def _only(text: str | None) -> frozenset[str] | None:
    """The flags of ``--flags``.

    Raises
    ------
    OptionError : one that is not measured
    """
    if text is None:
        return None
    from engine.measure.candidates import flags_to_try
    from engine.measure.tuner import PARTS_ALONE

    named = frozenset(name.strip() for name in text.split(","))
    known = [*flags_to_try(""), PARTS_ALONE]
    unknown = sorted(named - set(known))
    if unknown:
        raise OptionError(
            f'Cannot measure the flag "{unknown[0]}"',
            f"the flags that can be measured are {', '.join(known)}",
            "choose from these",
        )
    return named


def as_table(tuning: Tuning) -> str:
    """One line for each value that was tried, and the values that were kept."""
    rows = [["flag", "tried", "before", "seconds", "gain", "vs. plain CPU", ""]]
    rows += [_row(figure) for figure in tuning.figures]
    voice = "full-size networks with random weights"
    head = f"{tuning.device}: {tuning.clip_s:g} s of speech, "
    head += voice if tuning.voice == "synthetic" else f'the voice "{tuning.voice}"'
    flags = ", ".join(f"{name}={shown_value(value)}" for name, value in tuning.flags.items())
    kept = [f"kept: {flags}", *(f"note: {sentence}" for sentence in tuning.on_cpu)]
    kept += tuning.parts
    measured = [table(rows), ""] if tuning.figures else []
    return "\n".join([head, "", *measured, *kept])


def _row(figure: Figure) -> list[str]:
    timed = figure.seconds is not None and figure.before_s is not None
    level = "identical" if figure.difference_db is None else f"{figure.difference_db:.0f} dB"
    why = "kept" if figure.kept else f"not kept: {figure.reason}"
    if figure.reason == "different sound":
        why += f", at least {figure.least_db:.0f} dB required"
    if figure.detail:
        why += f" ({figure.detail})"
    return [
        figure.flag,
        shown_value(figure.value),
        shown_value(figure.before),
        f"{figure.before_s:.2f} -> {figure.seconds:.2f}" if timed else "-",
        "-" if figure.gain is None else f"{figure.gain:+.0%}",
        "-" if figure.reason == "failed" else level,
        why,
    ]


def shown_value(value: Any) -> str:
    """A flag's value as written in an environment variable."""
    text = str(value)
    return (text.lower() if isinstance(value, bool) else text) or "none"
