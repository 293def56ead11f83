"""What one conversion is asked to do, and its result; frozen, so that a job owns its copy.

Each field of `ConversionOptions` carries its row of the option table (`engine.option`). A new
option is a field here and the code that uses it; an effect brings options of its own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from engine.effects import effect_options
from engine.errors import Message, OptionError, Text
from engine.option import CachedStage, Choice, Option, choices, option, options_of
from engine.pitch.methods import AUTO, METHODS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FileFormat = Literal["wav", "flac", "mp3", "m4a", "ogg", "aiff"]
Subtype = Literal["float", "24", "16"]

FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)

LATER: frozenset[CachedStage] = frozenset()
PITCH: frozenset[CachedStage] = frozenset({"pitch"})
SOURCE: frozenset[CachedStage] = frozenset({"decode"})
"""Which cached stages read an option, see ``Option.affects``."""

_MAX_SEMITONES = 36.0
"""Three octaves: no voice has training data beyond that, so it is a typing error."""

_MIN_PITCH_RATIO = 1.5
"""Of the highest to the lowest pitch: a fifth."""


def _pitch_choices() -> tuple[Choice, ...]:
    methods = (Choice(name, each.title, each.help) for name, each in METHODS.items())
    return (Choice(AUTO, Text("Automatic")), *methods)


@dataclass(frozen=True, kw_only=True)
class ConversionOptions:
    """Settings of one conversion; their rows say what each means.

    Attributes
    ----------
    effects : options of effects by name, e.g. ``{"gain_db": -3.0}``; without those at their default

    Raises
    ------
    OptionError : a value is of another kind or out of its range
    """

    # fmt: off
    semitones: float = option(
        0.0, title=Text("Key"),
        help=Text("Semitones up or down; +12 is an octave, usual from a man to a woman."),
        low=-_MAX_SEMITONES, high=_MAX_SEMITONES, unit=Text("semitones"), signed=True,
        slider=(-24.0, 24.0), scope="voice", more=False, flag="--pitch", metavar="SEMITONES",
        cli_help="the key, in semitones up or down; auto: what suits the voice; auto-octave: that "
        "in octaves, for songs (default: 0)",
        affects=LATER,
    )
    index_rate: float = option(
        0.75, title=Text("Index strength"),
        help=Text("More makes the accent more like the voice; too much may slur."),
        low=0.0, high=1.0, step=0.01, percent=True, scope="voice", more=False, metavar="0..1",
        cli_help="how much of the voice's own features replaces the source's", affects=LATER,
    )
    protect: float = option(
        0.33, title=Text("Protect consonants"),
        help=Text("Lower keeps more of the breath and consonants of the source."),
        low=0.0, high=0.5, step=0.01, scope="voice", more=False, metavar="0..0.5",
        cli_help="below 0.5, unvoiced sounds keep 1 - PROTECT of their own features", affects=LATER,
    )
    volume_envelope: float = option(
        1.0, title=Text("Follow source dynamics"),
        help=Text("0 % keeps the voice's own loudness; 100 % follows the source's."),
        low=0.0, high=1.0, step=0.01, percent=True, reversed=True, scope="voice", more=False,
        metavar="0..1", cli_help="1 keeps the voice's own loudness, 0 follows the source's",
        affects=LATER,
    )
    pitch_method: str = option(
        AUTO, title=Text("Pitch tracker"),
        help=Text("How the pitch of the source is found; Automatic takes the best one installed."),
        choices=_pitch_choices, scope="voice", more=False, affects=PITCH,
    )
    file_format: FileFormat = option(
        "wav", title=Text("Format"),
        help=Text("WAV, FLAC and AIFF are lossless; MP3, M4A and Ogg are small."),
        choices=choices(*((each, Text(each.upper())) for each in FILE_FORMATS)), more=False,
        flag="--format", cli_help="default: by the name after --output, else wav", affects=LATER,
    )
    stereo: bool = option(
        default=False, title=Text("Keep stereo"),
        help=Text("Converts both channels; takes twice as long."),
        more=False, cli_help="convert both channels instead of mixing them", affects=SOURCE,
    )
    track: int | None = option(
        None, title=Text("Sound track"),
        help=Text("Of a video with several; Automatic takes the first one that has sound."),
        kind="whole number", low=1, high=99, also=(Choice(None, Text("Automatic")),), metavar="N",
        affects=SOURCE,
    )
    video: bool = option(
        default=False, title=Text("Keep the picture"),
        help=Text("The result of an MP4, MOV or MKV video is that video with the new sound."),
        cli_help="of an MP4, MOV or MKV video: the result is that video with the new sound",
        affects=LATER,
    )
    recipe: bool = option(
        default=False, title=Text("Save a recipe"),
        help=Text("A small file beside the result, from which it can be made again exactly."),
        cli_help="write a file from which 'urvc repeat' makes the result again exactly",
        affects=LATER,
    )
    f0_file: Path | None = option(
        None, title=Text("Pitch line"),
        help=Text("A CSV file with seconds,hz in each line; replaces the pitch of the source."),
        kind="file", also=(Choice(None, Text("from the source")),), flag="--f0-file",
        metavar="CSV", affects=LATER,
    )
    f0_min_hz: float = option(
        50.0, title=Text("Lowest pitch"),
        help=Text("Pitch below this is not looked for."),
        low=20.0, high=2000.0, unit=Text("Hz"), scope="voice", flag="--f0-min", metavar="HZ",
        affects=PITCH,
    )
    f0_max_hz: float = option(
        2000.0, title=Text("Highest pitch"),
        help=Text("Pitch above this is not looked for."),
        low=20.0, high=2000.0, unit=Text("Hz"), scope="voice", flag="--f0-max", metavar="HZ",
        affects=PITCH,
    )
    strict_voicing: bool = option(
        default=False, title=Text("Strict voicing"),
        help=Text("Fewer frames count as sung; for sources with much reverb or music (SwiftF0)."),
        affects=PITCH,
    )
    voice_pitch_hz: float | None = option(
        None, title=Text("Pitch of the voice"),
        help=Text("The median at which the voice sounds best; only for the suggested key."),
        kind="number", low=40.0, high=1000.0, also=(Choice(None, Text("measured")),),
        unit=Text("Hz"), scope="voice", flag="--voice-pitch", metavar="HZ",
        affects=LATER,
    )
    check_octaves: bool = option(
        default=False, title=Text("Check high notes"),
        help=Text("RMVPE may hear notes above 1000 Hz an octave too low; SwiftF0 corrects them."),
        affects=PITCH,
    )
    reaches_higher: bool = option(
        default=False, title=Text("Voice reaches above 1250 Hz"),
        help=Text("Most voices break up there, so they sing higher notes an octave lower."),
        scope="voice", affects=LATER,
        cli_help="the voice can sing above 1250 Hz; else such notes are sung an octave lower",
    )
    autotune: float = option(
        0.0, title=Text("Autotune"),
        help=Text("Pulls the pitch towards the nearest note; 100 % puts it onto the note."),
        low=0.0, high=1.0, step=0.01, percent=True, scope="voice", metavar="0..1",
        cli_help="strength of the pull towards the nearest note", affects=LATER,
    )
    speaker: int = option(
        0, title=Text("Speaker"),
        help=Text("Which speaker of a voice that holds several; most hold only speaker 0."),
        low=0, high=2**31 - 1, scope="voice", metavar="N", affects=LATER,
    )
    seed: int = option(
        0, title=Text("Seed"),
        help=Text("Start of the random noise; the same seed gives the same result."),
        low=0, high=2**63 - 1, metavar="N", affects=LATER,
    )
    noise: bool = option(
        default=True, title=Text("Random noise"),
        help=Text("Voices are trained with noise; without it breath sounds dull."), affects=LATER,
    )
    output_rate_hz: int | None = option(
        None, title=Text("Sample rate"),
        help=Text("Of the result; without a number it is the voice's own."),
        kind="whole number", low=8000, high=192_000, step=50,
        also=(Choice(None, Text("as the voice")),), unit=Text("Hz"), flag="--sample-rate",
        metavar="HZ", affects=LATER,
    )
    subtype: Subtype | None = option(
        None, title=Text("Sample format"),
        help=Text("Of WAV, FLAC and AIFF files; Best is the most exact one of the format."),
        also=(Choice(None, Text("Best")),),
        choices=choices(
            ("float", Text("32-bit float")), ("24", Text("24-bit")), ("16", Text("16-bit")),
        ), affects=LATER,
    )
    overwrite: bool = option(
        default=False, title=Text("Replace existing files"),
        help=Text("Replaces the file that was named for the result; otherwise that is refused."),
        in_app=False,  # which never names a file: its results get names that are free
        cli_help="replace the file named by --output if it exists", affects=LATER,
    )
    # fmt: on
    effects: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for each in OPTIONS:
            each.require(getattr(self, each.name))
        if self.f0_min_hz * _MIN_PITCH_RATIO > self.f0_max_hz:
            raise OptionError(
                Text(
                    "Cannot look for a pitch between {lowest} and {highest} Hz",
                    lowest=f"{self.f0_min_hz:g}",
                    highest=f"{self.f0_max_hz:g}",
                ),
                "the range is less than a fifth",
                "give a range such as 50 to 1100 Hz",
            )
        known = {each.name: each for each in effect_options()} if self.effects else {}
        for name, value in self.effects.items():
            if name not in known:
                raise _unknown(name)
            known[name].require(value)
        changed = {
            name: self.effects[name]
            for name, each in known.items()
            if self.effects.get(name, each.default) != each.default
        }
        object.__setattr__(self, "effects", changed)

    def value(self, name: str) -> Any:
        """The value of an option by name, of an effect's too."""
        found = _find(name)
        return getattr(self, name) if found in OPTIONS else self.effects.get(name, found.default)

    def with_values(self, values: Mapping[str, Any]) -> ConversionOptions:
        """The same with other values, by name, of an effect's too.

        Raises
        ------
        OptionError : there is no such option, or a value makes no sense
        """
        own = {each.name for each in OPTIONS}
        effects = {name: value for name, value in values.items() if name not in own}
        fields = {name: value for name, value in values.items() if name in own}
        return dataclasses.replace(self, **fields, effects={**self.effects, **effects})

    def changes(self, usual: ConversionOptions | None = None) -> dict[str, Any]:
        """The values by name that differ from other options, or from the defaults."""
        other = usual or _DEFAULTS
        mine, others = vars(self), vars(other)
        names = (each.name for each in OPTIONS)
        changed = {name: mine[name] for name in names if mine[name] != others[name]}
        for each in effect_options() if self.effects or other.effects else ():
            value = self.effects.get(each.name, each.default)
            if value != other.effects.get(each.name, each.default):
                changed[each.name] = value
        return changed

    def summary(self, usual: ConversionOptions | None = None) -> list[Text]:
        """What differs from other options, or from the defaults; a few words each."""
        return [_find(name).told(value) for name, value in self.changes(usual).items()]

    def to_record(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON can hold it."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in self.changes().items()
        }

    @classmethod
    def from_record(cls, record: object) -> ConversionOptions:
        """The options of a record; a value that makes no sense (any more) has its default."""
        made = cls()
        for name, value in record.items() if isinstance(record, dict) else ():
            try:
                is_file = _find(name).kind == "file" and isinstance(value, str)
                made = made.with_values({name: Path(value) if is_file else value})
            except OptionError:
                continue
        return made


