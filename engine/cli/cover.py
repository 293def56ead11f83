"""``urvc cover``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.arguments import (
    add_options,
    chosen_options,
    machine_config,
)
from engine.cli.convert import (
    add_files,
    add_machine,
    automatic_key,
    chosen_voice,
    conversion_options,
    require_one_input,
    voice_files,
)
from engine.cli.key import AUTOMATIC, AutomaticKey
from engine.cli.output import EXIT_FAILED, EXIT_OK, ProgressBar, say, tell, tell_json
from engine.cli.sources import Source, find_sources, result_folder, tell_of_others, without_results
from engine.cover.options import COVER_OPTIONS, CoverOptions
from engine.errors import UserError
from engine.library.separation_networks import cover_networks
from engine.options import ConversionOptions, all_options
from engine.paths import models_dir
from engine.plain_text import plain

if TYPE_CHECKING:
    from engine.cover.cover import Cover, CoverResult
    from engine.progress import StageProgress
    from engine.voice import VoiceFiles


def add_cover(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc cover``."""
    parser.set_defaults(run=_cover)
    parser.description = "Sing whole songs in another voice."
    files = add_files(parser, "SONG", "song")
    files.add_argument(
        "--backing-voice", metavar="V.pth|NAME", help="for --backing convert; default: --voice"
    )
    add_options(parser.add_argument_group("settings of the cover"), COVER_OPTIONS)
    add_options(
        parser.add_argument_group("settings of the conversion"),
        all_options(),
        words={"semitones": tuple(AUTOMATIC)},
    )
    add_machine(parser, "song")


def _cover(given: argparse.Namespace) -> int:
    sources = find_sources(given.inputs, given.output_dir)
    for error in sources.errors:
        say(f"urvc: {error}")
    if not sources.files:
        return EXIT_FAILED
    cover = CoverOptions(**chosen_options(given, COVER_OPTIONS))
    installed = chosen_voice(given.voice)
    backing = voice_files(chosen_voice(given.backing_voice)) if given.backing_voice else None
    if given.output is not None:
        require_one_input(given, sources.files)
    options = conversion_options(given, installed)
    networks = cover_networks(cover, models_dir(given.models_dir))
    from engine.converter import Converter
    from engine.cover.cover import Cover
    from engine.separation.stems import STEM_NAMES

    converter = Converter(given.models_dir, machine_config(given))
    voice = voice_files(installed, given.index)
    key = automatic_key(given, converter, installed, voice, options)
    stems = STEM_NAMES if cover.source_kind == "song" else ()
    files = without_results(sources.files, voice.title, *stems)
    tell_of_others(sources.others, len(sources.files) - len(files))
    job = _Job(Cover(converter, networks), voice, options, cover, backing, key)
    succeeded = [_cover_file(job, source, given) for source in files]
    return EXIT_OK if all(succeeded) and not sources.errors else EXIT_FAILED


@dataclass(frozen=True)
class _Job:
    """What all songs of a command have in common."""

    made_by: Cover
    voice: VoiceFiles
    options: ConversionOptions
    cover: CoverOptions
    backing: VoiceFiles | None
    key: AutomaticKey | None


def _cover_file(job: _Job, source: Source, given: argparse.Namespace) -> bool:
    """Make the cover of a song and print the result; False if it failed."""
    bar = ProgressBar(source.path.name)
    key = job.key

    def listen(progress: StageProgress) -> None:
        bar.show(progress.fraction, progress.stage)

    try:
        with result_folder(given.output_dir, source.folder) as output_dir:
            result = job.made_by.make(
                source.path,
                job.voice,
                job.options,
                job.cover,
                backing_voice=job.backing,
                choose_key=None if key is None else partial(key.semitones_for, source.path),
                output=given.output,
                output_dir=output_dir,
                listener=listen,
                cancel=given.cancel,
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
        return tell_json(_as_json(source.path, result))
    return tell(_summary(source.path, result))


def _summary(source: Path, result: CoverResult) -> str:
    names = ", ".join(plain(str(path)) for path in (result.output_path, *result.stems))
    return (
        f"{plain(source.name)} -> {names}  "
        f"({result.source_s:.1f} s of sound in {result.taken_s:.1f} s)"
    )


def _as_json(source: Path, result: CoverResult) -> dict[str, object]:
    return {
        "input": str(source),
        "output": str(result.output_path),
        "stems": [str(path) for path in result.stems],
        "seconds_in": round(result.source_s, 6),
        "seconds_taken": round(result.taken_s, 3),
        "stage_seconds": {stage: round(seconds, 4) for stage, seconds in result.stage_s.items()},
        "sample_rate": result.rate_hz,
        "semitones": result.semitones,
        "notes": [str(note) for note in result.notes],
    }
