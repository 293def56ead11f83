"""What tuning found on this machine, kept until the machine changes."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.errors import OptionError
from engine.machine import Machine
from engine.measure.tuning.candidate import NOT_MEASURED
from engine.measure.tuning.figure import Figure, Tuning
from engine.optimization import OptimizationConfig
from engine.tuning_file import read_object, tuning_dir, write_object

FILE = "tuned.json"


class TuningRecord:
    """One tuning for each device.

    Parameters
    ----------
    folder : None is `tuning_dir`
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tuning_dir(folder) / FILE

    def require_writable(self) -> None:
        """Nothing happens where something can be kept.

        Raises
        ------
        OSError : the disk refuses
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._file.parent):
            pass

    def tuning(self, device: str) -> Tuning | None:
        """What is kept for a device (``mps``, ``cuda``, ``cpu``), stale or not."""
        devices = read_object(self._file).get("devices")
        return _tuning(devices.get(device)) if isinstance(devices, dict) else None

    def latest(self) -> tuple[str, Tuning] | None:
        """The device that was tuned last, and what was found."""
        devices = read_object(self._file).get("devices")
        names = list(devices) if isinstance(devices, dict) else []
        found = [(name, tuning) for name in names if (tuning := self.tuning(name)) is not None]
        return max(found, key=lambda each: each[1].when, default=None)

    def flags(self, device: str) -> dict[str, Any]:
        """The flags that were found best; none where the machine has changed since."""
        tuning = self.tuning(device)
        if tuning is None or tuning.machine != Machine.here():
            return {}
        return dict(tuning.flags)

    def stale(self, device: str) -> str | None:
        """What has changed since, e.g. ``macOS 15.2``; None where nothing has."""
        tuning = self.tuning(device)
        return None if tuning is None else tuning.machine.difference(Machine.here())

    def stale_news(self, device: str) -> str | None:
        """See `stale`; told once for each change."""
        changed, kept = self.stale(device), read_object(self._file)
        if changed is None or kept.get("told") == changed:
            return None
        try:
            write_object(self._file, {**kept, "told": changed})
        except OSError:
            return None  # or it would be told each time
        return changed

    def usual_flags(self, device: str) -> dict[str, Any]:
        """What is in force where the user chose nothing, as far as it is known without torch.

        Parameters
        ----------
        device : as it was chosen; ``auto`` takes what was tuned last, and knows Apple silicon
        """
        if device == "auto":
            latest = self.latest()
            metal = sys.platform == "darwin" and platform.machine() == "arm64"
            device = latest[0] if latest and self.flags(latest[0]) else "mps" if metal else "cpu"
        flags = {**asdict(OptimizationConfig.preset(device)), **self.flags(device)}
        return {name: value for name, value in flags.items() if name not in NOT_MEASURED}

    def save(self, device: str, tuning: Tuning) -> None:
        """Keep a tuning in place of the one before.

        Raises
        ------
        OSError : the disk is full or refuses
        """
        devices = read_object(self._file).get("devices")
        others = devices if isinstance(devices, dict) else {}
        write_object(self._file, {"devices": {**others, device: asdict(tuning)}})

    def forget(self, device: str) -> None:
        """As if the device had never been tuned."""
        devices = read_object(self._file).get("devices")
        if isinstance(devices, dict) and device in devices:
            rest = {name: value for name, value in devices.items() if name != device}
            write_object(self._file, {"devices": rest})


def _tuning(record: object) -> Tuning | None:
    """A tuning as it was written; None where it is none of ours."""
    if not isinstance(record, Mapping):
        return None
    try:
        flags = _checked(dict(record["flags"]))
        return Tuning(
            Machine(**record["machine"]),
            str(record["device"]),
            str(record["when"]),
            str(record["app"]),
            str(record["voice"]),
            float(record["clip_s"]),
            flags,
            tuple(Figure(**each) for each in record["figures"]),
            tuple(str(each) for each in record["on_cpu"]),
        )
    except (KeyError, TypeError, ValueError, OptionError):
        return None


def _checked(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Flags of a kind and in a range that the engine takes.

    Raises
    ------
    OptionError, TypeError : they are not
    """
    plain = OptimizationConfig()
    for name, value in flags.items():
        if name in NOT_MEASURED or type(value) is not type(getattr(plain, name, None)):
            raise TypeError(name)
    OptimizationConfig(**flags)
    return dict(flags)
