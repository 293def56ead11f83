"""Everything that a result was made from and how, so that it can be made again exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from engine.audio.names import RECIPE_SUFFIX
from engine.cover.options import COVER_OPTIONS, CoverOptions
from engine.errors import OptionError, Text
from engine.files import Digests, atomic_file, read_small_file
from engine.machine import Machine, app_version
from engine.optimization import FLAGS, OptimizationConfig
from engine.option import Option
from engine.options import ConversionOptions, all_options
from engine.progress import CancelToken
from engine.voice import VoiceFiles

_FORMAT = 1
_MOST_BYTES = 1 << 20
_NOT_HEARD = frozenset({"overwrite", "recipe", "enable_profiling"})
"""Options and flags that do not belong to a result."""


@dataclass(frozen=True)
class Ingredient:
    """A file that a result depends on.

    Attributes
    ----------
    path : absolute, where it was
    sha256 : of its content
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class Ingredients:
    """The files of a result, before they are read.

    Attributes
    ----------
    networks : content encoder, pitch and separation
    """

    source: Path
    voice: VoiceFiles
    backing: VoiceFiles | None
    networks: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a result was made from, and how.

    Attributes
    ----------
    program : version of this program
    machine : chip, system and PyTorch: others may round differently
    title : of the voice
    files : by what they are for: ``source``, ``voice``, ``index``, ``backing voice``, ``backing
        index``, or the name of an option that names a file
    networks : SHA-256 by name
    options, cover, flags : every value by name; no cover for a plain conversion
    sound : SHA-256 of the samples before they were encoded
    """

    format: int
    program: str
    machine: Machine
    title: str
    files: dict[str, Ingredient]
    networks: dict[str, str]
    options: dict[str, Any]
    cover: dict[str, Any] | None
    flags: dict[str, Any]
    sound: str = ""

    @classmethod
    def of(
        cls,
        made_from: Ingredients,
        options: ConversionOptions,
        cover: CoverOptions | None,
        flags: OptimizationConfig,
        digests: Digests,
        cancel: CancelToken | None = None,
    ) -> Recipe:
        """The recipe of a result of these files and options; without its sound.

        Raises
        ------
        OSError : a file cannot be read
        ConversionCancelled : ``cancel`` was set
        """
        voices = {"": made_from.voice, "backing ": made_from.backing}
        paths: dict[str, Path | None] = {"source": made_from.source}
        for kind, voice in voices.items():
            if voice is not None:
                paths |= {f"{kind}voice": voice.weights, f"{kind}index": voice.index}
        own = [(each, options.value(each.name)) for each in all_options()]
        mixed = [] if cover is None else [(each, cover.value(each.name)) for each in COVER_OPTIONS]
        paths |= {each.name: value for each, value in own + mixed if each.kind == "file"}
        return cls(
            format=_FORMAT,
            program=app_version(),
            machine=Machine.here(),
            title=made_from.voice.title,
            files={
                role: Ingredient(str(path.absolute()), digests.of(path, cancel))
                for role, path in paths.items()
                if path is not None
            },
            networks={
                f"{path.parent.name}/{path.name}": digests.of(path, cancel)
                for path in made_from.networks
            },
            options=_record(own),
            cover=None if cover is None else _record(mixed),
            flags=_record([(each, getattr(flags, each.name)) for each in FLAGS]),
        )

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """The recipe in a file.

        Raises
        ------
        OptionError : it cannot be read, is none, or of a newer version of this program
        """
        try:
            return cls.parsed(read_small_file(path, _MOST_BYTES), path.name)
        except OSError as error:
            why = error.strerror or str(error)
            raise _unreadable(path.name, Text("{report}", report=why)) from error

    @classmethod
    def parsed(cls, content: bytes | str, name: str) -> Recipe:
        """As `from_json`, for a text that may be no recipe.

        Parameters
        ----------
        name : of what it belongs to, for the user

        Raises
        ------
        OptionError : it is none, or of a newer version of this program
        """
        try:
            return cls.from_json(content)
        except (ValueError, RecursionError) as error:
            raise _unreadable(name, "it is no recipe, or damaged") from error

    @classmethod
    def from_json(cls, content: bytes | str) -> Recipe:
        """The recipe in a text.

        Raises
        ------
        ValueError : it is none, or of a newer version of this program
        """
        found = msgspec.json.decode(content, type=cls)
        if found.format != _FORMAT or not {"source", "voice"} <= set(found.files):
            raise ValueError
        return found

    def to_json(self) -> str:
        """As a text that `from_json` reads."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode()

    def write_beside(self, result: Path, *, overwrite: bool) -> Path:
        """Write ``name (Voice).rvcrecipe`` beside ``name (Voice).wav``.

        If there is a file of this name, of the result in another format, it becomes
        ``name (Voice).wav.rvcrecipe``.

        Raises
        ------
        OSError : the disk is full or refuses, or both names are taken
        """
        path = result.with_suffix(RECIPE_SUFFIX)
        if path.exists() and not overwrite:
            path = result.with_name(result.name + RECIPE_SUFFIX)
        with (
            atomic_file(path, overwrite=overwrite) as descriptor,
            open(descriptor, "w", encoding="utf-8", closefd=False) as file,
        ):
            file.write(self.to_json())
        return path

    def conversion_options(self) -> ConversionOptions:
        """Those of the result.

        Raises
        ------
        OptionError : this version of the program does not know one, or a value
        """
        return ConversionOptions().with_values(_values(all_options(), self.options))

    def cover_options(self) -> CoverOptions | None:
        """Those of the result, if it is a cover; raises as `conversion_options`."""
        if self.cover is None:
            return None
        return CoverOptions().with_values(_values(COVER_OPTIONS, self.cover))

    def optimization(self) -> OptimizationConfig:
        """The flags with which it was made; raises as `conversion_options`."""
        known = {each.name for each in FLAGS}
        values = {name: value for name, value in self.flags.items() if name in known}
        return replace(OptimizationConfig(), **values)

    def located(self, role: str, given: Path | None, beside: Path | None = None) -> Path | None:
        """Where a file is now; None where the recipe has none for this.

        Parameters
        ----------
        given : what the user says; else it is where it was, or has the same name in ``beside``

        Raises
        ------
        OptionError : it is nowhere
        """
        known = self.files.get(role)
        if given is not None or known is None:
            return given
        places = [Path(known.path)]
        places += [] if beside is None else [beside / Path(known.path).name]
        found = next((each for each in places if each.is_file()), None)
        if found is None:
            raise OptionError(
                Text('Cannot find the file "{name}" of the recipe', name=Path(known.path).name),
                Text('it is not in "{folder}" any more', folder=Path(known.path).parent),
                "put it back, or name another one",
            )
        return found

    def voice_files(self, kind: str, index: Path | None = None) -> VoiceFiles | None:
        """A voice where it was; raises as `located`.

        Parameters
        ----------
        kind : "" or ``backing ``, as in the names of `files`
        index : another place of its index
        """
        weights = self.located(f"{kind}voice", None)
        title = None if kind else self.title
        found = self.located(f"{kind}index", index)
        return None if weights is None else VoiceFiles(weights, found, title)

    def changes(self, now: Recipe) -> list[Text]:
        """What would make another result now; a few words each.

        Parameters
        ----------
        now : the recipe of what would be made
        """
        found = []
        for role in sorted({*self.files, *now.files}):
            before, after = self.files.get(role), now.files.get(role)
            if before is None or after is None or before.sha256 != after.sha256:
                name = Path((before or after or Ingredient("", "")).path).name
                found.append(Text('the file "{name}" is another one', name=name))
        found += [
            Text('the network "{name}" is another one', name=name)
            for name in sorted({*self.networks, *now.networks})
            if self.networks.get(name) != now.networks.get(name)
        ]
        if self.program != now.program:
            version = self.program or "?"
            found.append(Text("version {version} of this program made it", version=version))
        differs = now.machine.difference(self.machine)
        if differs is not None:
            found.append(Text("it was made with {what}", what=differs))
        if self.flags.get("device") != now.flags.get("device"):
            found.append(Text("it was made on {device}", device=str(self.flags.get("device"))))
        return found

    def refusal(self, changes: list[Text], advice: str) -> OptionError:
        """The error that says why the result cannot be the same.

        Parameters
        ----------
        changes : what `changes` found
        advice : how to make another one nevertheless
        """
        name = Path(self.files["source"].path).name
        return OptionError(
            Text('Cannot repeat the result of "{name}" exactly', name=name),
            Text("{changes}", changes="; ".join(map(str, changes))),
            advice,
        )


