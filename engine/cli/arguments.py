"""Arguments that are generated from the tables of options and flags."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from types import MappingProxyType
from typing import Any

from engine.cli.output import say
from engine.errors import OptionError
from engine.log import LEVELS, LOG_VARIABLE
from engine.optimization import FLAGS, OptimizationConfig, resolve
from engine.option import Option


def path_of(text: str) -> Path:
    """The path that an argument names; an empty one would mean the folder one is in."""
    if not text:
        raise argparse.ArgumentTypeError("the name of the file or folder is empty")
    return Path(text)


def add_options(
    parser: argparse._ArgumentGroup,
    options: Iterable[Option],
    words: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """One argument for each option; one that is not given is None.

    Parameters
    ----------
    words : by the option's name, what may be given instead of a value, and is kept as it is
    """
    for each in options:
        flag = each.flag or f"--{each.name.replace('_', '-')}"
        if each.kind == "switch" and not each.default:
            parser.add_argument(
                flag, dest=each.name, action="store_const", const=True, help=_help(each)
            )
            continue
        values = [choice.value for choice in each.values if choice.value is not None]
        metavar = {"switch": "on|off", "choice": "|".join(map(str, values))}.get(each.kind)
        others = tuple(words.get(each.name, ()))
        parser.add_argument(
            flag,
            dest=each.name,
            type=_parser_of(each, others),
            metavar="|".join((metavar or each.metavar or "VALUE", *others)),
            help=_help(each),
        )


def chosen_options(given: argparse.Namespace, options: Iterable[Option]) -> dict[str, Any]:
    """The values that the command line states, by the option's name."""
    values = {each.name: getattr(given, each.name) for each in options}
    return {name: value for name, value in values.items() if value is not None}


def _parser_of(option: Option, words: tuple[str, ...]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        if text.strip().lower() in words:
            return text.strip().lower()
        try:
            return option.parse(text)
        except OptionError as error:
            raise argparse.ArgumentTypeError(
                f"{error.what}: {error.why} ({error.advice})"
            ) from error

    return parse


def _help(option: Option) -> str:
    text = option.cli_help or str(option.help).rstrip(".")
    if text[1:2].islower():  # not an abbreviation
        text = text[0].lower() + text[1:]
    text = text.replace("%", "%%")
    has_default = option.kind in ("number", "whole number", "choice") and option.default is not None
    return f"{text} (default: {option.default})" if has_default and "default" not in text else text


_FLAGS_WITH_ARGUMENT = tuple(each for each in FLAGS if each.flag)


def add_machine_options(group: argparse._ArgumentGroup) -> None:
    """The flags that have an argument; all others are environment variables only."""
    add_options(group, _FLAGS_WITH_ARGUMENT)


def environment_help() -> str:
    """The environment variables of the engine's flags, for the end of a help page."""
    lines = ["environment variables:"]
    for flag in FLAGS:
        values = {
            "switch": "on|off",
            "choice": "|".join(str(each.value) for each in flag.values),
            "whole number": f"{flag.low:g}..{flag.high:g}",
        }.get(flag.kind, "LIST")
        extra = "".join(f"|{each.value}" for each in flag.also)
        lines.append(f"  {flag.variable}={values}{extra}")
        lines += wrap(str(flag.help), 76, initial_indent="      ", subsequent_indent="      ")
    lines.append(f"  {LOG_VARIABLE}={'|'.join(LEVELS)}")
    lines.append("      How much of what is done is printed on stderr; default: off.")
    return "\n".join(lines)


def machine_config(given: argparse.Namespace) -> OptimizationConfig:
    """The flags in force: command line, environment, tuning, the device's preset.

    Raises
    ------
    OptionError : an environment variable has a value that makes no sense
    DeviceError : the device is not there
    """
    return resolve(chosen_options(given, _FLAGS_WITH_ARGUMENT), tuned=_tuned)


def _tuned(device: str) -> Mapping[str, Any]:
    """What tuning found for the device; says so if the machine has changed since then."""
    from engine.measure.tuning_record import TuningRecord

    record = TuningRecord()
    changed = record.stale_news(device)
    if changed is not None:
        say(
            f"urvc: this machine has {changed} since it was tuned, so the tuning is not used; "
            'run "urvc tune" again.'
        )
    return record.flags(device)
