"""What a cover is asked to be; rows of the option table (`engine.option`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import OptionError, Text
from engine.option import Choice, Option, choices, option, options_of

MUTED_DB = -60.0
"""A gain this low is silence."""
_MOST_DB = 12.0

Quality = Literal["fast", "best"]
SourceKind = Literal["song", "vocals"]
Part = Literal["instrumental", "lead", "room", "backing"]
PARTS: tuple[Part, ...] = get_args(Part)
"""What a cover is the sum of, in the order in which it is added up."""


def _gain(default: float, title: Text, help_: Text, flag: str) -> float:
    row: float = option(
        default, title=title, help=help_, low=MUTED_DB, high=_MOST_DB, step=0.5, unit=Text("dB"),
        signed=True, flag=flag, metavar="DB", also=(Choice(MUTED_DB, Text("muted")),),
    )  # fmt: skip
    return row


@dataclass(frozen=True)
class CoverNetworks:
    """Files of the separation networks; None where a network is not here.

    Attributes
    ----------
    vocals : separates vocals from the instruments
    karaoke : separates the lead from backing voices
    dereverb : removes the room from the lead
    """

    vocals: Path | None = None
    karaoke: Path | None = None
    dereverb: Path | None = None


@dataclass(frozen=True, kw_only=True)
class CoverOptions:
    """Settings of a cover beside those of the conversion of its voice.

    Raises
    ------
    OptionError : a value is of another kind or out of its range
    """

    # fmt: off
    source_kind: SourceKind = option(
        "song", title=Text("The file is"),
        help=Text("A song is separated first; vocals are converted as they are."),
        choices=choices(("song", Text("a whole song")), ("vocals", Text("vocals only"))),
        flag="--source", more=False,
    )
    quality: Quality = option(
        "fast", title=Text("Separation"),
        help=Text("Best separates more cleanly; it takes about eight times as long."),
        choices=choices(("fast", Text("Fast")), ("best", Text("Best"))), more=False,
    )
    instrumental: Path | None = option(
        None, title=Text("Own instrumental"),
        help=Text("A file of the instruments alone, used instead of those of the song."),
        kind="file", also=(Choice(None, Text("none")),), metavar="FILE", more=False,
    )
    backing: Literal["keep", "convert", "mute"] = option(
        "keep", title=Text("Backing voices"),
        help=Text("What happens to voices behind the lead, where they can be told apart."),
        choices=choices(
            ("keep", Text("Keep")), ("convert", Text("Convert")), ("mute", Text("Mute")),
        ),
        more=False,
    )
    backing_semitones: float = option(
        0.0, title=Text("Backing key"),
        help=Text("Semitones up or down for converted backing voices."),
        low=-36.0, high=36.0, unit=Text("semitones"), signed=True, flag="--backing-pitch",
        metavar="SEMITONES", more=False,
    )
    lead_db: float = _gain(
        0.0, Text("Lead"), Text("Level of the converted voice."), "--lead-db"
    )
    backing_db: float = _gain(
        0.0, Text("Backing"), Text("Level of the backing voices."), "--backing-db"
    )
    room_db: float = _gain(
        -3.0, Text("Room"), Text("Level of the song's own room on the voice."), "--room-db"
    )
    instrumental_db: float = _gain(
        0.0, Text("Instruments"), Text("Level of the instruments."), "--instrumental-db"
    )
    one_pass: bool = option(
        default=False, title=Text("Separate in one pass"),
        help=Text(
            "Takes half the time with Best, a sixth less with Fast; chunks overlap less, so a "
            "change can be heard where they meet."
        ),
    )
    karaoke: Literal["auto", "on", "off"] = option(
        "auto", title=Text("Split voices"),
        help=Text("Converts the lead alone. Automatic does so where its network tells them apart."),
        choices=choices(("auto", Text("Automatic")), ("on", Text("On")), ("off", Text("Off"))),
    )
    dereverb: Literal["auto", "off"] = option(
        "auto", title=Text("Remove room"),
        help=Text(
            "Converts the dry voice and adds the room again, where the network for it is here."
        ),
        choices=choices(("auto", Text("Automatic")), ("off", Text("Off"))),
    )
    keep_stems: bool = option(
        default=False, title=Text("Keep stems"),
        help=Text("Writes vocals, instruments and the converted voice as files, too."),
    )
    # fmt: on

    def __post_init__(self) -> None:
        for each in COVER_OPTIONS:
            each.require(getattr(self, each.name))

    def value(self, name: str) -> Any:
        """The value of an option by name."""
        return getattr(self, _find(name).name)

    def with_values(self, values: Mapping[str, Any]) -> CoverOptions:
        """The same with other values, by name.

        Raises
        ------
        OptionError : there is no such option, or a value makes no sense
        """
        for name in values:
            _find(name)
        return dataclasses.replace(self, **values)

    def summary(self) -> list[Text]:
        """What differs from the defaults beside what the file is; a few words each."""
        return [
            each.told(self.value(each.name))
            for each in COVER_OPTIONS
            if each.name != "source_kind" and self.value(each.name) != each.default
        ]

    def to_record(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON can hold it."""
        return {
            each.name: str(value) if isinstance(value, Path) else value
            for each in COVER_OPTIONS
            for value in (self.value(each.name),)
            if value != each.default
        }

    @classmethod
    def from_record(cls, record: object) -> CoverOptions:
        """The options of a record; a value that makes no sense (any more) has its default."""
        made = cls()
        for name, value in record.items() if isinstance(record, dict) else ():
            try:
                is_file = _find(name).kind == "file" and isinstance(value, str)
                made = made.with_values({name: Path(value) if is_file else value})
            except OptionError:
                continue
        return made

    def gains(self) -> dict[Part, float]:
        """Factor of each part of the mix; 0 is silence."""
        levels_db = {part: getattr(self, f"{part}_db") for part in PARTS}
        gains: dict[Part, float] = {
            part: 0.0 if level_db <= MUTED_DB else float(10 ** (level_db / 20))
            for part, level_db in levels_db.items()
        }
        return gains | ({"backing": 0.0} if self.backing == "mute" else {})


COVER_OPTIONS: tuple[Option, ...] = options_of(CoverOptions)


def _find(name: str) -> Option:
    found = next((each for each in COVER_OPTIONS if each.name == name), None)
    if found is None:
        raise OptionError(
            Text('Cannot set the option "{name}"', name=name),
            "there is no such option",
            "check its spelling",
        )
    return found
