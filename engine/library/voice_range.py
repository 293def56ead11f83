"""Which pitch suits a voice: what the user gave, its checkpoint states, or was learnt and kept."""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.files import atomic_file, file_sha256, read_small_file
from engine.key import VoicePitch
from engine.library.installed_voice import InstalledVoice
from engine.paths import data_folder

RANGE_FILE = "range.json"
RANGES_VARIABLE = "URVC_RANGES_DIR"

_FORMAT = 1
_LONGEST_BYTES = 4096
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 2000.0


def known_pitch(voice: InstalledVoice, given_hz: float | None) -> VoicePitch | None:
    """Where a voice sounds right, as far as it is known without rendering anything.

    Parameters
    ----------
    given_hz : the user's own number, which comes before all others
    """
    learnt = learnt_range(voice)
    stated = voice.facts.get("f0_median_hz")
    if given_hz is not None:
        return _within(VoicePitch(given_hz, origin="given"), learnt)
    if isinstance(stated, int | float) and _is_pitch(stated):
        return _within(VoicePitch(float(stated), origin="stated"), learnt)
    return learnt


def learnt_range(voice: InstalledVoice) -> VoicePitch | None:
    """The range that was learnt; None without one."""
    identity = _identity(voice)
    record = _read(_place(voice, identity))
    values = [record.get(name) for name in ("target_hz", "low_hz", "high_hz")]
    if record.get("of") != identity or not all(map(_is_pitch, values)):
        return None
    target_hz, low_hz, high_hz = map(float, values)  # type: ignore[arg-type]  # checked above
    return VoicePitch(target_hz, low_hz, high_hz, "learnt") if low_hz <= high_hz else None


def was_learnt(voice: InstalledVoice) -> bool:
    """Whether rendering it again would tell nothing new, even if no range was found."""
    identity = _identity(voice)
    return _read(_place(voice, identity)).get("of") == identity


def keep_range(voice: InstalledVoice, found: VoicePitch | None) -> None:
    """Keep what was learnt with the voice; a full or protected disk is ignored.

    Beside a voice of the library; for a file that is not installed in the data folder, by its hash.
    """
    identity = _identity(voice)
    record: dict[str, Any] = {"format": _FORMAT, "of": identity}
    if found is not None:
        record |= {"target_hz": found.target_hz, "low_hz": found.low_hz, "high_hz": found.high_hz}
    place = _place(voice, identity)
    with suppress(OSError):
        if not voice.id:
            place.parent.mkdir(parents=True, exist_ok=True)
        with (
            atomic_file(place, overwrite=True) as descriptor,
            os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file,
        ):
            json.dump(record, file, indent=1)


def _within(pitch: VoicePitch, learnt: VoicePitch | None) -> VoicePitch:
    """A target with the learnt range, unless they contradict each other."""
    if learnt is None or learnt.low_hz is None or learnt.high_hz is None:
        return pitch
    if not learnt.low_hz <= pitch.target_hz <= learnt.high_hz:
        return pitch
    return VoicePitch(pitch.target_hz, learnt.low_hz, learnt.high_hz, pitch.origin)


def _identity(voice: InstalledVoice) -> str:
    """Changes with the weights; reads all of a file that is not installed."""
    return voice.content_sha256 if voice.id else file_sha256(voice.weights)


def _place(voice: InstalledVoice, identity: str) -> Path:
    if voice.id:
        return voice.folder / RANGE_FILE
    return data_folder("ranges", RANGES_VARIABLE, None) / f"{identity[:32]}.json"


def _read(place: Path) -> dict[str, Any]:
    try:
        record = json.loads(read_small_file(place, _LONGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and record.get("format") == _FORMAT else {}


def _is_pitch(value: object) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value) and _LOWEST_HZ <= value <= _HIGHEST_HZ  # type: ignore[operator, arg-type]  # a number
