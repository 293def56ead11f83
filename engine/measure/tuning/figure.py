"""What tuning tells while it runs, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.machine import Machine

Reason = Literal["pays", "slower", "no gain", "unclear", "other sound", "failed", "left as it is"]
"""``left as it is``: what the flag does to the sound is for the user to choose; measured only."""


@dataclass(frozen=True)
class Figure:
    """One value of a flag against the value that was in force.

    Attributes
    ----------
    flag : field of `OptimizationConfig`
    value, before : tried, and in force until then
    seconds, before_s : for the clip; None where it did not get so far
    gain : ``before_s / seconds - 1``
    rounds : how often both ran
    difference_db, before_db : signal over difference to the plain way on the CPU, with the value
        and with the one before; None where equal
    least_db : what it has to be
    kept : whether `value` was in force afterwards
    reason : why, or why not
    detail : what went wrong, if it failed
    """

    flag: str
    value: Any
    before: Any
    reason: Reason
    kept: bool = False
    seconds: float | None = None
    before_s: float | None = None
    gain: float | None = None
    rounds: int = 0
    difference_db: float | None = None
    before_db: float | None = None
    least_db: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Gain:
    """What a flag gives on this machine, of all its figures together.

    Attributes
    ----------
    chosen : the value in force at the end
    used : whether that is another than the plain one (off)
    gain : how much faster than the plain value it is, or would be
    """

    flag: str
    chosen: Any
    used: bool
    gain: float | None
    difference_db: float | None
    reason: Reason


@dataclass(frozen=True)
class Tuning:
    """What was measured on one device.

    Attributes
    ----------
    machine, device : what it holds for; ``device`` by its name for people
    when : ISO 8601, UTC
    app : version of this program
    voice : what was converted with, e.g. ``synthetic``
    clip_s : seconds of sound
    flags : those that were found best
    figures : in the order in which they were measured
    on_cpu : why parts run on the CPU, each a sentence
    """

    machine: Machine
    device: str
    when: str
    app: str
    voice: str
    clip_s: float
    flags: Mapping[str, Any]
    figures: tuple[Figure, ...]
    on_cpu: tuple[str, ...] = ()

    def gains(self, plain: Mapping[str, Any]) -> dict[str, Gain]:
        """By flag.

        Parameters
        ----------
        plain : each flag's plain value
        """
        flags = dict.fromkeys(figure.flag for figure in self.figures)
        return {flag: self._gain(flag, plain.get(flag)) for flag in flags}

    def _gain(self, flag: str, plain: Any) -> Gain:
        figures = [figure for figure in self.figures if figure.flag == flag]
        chosen = figures[0].before
        speed: dict[Any, float] = {chosen: 1.0}
        level: dict[Any, float | None] = {}
        for figure in figures:
            if figure.gain is not None:
                speed[figure.value] = speed[figure.before] * (1 + figure.gain)
            level[figure.value] = figure.difference_db
            level.setdefault(figure.before, figure.before_db)
            chosen = figure.value if figure.kept else chosen
        used = chosen != plain
        last = next((f for f in reversed(figures) if f.value == chosen), figures[0])
        if used:
            measured = plain in speed and chosen in speed
            gain = speed[chosen] / speed[plain] - 1 if measured else None
            return Gain(flag, chosen, used, gain, level.get(chosen), _used_reason(last, chosen))
        others = [figure for figure in figures if figure.value != chosen]
        best = max(others, key=lambda figure: speed.get(figure.value, 0.0), default=figures[0])
        known = best.value in speed and chosen in speed
        other_gain = speed[best.value] / speed[chosen] - 1 if known else None
        return Gain(flag, chosen, used, other_gain, best.difference_db, best.reason)


def _used_reason(figure: Figure, chosen: Any) -> Reason:
    return "pays" if figure.value == chosen else figure.reason


@dataclass(frozen=True)
class TuningProgress:
    """One step of a running tuning.

    Attributes
    ----------
    doing : ``prepare``, ``examine``, or the flag that is measured
    value : the value that is tried
    fraction : 0..1 of all that is done
    remaining_s : None while it cannot be told
    """

    doing: str
    value: Any = None
    fraction: float = 0.0
    remaining_s: float | None = None


Listener = Callable[[TuningProgress], None]
