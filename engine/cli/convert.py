"""``urvc convert``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.machine import add_machine_options, machine_config
from engine.cli.output import EXIT_FAILED, EXIT_OK, ProgressBar, one_line, tell
from engine.errors import DeviceError, OptionError, UserError
from engine.library.installed_voice import InstalledVoice, starter_entry
from engine.library.source_file import VOICE_ENDINGS
from engine.library.voice_library import VoiceLibrary
from engine.options import FILE_FORMATS, SUBTYPES, ConversionOptions, ConversionResult, FileFormat
from engine.pitch.methods import AUTO, METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.converter import Converter
    from engine.progress import StageProgress
    from engine.voice import VoiceFiles


def add_convert(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc convert``; what is not given is left to the voice, then to us."""
    parser.set_defaults(run=_convert)
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="audio or video file")
    voice = parser.add_argument_group("voice")
    voice.add_argument(
        "--voice",
        metavar="V.pth|NAME",
        help="a file, or an installed voice; without it: the starter voice",
    )
    voice.add_argument("--index", type=Path, metavar="X.index", help="the voice's own features")
    voice.add_argument("--speaker", type=int, metavar="N")
    voice.add_argument(
        "--models-dir", type=Path, metavar="DIR", help="folder of the shared weights"
    )

    result = parser.add_argument_group("result")
    result.add_argument("-o", "--output", type=Path, metavar="FILE", help="for a single input")
    result.add_argument("--output-dir", type=Path, metavar="DIR", help="default: beside the source")
    result.add_argument("--format", choices=FILE_FORMATS, help="default: by FILE's name, else wav")
    result.add_argument("--subtype", choices=SUBTYPES, help="sample format of wav, flac and aiff")
    result.add_argument("--sample-rate", type=int, metavar="HZ", help="default: the voice's own")
    result.add_argument("--stereo", action="store_true", help="keep two channels")
    result.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")

    sound = parser.add_argument_group("sound")
    sound.add_argument("--pitch", type=float, metavar="SEMITONES")
    sound.add_argument("--index-rate", type=float, metavar="0..1")
    sound.add_argument("--protect", type=float, metavar="0..0.5")
    sound.add_argument(
        "--volume-envelope",
        type=float,
        metavar="0..1",
        help="1 keeps the voice's loudness, 0 follows the source's",
    )
    sound.add_argument("--autotune", type=float, metavar="0..1")
    sound.add_argument(
        "--pitch-method", choices=(AUTO, *METHODS), help="default: the best that is installed"
    )
    sound.add_argument("--f0-file", type=Path, metavar="CSV", help="pitch curve: seconds,hz")
    sound.add_argument("--f0-min", type=float, metavar="HZ")
    sound.add_argument("--f0-max", type=float, metavar="HZ")
    sound.add_argument("--seed", type=int, metavar="N", help="of the noise")
    sound.add_argument("--noise", choices=("on", "off"), default="on")

    machine = parser.add_argument_group("machine")
    add_machine_options(machine)
    machine.add_argument("--json", action="store_true", help="print one JSON object a file")


def _conversion_options(given: argparse.Namespace, voice: InstalledVoice) -> ConversionOptions:
    """Options of this command; of those that were not given, the voice's defaults."""
    sound = {
        "semitones": given.pitch,
        "index_rate": given.index_rate,
        "protect": given.protect,
        "volume_envelope": given.volume_envelope,
        "pitch_method": given.pitch_method,
        "f0_min_hz": given.f0_min,
        "f0_max_hz": given.f0_max,
        "autotune": given.autotune,
        "speaker": given.speaker,
        "seed": given.seed,
    }
    return voice.options(
        **{name: value for name, value in sound.items() if value is not None},
        f0_file=given.f0_file,
        noise=given.noise == "on",
        stereo=given.stereo,
        output_rate_hz=given.sample_rate,
        file_format=_file_format(given),
        subtype=given.subtype,
        overwrite=given.overwrite,
    )


def chosen_voice(given: argparse.Namespace) -> InstalledVoice:
    """The voice that ``--voice`` means: a file first, then an installed one."""
    text: str | None = given.voice
    if text is None:
        return starter_entry()
    path = Path(text)
    if path.is_file() or path.suffix.lower() in VOICE_ENDINGS or "/" in text:
        return InstalledVoice(id="", name=path.stem, folder=path.parent, weights=path)
    return VoiceLibrary().get(text)


def _file_format(given: argparse.Namespace) -> FileFormat:
    """What ``--format`` says, else the ending of ``-o FILE``, else wav."""
    asked: FileFormat | None = given.format
    if given.output is None:
        return asked or "wav"
    from engine.audio.writer import file_format_of

    named = file_format_of(given.output)
    if asked in (None, named):
        return named
    raise OptionError(
        f'Cannot write "{given.output.name}"',
        f"its ending asks for {named}, but --format says {asked}",
        "leave one of the two out",
    )


def _convert(given: argparse.Namespace) -> int:
    installed = chosen_voice(given)
    options = _conversion_options(given, installed)
    if given.output is not None and (len(given.inputs) > 1 or given.output_dir is not None):
        raise OptionError(
            "Cannot use --output here",
            "it names one file, for one input",
            "use --output-dir alone for several inputs",
        )
    from engine.converter import Converter
    from engine.file_conversion import groups_of_files
    from engine.voice import VoiceFiles

    converter = Converter(given.models_dir, machine_config(given))
    voice = VoiceFiles(installed.weights, given.index or installed.index, installed.name)
    groups = groups_of_files(given.inputs, converter.optimization.batch_size)
    well = [_convert_group(converter, group, voice, options, given) for group in groups]
    return EXIT_OK if all(well) else EXIT_FAILED


def _convert_group(
    converter: Converter,
    sources: list[Path],
    voice: VoiceFiles,
    options: ConversionOptions,
    given: argparse.Namespace,
) -> bool:
    """Convert files together and say how it went; a failure keeps no other file waiting."""
    others = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    bar = ProgressBar(one_line(sources[0].name) + others)

    def listen(progress: StageProgress) -> None:
        bar.show(progress.fraction, progress.stage)

    results: Sequence[ConversionResult | UserError]
    try:
        if given.output is not None:
            (source,) = sources
            results = [
                converter.convert_file(source, voice, options, output=given.output, listener=listen)
            ]
        else:
            results = converter.convert_files(
                sources, voice, options, output_dir=given.output_dir, listener=listen
            )
    except DeviceError as error:
        if len(sources) > 1:  # alone they may find memory enough
            bar.clear()
            return all([_convert_group(converter, [e], voice, options, given) for e in sources])  # noqa: C419
        results = [error]
    except UserError as error:  # of the voice
        results = [error]
    finally:
        bar.clear()
    return all([_told(*pair, given) for pair in zip(sources, results, strict=False)])  # noqa: C419


def _told(source: Path, result: ConversionResult | UserError, given: argparse.Namespace) -> bool:
    """Say how a file went; whether it went well."""
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
        "notes": list(result.notes),
    }
