"""One row of a table of options: how a value is checked, read from text, and shown.

`engine.options`, `engine.optimization` and the effects declare such rows; the command line, the
environment, records and the app's controls are generated from them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import Message, OptionError, Text

Kind = Literal["number", "whole number", "switch", "choice", "text", "file"]

CachedStage = Literal["decode", "pitch", "content"]
"""Stages whose results `engine.stage_cache` keeps."""
CACHED_STAGES: frozenset[CachedStage] = frozenset(get_args(CachedStage))

_INTERVAL = "semitones"
_LONGEST_VALUE = 15
"""Characters of a refused value that a sentence repeats."""

_SWITCH = {"true": True, "1": True, "yes": True, "on": True}
_SWITCH |= {"false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True)
class Choice:
    """A value with its title and, where it needs one, its help line in the app."""

    value: Any
    title: Text
    help: Text | None = None


@dataclass(frozen=True, kw_only=True)
class Option:
    """One row.

    Attributes
    ----------
    name : of the field, and in records
    default : also tells the kind, unless ``kind`` does
    title, help : a few words, and one sentence, for the app
    kind : see `Kind`
    low, high, step : of a number
    choices : gives the values of a choice; a function, because plug-ins add to them
    also : values allowed beside the range or the choices, e.g. None for "as the voice"
    unit : of a number as it is shown
    percent : show a number of 0..1 as 0..100 %
    reversed : show ``high`` as 0 % and ``low`` as 100 %
    signed : show a plus sign
    scope : ``voice`` may be kept with a voice, ``job`` belongs to one conversion
    more : in the app's section "More"
    in_app : False where it would do nothing in the app
    slider : the slider's range, where it is shorter than that of the number
    flag, metavar, cli_help : on the command line; help is used where ``cli_help`` is empty
    affects : cached stages whose result depends on it; all of them unless it says otherwise
    variable : environment variable
    check : raises OptionError for a text that makes no sense
    """

    name: str
    default: Any
    title: Text
    help: Text
    kind: Kind
    low: float = -math.inf
    high: float = math.inf
    step: float = 1
    choices: Callable[[], Sequence[Choice]] = tuple
    also: tuple[Choice, ...] = ()
    unit: Text = Text("")
    percent: bool = False
    reversed: bool = False
    signed: bool = False
    scope: Literal["voice", "job"] = "job"
    more: bool = True
    in_app: bool = True
    slider: tuple[float, float] | None = None
    flag: str = ""
    metavar: str = ""
    cli_help: str = ""
    affects: frozenset[CachedStage] = CACHED_STAGES
    variable: str = ""
    check: Callable[[str], object] | None = None

    @property
    def values(self) -> tuple[Choice, ...]:
        """What a choice can be, the additional values first."""
        return (*self.also, *self.choices())

    def require(self, value: object) -> None:
        """Check a value.

        Raises
        ------
        OptionError : it is of another kind, out of range, or unknown
        """
        if any(type(value) is type(each.value) and value == each.value for each in self.also):
            return
        if self.kind in ("number", "whole number"):
            self._require_number(value)
        elif self.kind == "choice":
            if not isinstance(value, str) or value not in [e.value for e in self.choices()]:
                names = ", ".join(str(each.value) for each in self.values if each.value is not None)
                advice = Text("choose one of {choices}", choices=names)
                raise self._refused(value, "there is no such choice", advice)
        elif self.kind == "switch":
            if not isinstance(value, bool):
                raise self._refused(value, "it must be on or off", "give one of these")
        elif self.kind == "file":
            if not isinstance(value, Path):
                raise self._refused(value, "it must be the path of a file", "choose a file")
        elif not isinstance(value, str):
            raise self._refused(value, "it must be a text", "give a text")
        elif self.check is not None:
            self.check(value)

    def parse(self, text: str) -> Any:
        """The value that a text means, e.g. of an environment variable; checked.

        Raises
        ------
        OptionError : it makes no sense
        """
        value: Any = text.strip()
        try:
            if self.kind == "switch":
                value = parse_switch(value)
            elif self.kind == "whole number":
                value = int(value)
            elif self.kind == "number":
                value = float(value)
            elif self.kind == "file":
                if not value:
                    raise self._refused(text, "the name of the file is empty", "choose a file")
                value = Path(text)
            else:
                value = value.lower()
        except ValueError as cause:
            why = {
                "switch": "it must be on, off, true, false, yes, no, 1 or 0",
                "whole number": "it must be a whole number",
            }
            reason = why.get(self.kind, "it must be a number")
            raise self._refused(text, reason, "choose such a value") from cause
        self.require(value)
        return value

    def to_shown(self, value: float) -> float:
        """The number as it is shown, e.g. 0.5 as 50 %."""
        value = self.high - value if self.reversed else value
        return value * 100 if self.percent else value

    def from_shown(self, number: float) -> float:
        """The value of a number as it is shown."""
        value = number / 100 if self.percent else number
        value = self.high - value if self.reversed else value
        return round(value, 6)

    def told(self, value: Any) -> Text:
        """The option with a value, in a few words: the sign of an interval says its unit."""
        short = (
            dataclasses.replace(self, unit=Text("")) if self.unit.template == _INTERVAL else self
        )
        return Text("{option} {value}", option=self.title, value=short.shown(value))

    def shown(self, value: Any) -> Text:
        """A value as the user reads it, with its unit."""
        for each in self.values:
            if value is each.value or value == each.value:
                return each.title
        if self.kind == "switch":
            return Text("on") if value else Text("off")
        if self.kind == "file":
            return Text("{name}", name=value.name)
        if self.kind not in ("number", "whole number"):
            return Text("{value}", value=value)
        form = "d" if self.kind == "whole number" else ".10g"  # every digit of a seed
        number = f"{self.to_shown(value):{'+' if self.signed and value else ''}{form}}"
        number = number.replace("-", "−")
        if self.percent:
            return Text("{number} %", number=number)
        return (
            Text("{number} {unit}", number=number, unit=self.unit)
            if self.unit.template
            else Text(number)
        )

    def _require_number(self, value: object) -> None:
        kind = Integral if self.kind == "whole number" else Real
        if not isinstance(value, kind) or isinstance(value, bool):
            whole = self.kind == "whole number"
            why = "it must be a whole number" if whole else "it must be a number"
            raise self._refused(value, why, "give a number")
        if not self.low <= value <= self.high:  # type: ignore[operator]  # NaN fails too
            raise self._refused(
                value,
                Text(
                    "it must be between {lowest} and {highest}",
                    lowest=f"{self.low:g}",
                    highest=f"{self.high:g}",
                ),
                "choose a value in that range",
            )

    def _refused(self, value: object, why: Message, advice: Message) -> OptionError:
        text = f"{value:g}" if isinstance(value, float) else str(value)
        if len(text) > _LONGEST_VALUE:
            text = text[:_LONGEST_VALUE] + "…"
        what = Text('Cannot use "{value}" for "{option}"', value=text, option=self.title)
        return OptionError(what, why, advice)


def option(default: Any, *, kind: Kind | None = None, **row: Any) -> Any:
    """A field of a dataclass that carries a row; parameters as the attributes of `Option`."""
    if kind is None:
        kinds: dict[type, Kind] = {bool: "switch", int: "whole number", float: "number"}
        kind = "choice" if "choices" in row else kinds.get(type(default), "text")
    metadata = {"option": {"default": default, "kind": kind, **row}}
    return dataclasses.field(default=default, metadata=metadata)


def options_of(owner: type) -> tuple[Option, ...]:
    """The rows of a dataclass's fields, in their order."""
    return tuple(
        Option(name=each.name, **each.metadata["option"])
        for each in dataclasses.fields(owner)
        if "option" in each.metadata
    )


def choices(*pairs: tuple[Any, Text]) -> Callable[[], tuple[Choice, ...]]:
    """Values and titles, for ``Option.choices``."""
    made = tuple(Choice(value, title) for value, title in pairs)
    return lambda: made


def parse_switch(text: str) -> bool:
    """True or False from ``on``, ``off``, ``true``, ``false``, ``yes``, ``no``, ``1``, ``0``.

    Raises
    ------
    ValueError : anything else
    """
    try:
        return _SWITCH[text.strip().lower()]
    except KeyError as cause:
        raise ValueError(text) from cause