def finished(
    recipe: Recipe | None, result: Path, sound: str, options: ConversionOptions
) -> tuple[str, list[Text]]:
    """The recipe of a written result as a text, "" without one; beside the result if asked for.

    Parameters
    ----------
    sound : SHA-256 of the samples

    Returns
    -------
    the text, and a sentence if the file could not be written: the result is there
    """
    if recipe is None:
        return "", []
    complete = replace(recipe, sound=sound)
    failed = []
    if options.recipe:
        try:
            complete.write_beside(result, overwrite=options.overwrite)
        except OSError as error:
            reason = error.strerror or str(error)
            failed.append(Text("its recipe could not be written: {reason}", reason=reason))
    return complete.to_json(), failed


def _record(rows: list[tuple[Option, Any]]) -> dict[str, Any]:
    return {
        each.name: str(value.absolute()) if isinstance(value, Path) else value
        for each, value in rows
        if each.name not in _NOT_HEARD
    }


def _values(options: tuple[Option, ...], record: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {each.name: each.kind for each in options}
    return {
        name: Path(value) if kinds.get(name) == "file" and isinstance(value, str) else value
        for name, value in record.items()
    }


def _unreadable(name: str, why: Text | str) -> OptionError:
    what = Text('Cannot read the recipe "{name}"', name=name)
    return OptionError(what, why, "choose another one")
