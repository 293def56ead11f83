"""What tuning found on this machine, kept until the machine changes. Needs no torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.device import is_apple_silicon
from engine.errors import OptionError
from engine.finding import forget_forms
from engine.machine import Machine, read_object, tuning_dir, write_object
from engine.optimization import FLAGS, OptimizationConfig

FILE = "tuned.json"

NOT_MEASURED = frozenset({"device", "skip_silence", "retrieval_weighting", "enable_profiling"})
"""The device is given; silence depends on the sound; the others do not make anything faster."""

Reason = Literal[
    "faster", "slower", "no gain", "unclear", "different sound", "failed", "measured only"
]
"""``measured only``: the flag changes the sound, so the user decides."""

_EARLIER_REASONS = {
    "pays": "faster", "other sound": "different sound", "left as it is": "measured only",
}  # fmt: skip
"""What earlier versions wrote in their records."""


@dataclass(frozen=True)
class Figure:
    """One value of a flag, compared with the value in force at that time.

    Attributes
    ----------
    flag : field of `OptimizationConfig`
    value, before : the value tried, and the one in force
    seconds, before_s : for the clip; None if it was not timed
    gain : ``before_s / seconds - 1``
    rounds : how often both ran
    difference_db, before_db : agreement of each with the plain CPU result; None where equal
    least_db : the agreement that is required
    kept : whether `value` was in force afterwards
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
    """What a flag gives on this machine, from all its figures.

    Attributes
    ----------
    chosen : the value in force at the end
    used : whether that differs from the plain value (off)
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
    machine : the figures hold for this machine only
    device : its full name, e.g. ``Apple M3 Max (Metal)``
    when : ISO 8601, UTC
    app : version of this program
    voice : what was converted with, e.g. ``synthetic``
    clip_s : seconds of sound
    flags : the best values found
    figures : in the order in which they were measured
    on_cpu : why parts run on the CPU, each a sentence
    parts : by what and how each part runs, each a sentence
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
    parts: tuple[str, ...] = ()

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
        if used:
            last = next((f for f in reversed(figures) if f.value == chosen), None)
            measured = plain in speed and chosen in speed
            gain = speed[chosen] / speed[plain] - 1 if measured else None
            reason = figures[0].reason if last is None else "faster"
            return Gain(flag, chosen, used, gain, level.get(chosen), reason)
        others = [figure for figure in figures if figure.value != chosen]
        best = max(others, key=lambda figure: speed.get(figure.value, 0.0), default=figures[0])
        known = best.value in speed and chosen in speed
        other_gain = speed[best.value] / speed[chosen] - 1 if known else None
        return Gain(flag, chosen, used, other_gain, best.difference_db, best.reason)


@dataclass(frozen=True)
class TuningProgress:
    """One step of a running tuning.

    Attributes
    ----------
    doing : ``prepare``, ``examine``, ``check``, or the flag that is measured
    value : the value that is tried
    fraction : 0..1
    remaining_s : None while unknown
    """

    doing: str
    value: Any = None
    fraction: float = 0.0
    remaining_s: float | None = None


Listener = Callable[[TuningProgress], None]


class TuningRecord:
    """One tuning for each device.

    Parameters
    ----------
    folder : None is `tuning_dir`
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tuning_dir(folder) / FILE

    def require_writable(self) -> None:
        """Check that a tuning can be saved.

        Raises
        ------
        OSError : the folder cannot be written
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._file.parent):
            pass

    def tuning(self, device: str) -> Tuning | None:
        """What is kept for a device (``mps``, ``cuda``, ``cpu``), stale or not."""
        return _tuning(self._devices().get(device))

    def latest(self) -> tuple[str, Tuning] | None:
        """The device that was tuned last, and its tuning."""
        found = [(name, _tuning(record)) for name, record in self._devices().items()]
        valid = [(name, tuning) for name, tuning in found if tuning is not None]
        return max(valid, key=lambda each: each[1].when, default=None)

    def flags(self, device: str) -> dict[str, Any]:
        """The best flags found; none if the machine has changed since."""
        tuning = self.tuning(device)
        if tuning is None or tuning.machine != Machine.here():
            return {}
        return dict(tuning.flags)

    def stale(self, device: str) -> str | None:
        """What has changed since, e.g. ``macOS 15.2``; None if nothing has."""
        tuning = self.tuning(device)
        return None if tuning is None else tuning.machine.difference(Machine.here())

    def stale_news(self, device: str) -> str | None:
        """See `stale`; each change is reported once."""
        changed, kept = self.stale(device), read_object(self._file)
        if changed is None or kept.get("told") == changed:
            return None
        try:
            write_object(self._file, {**kept, "told": changed})
        except OSError:
            return None  # else it would be reported every time
        return changed

    def usual_flags(self, device: str) -> dict[str, Any]:
        """The flags in force where the user chose nothing, as far as known without torch.

        Parameters
        ----------
        device : as chosen; ``auto`` is the device tuned last, else Metal on Apple silicon
        """
        if device == "auto":
            latest = self.latest()
            usual = "mps" if is_apple_silicon() else "cpu"
            device = latest[0] if latest and self.flags(latest[0]) else usual
        flags = {**asdict(OptimizationConfig.preset(device)), **self.flags(device)}
        return {name: value for name, value in flags.items() if name not in NOT_MEASURED}

    def save(self, device: str, tuning: Tuning) -> None:
        """Keep a tuning in place of the earlier one.

        Raises
        ------
        OSError : the disk is full or refuses
        """
        write_object(self._file, {"devices": {**self._devices(), device: asdict(tuning)}})

    def forget(self, device: str) -> None:
        """Remove the tuning of a device, and by what parts run fastest on any."""
        forget_forms(self._file.parent)
        devices = self._devices()
        if devices.pop(device, None) is not None:
            write_object(self._file, {"devices": devices})

    def _devices(self) -> dict[str, Any]:
        devices = read_object(self._file).get("devices")
        return devices if isinstance(devices, dict) else {}


def _tuning(record: object) -> Tuning | None:
    """A tuning from its JSON; None if that is damaged or has flags that the engine refuses."""
    try:
        tuning = msgspec.convert(_with_present_reasons(record), Tuning)
        if not tuning.flags.keys() <= {flag.name for flag in FLAGS} - NOT_MEASURED:
            return None
        OptimizationConfig(**tuning.flags)
    except (msgspec.ValidationError, OptionError):
        return None
    return tuning


def _with_present_reasons(record: object) -> object:
    """A record whose figures have the reasons of this version."""
    figures = record.get("figures") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(figures, list):
        return record
    renamed = [
        {**each, "reason": _EARLIER_REASONS.get(str(each.get("reason")), each.get("reason"))}
        if isinstance(each, dict)
        else each
        for each in figures
    ]
    return {**record, "figures": renamed}