OPTIONS: tuple[Option, ...] = options_of(ConversionOptions)
"""The rows of the fields; `all_options` has those of effects too."""

_DEFAULTS = ConversionOptions()


def all_options() -> tuple[Option, ...]:
    """Every option there is, those of effects last."""
    return (*OPTIONS, *effect_options())


def voice_options() -> tuple[Option, ...]:
    """Those that may be kept with a voice."""
    return tuple(each for each in all_options() if each.scope == "voice")


def _find(name: str) -> Option:
    found = next((each for each in all_options() if each.name == name), None)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> OptionError:
    return OptionError(
        Text('Cannot set the option "{name}"', name=name),
        "there is no such option",
        "check its spelling",
    )


@dataclass(frozen=True, kw_only=True)
class ConversionResult:
    """What one conversion gave.

    Attributes
    ----------
    samples : float32 [n] or [n, 2], when an array was converted; None when a file was written
    output_path : the file, when one was written
    rate_hz : sample rate of the result
    source_s : seconds of sound that went in
    taken_s : seconds the conversion took, models already loaded or not
    stage_s : seconds per stage
    device : where the networks ran
    peak_memory_bytes : the highest the process (and its device) has held so far
    notes : sentences the user should see, e.g. that the source file is cut off
    f0_hz : float32 [T], the pitch that was found in the source, before it was tuned and shifted;
        notes too high for the voice are an octave lower. 100 frames a second, 0 where unvoiced;
        None where none was looked for
    recipe : of a file, where recipes are kept, as `engine.recipe.Recipe.from_json` reads it
    """

    samples: NDArray[np.float32] | None
    output_path: Path | None
    rate_hz: int
    source_s: float
    taken_s: float
    stage_s: Mapping[str, float] = field(default_factory=dict)
    device: str = "cpu"
    peak_memory_bytes: int = 0
    notes: tuple[Message, ...] = ()
    f0_hz: NDArray[np.float32] | None = None
    recipe: str = ""

    @property
    def realtime_factor(self) -> float:
        """Seconds of sound converted in one second."""
        return self.source_s / self.taken_s if self.taken_s > 0 else math.inf
