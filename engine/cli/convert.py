"""``urvc convert``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.audio.names import VIDEO_SUFFIXES
from engine.cli.arguments import (
    add_machine_options,
    add_options,
    chosen_options,
    environment_help,
    machine_config,
    path_of,
)
from engine.cli.key import AUTOMATIC, AutomaticKey
from engine.cli.output import EXIT_FAILED, EXIT_OK, ProgressBar, say, tell, tell_json
from engine.cli.sources import (
    Source,
    find_sources,
    refuse_voice_link,
    result_folder,
    tell_of_others,
    without_results,
)
from engine.errors import OptionError, UserError
from engine.library.archive import VOICE_ENDINGS
from engine.library.installed_voice import InstalledVoice, starter_voice
from engine.options import (
    ConversionOptions,
    ConversionResult,
    FileFormat,
    all_options,
    voice_options,
)
from engine.plain_text import plain

if TYPE_CHECKING:
    from engine.converter import Converter
    from engine.progress import StageProgress
    from engine.voice import VoiceFiles


def add_convert(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc convert``."""
    parser.set_defaults(run=_convert)
    add_files(parser, "INPUT", "source")
    own = {each.name for each in voice_options()}
    voice = parser.add_argument_group("settings that a voice can start with (urvc voices defaults)")
    add_options(voice, voice_options(), words={"semitones": tuple(AUTOMATIC)})
    job = parser.add_argument_group("settings of this conversion")
    add_options(job, [each for each in all_options() if each.name not in own])
    add_machine(parser, "file")


def add_files(
    parser: argparse.ArgumentParser, metavar: str, source: str
) -> argparse._ArgumentGroup:
    """The sources, the voice and where results go; the group of the files."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = environment_help()
    parser.add_argument(
        "inputs", nargs="+", metavar=metavar, help="audio or video file, or a folder of them"
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--voice",
        metavar="V.pth|NAME",
        help="a file, or an installed voice; default: the starter voice",
    )
    files.add_argument("--index", type=path_of, metavar="X.index", help="the voice's own features")
    files.add_argument(
        "--models-dir", type=path_of, metavar="DIR", help="folder of the shared networks"
    )
    single = f"for a single {metavar.lower()}"
    files.add_argument("-o", "--output", type=path_of, metavar="FILE", help=single)
    beside = f"default: beside the {source}"
    files.add_argument("--output-dir", type=path_of, metavar="DIR", help=beside)
    return files


def add_machine(parser: argparse.ArgumentParser, result: str) -> None:
    """How the machine is used, and what is printed."""
    machine = parser.add_argument_group("machine")
    add_machine_options(machine)
    machine.add_argument(
        "--json", action="store_true", help=f"print one JSON object for each {result}"
    )


def conversion_options(given: argparse.Namespace, voice: InstalledVoice) -> ConversionOptions:
    """The voice's defaults, changed by what the command line states."""
    chosen = chosen_options(given, all_options())
    if chosen.get("semitones") in AUTOMATIC:
        chosen["semitones"] = 0.0
    return voice.options(**{**chosen, "file_format": _file_format(given)})


def chosen_voice(text: str | None) -> InstalledVoice:
    """The voice named by ``--voice``: a file if there is one, else an installed voice."""
    if text is None:
        return starter_voice()
    from engine.library.voice_library import VoiceLibrary

    refuse_voice_link(text)
    path = Path(text)
    library = VoiceLibrary()
    looks_like_file = path.suffix.lower() in VOICE_ENDINGS or "/" in text
    if path.is_file() or (looks_like_file and not library.holds(text)):
        return InstalledVoice(id="", name=path.stem, folder=path.parent, weights=path)
    return library.get(text)


def _file_format(given: argparse.Namespace) -> FileFormat:
    """What ``--format`` says, else the ending of ``-o FILE``, else wav."""
    asked: FileFormat | None = given.file_format
    if given.output is None or (given.video and given.output.suffix.lower() in VIDEO_SUFFIXES):
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
    sources = find_sources(given.inputs, given.output_dir)
    for error in sources.errors:
        say(f"urvc: {error}")
    if not sources.files:
        return EXIT_FAILED
    installed = chosen_voice(given.voice)
    if given.output is not None:
        require_one_input(given, sources.files)
    options = conversion_options(given, installed)
    from engine.converter import Converter

    converter = Converter(given.models_dir, machine_config(given))
    voice = voice_files(installed, given.index)
    files = without_results(sources.files, voice.title)
    tell_of_others(sources.others, len(sources.files) - len(files))
    key = automatic_key(given, converter, installed, voice, options)
    succeeded = [_convert_file(converter, each, voice, key or options, given) for each in files]
    return EXIT_OK if all(succeeded) and not sources.errors else EXIT_FAILED


def voice_files(installed: InstalledVoice, index: Path | None = None) -> VoiceFiles:
    """The files of a voice; ``index`` replaces its own."""
    from engine.voice import VoiceFiles

    return VoiceFiles(installed.weights, index or installed.index, installed.name)


def automatic_key(
    given: argparse.Namespace,
    converter: Converter,
    installed: InstalledVoice,
    voice: VoiceFiles,
    options: ConversionOptions,
) -> AutomaticKey | None:
    """What chooses the pitch of each source; None where ``--pitch`` is a number."""
    if given.semitones not in AUTOMATIC:
        return None
    step = AUTOMATIC[given.semitones]
    return AutomaticKey(step, converter, installed, voice, options, given.cancel)


def require_one_input(given: argparse.Namespace, files: list[Source]) -> None:
    """Refuse ``--output`` where it names nothing; what is wrong with the source is said first."""
    if len(given.inputs) == 1 and not files[0].in_folder:
        from engine.audio.reader import probe_audio

        probe_audio(files[0].path)
        if given.output_dir is None:
            return
    raise OptionError(
        "Cannot use --output here",
        "it names the result of a single input",
        "use --output-dir for several inputs",
    )


def _convert_file(
    converter: Converter,
    source: Source,
    voice: VoiceFiles,
    options: ConversionOptions | AutomaticKey,
    given: argparse.Namespace,
) -> bool:
    """Convert a file and print the result; False if it failed."""
    bar = ProgressBar(source.path.name)

    def listen(progress: StageProgress) -> None:
        bar.show(progress.fraction, progress.stage)

    result: ConversionResult | UserError
    semitones = 0.0
    try:
        if isinstance(options, AutomaticKey):
            options = options.options_for(source.path)
        semitones = options.semitones
        with result_folder(given.output_dir, source.folder) as output_dir:
            result = converter.convert_file(
                source.path,
                voice,
                options,
                output=given.output,
                output_dir=output_dir,
                listener=listen,
                cancel=given.cancel,
            )
    except UserError as error:
        result = error
    finally:
        bar.clear()
    return _report(source.path, result, given, semitones)


def _report(
    source: Path,
    result: ConversionResult | UserError,
    given: argparse.Namespace,
    semitones: float,
) -> bool:
    """Print the result of a file; False if it failed."""
    if isinstance(result, UserError):
        say(f"urvc: {result}")
        return False
    for note in result.notes:
        say(f"urvc: {source.name}: {note}")
    if given.json:
        return tell_json({**_as_json(source, result), "semitones": semitones})
    return tell(_summary(source, result))


def _summary(source: Path, result: ConversionResult) -> str:
    names = f"{plain(source.name)} -> {plain(str(result.output_path))}"
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
