"""``urvc convert``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.arguments import (
    add_machine_options,
    add_options,
    chosen_options,
    environment_help,
    machine_config,
)
from engine.cli.output import EXIT_FAILED, EXIT_OK, ProgressBar, one_line, tell
from engine.errors import OptionError, UserError
from engine.library.archive import VOICE_ENDINGS
from engine.library.installed_voice import InstalledVoice, starter_voice
from engine.library.voice_library import VoiceLibrary
from engine.options import (
    ConversionOptions,
    ConversionResult,
    FileFormat,
    all_options,
    voice_options,
)

if TYPE_CHECKING:
    from engine.converter import Converter
    from engine.progress import StageProgress
    from engine.voice import VoiceFiles


def add_convert(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc convert``."""
    parser.set_defaults(run=_convert)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = environment_help()
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="audio or video file")
    files = parser.add_argument_group("files")
    files.add_argument(
        "--voice",
        metavar="V.pth|NAME",
        help="a file, or an installed voice; default: the starter voice",
    )
    files.add_argument("--index", type=Path, metavar="X.index", help="the voice's own features")
    files.add_argument(
        "--models-dir", type=Path, metavar="DIR", help="folder of the shared networks"
    )
    files.add_argument("-o", "--output", type=Path, metavar="FILE", help="for a single input")
    files.add_argument("--output-dir", type=Path, metavar="DIR", help="default: beside the source")
    own = {each.name for each in voice_options()}
    voice = parser.add_argument_group("settings that a voice can start with (urvc voices defaults)")
    add_options(voice, voice_options())
    job = parser.add_argument_group("settings of this conversion")
    add_options(job, [each for each in all_options() if each.name not in own])
    machine = parser.add_argument_group("machine")
    add_machine_options(machine)
    machine.add_argument("--json", action="store_true", help="print one JSON object for each file")


def _conversion_options(given: argparse.Namespace, voice: InstalledVoice) -> ConversionOptions:
    """The voice's defaults, changed by what the command line states."""
    chosen = chosen_options(given, all_options())
    return voice.options(**{**chosen, "file_format": _file_format(given)})


def chosen_voice(given: argparse.Namespace) -> InstalledVoice:
    """The voice named by ``--voice``: a file if there is one, else an installed voice."""
    text: str | None = given.voice
    if text is None:
        return starter_voice()
    path = Path(text)
    if path.is_file() or path.suffix.lower() in VOICE_ENDINGS or "/" in text:
        return InstalledVoice(id="", name=path.stem, folder=path.parent, weights=path)
    return VoiceLibrary().get(text)


def _file_format(given: argparse.Namespace) -> FileFormat:
    """What ``--format`` says, else the ending of ``-o FILE``, else wav."""
    asked: FileFormat | None = given.file_format
    if given.output is None:
        return asked or "wav"
    from engine.audio.writer import file_format_of

    named = file_format_of(given.output)
    if asked in (None, named):
        return named
    raise OptionError(
        f'Cannot write "{given.output.name}"',
        f"its ending means {named}, but --format is {asked}",
        "give only one of the two",
    )


def _convert(given: argparse.Namespace) -> int:
    installed = chosen_voice(given)
    options = _conversion_options(given, installed)
    if given.output is not None and (len(given.inputs) > 1 or given.output_dir is not None):
        raise OptionError(
            "Cannot use --output here",
            "it names the result of a single input",
            "use --output-dir for several inputs",
        )
    from engine.converter import Converter
    from engine.voice import VoiceFiles

    converter = Converter(given.models_dir, machine_config(given))
    voice = VoiceFiles(installed.weights, given.index or installed.index, installed.name)
    succeeded = [_convert_file(converter, source, voice, options, given) for source in given.inputs]
    return EXIT_OK if all(succeeded) else EXIT_FAILED


def _convert_file(
    converter: Converter,
    source: Path,
    voice: VoiceFiles,
    options: ConversionOptions,
    given: argparse.Namespace,
) -> bool:
    """Convert a file and print the result; False if it failed."""
    bar = ProgressBar(one_line(source.name))

    def listen(progress: StageProgress) -> None:
        bar.show(progress.fraction, progress.stage)

    result: ConversionResult | UserError
    try:
        result = converter.convert_file(
            source,
            voice,
            options,
            output=given.output,
            output_dir=given.output_dir,
            listener=listen,
        )
    except UserError as error:
        result = error
    finally:
        bar.clear()
    return _report(source, result, given)


def _report(source: Path, result: ConversionResult | UserError, given: argparse.Namespace) -> bool:
    """Print the result of a file; False if it failed."""
    if isinstance(result, UserError):
        print(f"urvc: {result}", file=sys.stderr)
        return False
    for note in result.notes:
        print(f"urvc: {one_line(source.name)}: {note}", file=sys.stderr)
    return tell(json.dumps(_as_json(source, result)) if given.json else _summary(source, result))


def _summary(source: Path, result: ConversionResult) -> str:
    names = f"{one_line(source.name)} -> {one_line(str(result.output_path))}"
    return (
        f"{names}  ({result.source_s:.1f} s of sound in "
        f"{result.taken_s:.1f} s, {result.realtime_factor:.2f} x realtime on {result.device})"
    )


def _as_json(source: Path, result: ConversionResult) -> dict[str, object]:
    return {
        "input": str(source),
        "output": str(result.output_path),
        "seconds_in": round(result.source_s, 6),
        "seconds_taken": round(result.taken_s, 3),
        "realtime_factor": round(result.realtime_factor, 3),
        "stage_seconds": {stage: round(seconds, 4) for stage, seconds in result.stage_s.items()},
        "sample_rate": result.rate_hz,
        "device": result.device,
        "peak_memory_bytes": result.peak_memory_bytes,
        "notes": [str(note) for note in result.notes],
    }
