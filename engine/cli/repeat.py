"""``urvc repeat``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.arguments import path_of
from engine.cli.convert import chosen_voice, voice_files
from engine.cli.output import EXIT_FAILED, EXIT_OK, ProgressBar, confirmed, say, tell, tell_json
from engine.errors import DeviceError, OptionError, Text
from engine.library.separation_networks import cover_networks
from engine.options import ConversionOptions, ConversionResult
from engine.plain_text import plain

if TYPE_CHECKING:
    from engine.converter import Converter
    from engine.cover.cover import Cover, CoverResult
    from engine.cover.options import CoverOptions
    from engine.progress import StageProgress
    from engine.recipe import Recipe
    from engine.voice import VoiceFiles


def add_repeat(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc repeat``."""
    parser.set_defaults(run=_repeat)
    parser.description = (
        "Make a result again from its recipe (convert --recipe, cover --recipe): the same samples, "
        "or a sentence about what has changed."
    )
    parser.add_argument("recipe", type=path_of, metavar="RECIPE", help="a file .rvcrecipe")
    files = parser.add_argument_group("files")
    files.add_argument(
        "--source", type=path_of, metavar="FILE", help="where the source is now; default: as before"
    )
    files.add_argument(
        "--voice", metavar="V.pth|NAME", help="where the voice is now; default: as before"
    )
    files.add_argument("--index", type=path_of, metavar="X.index", help="where its index is now")
    files.add_argument(
        "--models-dir", type=path_of, metavar="DIR", help="folder of the shared networks"
    )
    files.add_argument("-o", "--output", type=path_of, metavar="FILE", help="name of the result")
    files.add_argument(
        "--output-dir", type=path_of, metavar="DIR", help="default: beside the source"
    )
    files.add_argument(
        "--force", action="store_true", help="make it even if something is not as it was"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _repeat(given: argparse.Namespace) -> int:
    from engine.recipe import Recipe

    recipe = Recipe.read(given.recipe)
    options, cover = recipe.conversion_options(), recipe.cover_options()
    source = recipe.located("source", given.source, given.recipe.absolute().parent)
    if given.voice is None:
        voice = recipe.voice_files("", given.index)
    else:
        voice = replace(voice_files(chosen_voice(given.voice), given.index), name=recipe.title)
    if source is None or voice is None:
        raise RuntimeError("a recipe has a source and a voice")
    voices = voice, recipe.voice_files("backing ")
    converter = _converter(recipe, given)
    made_by = None if cover is None else _cover(converter, cover)
    if made_by is None or cover is None:
        now = converter.recipe(source, voice, options, cancel=given.cancel)
    else:
        now = made_by.recipe(source, voice, options, cover, voices[1], given.cancel)
    changes = recipe.changes(now)
    if changes and not (given.force or _agreed(changes)):
        raise recipe.refusal(changes, "add --force to make it with what is here")
    for each in changes:
        say(f"urvc: {each}")
    made = _made(converter, made_by, (source, *voices), (options, cover), given)
    for note in made.notes:
        say(f"urvc: {source.name}: {note}")
    same = Recipe.from_json(made.recipe).sound == recipe.sound
    if given.json:
        told = tell_json(
            {"output": str(made.output_path), "same": same, "changes": [*map(str, changes)]}
        )
    else:
        words = "the same samples" if same else "other samples"
        told = tell(f"{plain(source.name)} -> {plain(str(made.output_path))}  ({words})")
    if not same and not changes:
        say("urvc: nothing has changed, but the samples are others; this machine rounds otherwise.")
    return EXIT_OK if told and (same or changes) else EXIT_FAILED


def _agreed(changes: list[Text]) -> bool:
    """What the user answers on the terminal; False where there is none."""
    listed = "; ".join(map(str, changes))
    try:
        return confirmed(f"{listed}. Make it with what is here?")
    except OptionError:
        return False


def _converter(recipe: Recipe, given: argparse.Namespace) -> Converter:
    """With the flags of the recipe; on the device that is here if that one is missing."""
    from engine.converter import Converter

    flags = recipe.optimization()
    try:
        return Converter(given.models_dir, flags, keep_recipes=True)
    except DeviceError:
        return Converter(given.models_dir, replace(flags, device="auto"), keep_recipes=True)


def _cover(converter: Converter, cover: CoverOptions) -> Cover:
    from engine.cover.cover import Cover

    return Cover(converter, cover_networks(cover, converter.models_dir))


def _made(
    converter: Converter,
    made_by: Cover | None,
    files: tuple[Path, VoiceFiles, VoiceFiles | None],
    asked: tuple[ConversionOptions, CoverOptions | None],
    given: argparse.Namespace,
) -> ConversionResult | CoverResult:
    """The result, with its recipe."""
    source, voice, backing = files
    options, cover = asked
    bar = ProgressBar(source.name)

    def listen(progress: StageProgress) -> None:
        bar.show(progress.fraction, progress.stage)

    try:
        if made_by is None:
            return converter.convert_file(
                source, voice, options, output=given.output, output_dir=given.output_dir,
                listener=listen, cancel=given.cancel,
            )  # fmt: skip
        return made_by.make(
            source, voice, options, cover, backing_voice=backing, output=given.output,
            output_dir=given.output_dir, listener=listen, cancel=given.cancel,
        )  # fmt: skip
    finally:
        bar.clear()
