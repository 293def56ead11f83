"""What one conversion is asked to do and what it gives back; frozen, so a job owns its copy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from engine.errors import OptionError
from engine.pitch.methods import AUTO, METHODS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FileFormat = Literal["wav", "flac", "mp3", "ogg", "aiff"]
Subtype = Literal["float", "24", "16"]

FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
SUBTYPES: tuple[Subtype, ...] = get_args(Subtype)

LONGEST_NUMBER = 15
"""Digits of a refused number that a sentence repeats."""

MAX_SEMITONES = 36.0
"""Three octaves: beyond that no voice has training data and the request is a typing error."""


@dataclass(frozen=True, kw_only=True)
class ConversionOptions:
    """Settings of one conversion.

    Attributes
    ----------
    semitones : pitch shift, -36..36
    index_rate : how much of the voice's own features replaces the source's, 0..1
    protect : below 0.5, unvoiced sounds keep ``1 - protect`` of their own features (0..0.5)
    volume_envelope : 1 keeps the voice's loudness, 0 follows the source's
    pitch_method : ``auto`` takes RMVPE where its weights are installed, else YIN
    f0_file : CSV ``seconds,hz`` that replaces the tracked pitch
    f0_min_hz, f0_max_hz : range in which pitch is looked for
    autotune : strength 0..1 of the pull towards the nearest semitone; the shift is kept
    speaker : which speaker of a voice that holds several
    seed : of all noise; the same seed gives the same samples
    noise : False makes every random source zero
    stereo : keep two channels; otherwise they are mixed
    output_rate_hz : sample rate of the result; None is the voice's own
    file_format, subtype : of a result written to disk; subtype None is the format's best
    overwrite : replace an existing file instead of refusing

    Raises
    ------
    OptionError : a value is out of its range
    """

    semitones: float = 0.0
    index_rate: float = 0.75
    protect: float = 0.33
    volume_envelope: float = 1.0
    pitch_method: str = AUTO
    f0_file: Path | None = None
    f0_min_hz: float = 50.0
    f0_max_hz: float = 1100.0
    autotune: float = 0.0
    speaker: int = 0
    seed: int = 0
    noise: bool = True
    stereo: bool = False
    output_rate_hz: int | None = None
    file_format: FileFormat = "wav"
    subtype: Subtype | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        _require_range("pitch shift in semitones", self.semitones, -MAX_SEMITONES, MAX_SEMITONES)
        _require_range("index rate", self.index_rate, 0.0, 1.0)
        _require_range("protect", self.protect, 0.0, 0.5)
        _require_range("volume envelope", self.volume_envelope, 0.0, 1.0)
        _require_range("autotune strength", self.autotune, 0.0, 1.0)
        _require_range("lowest pitch in Hz", self.f0_min_hz, 20.0, 2000.0)
        _require_range("highest pitch in Hz", self.f0_max_hz, 20.0, 2000.0)
        if self.f0_min_hz * 1.5 > self.f0_max_hz:
            raise OptionError(
                "Cannot look for a pitch",
                f"{self.f0_min_hz:g} to {self.f0_max_hz:g} Hz is less than a fifth",
                "give a range such as 50 to 1100 Hz",
            )
        _require_range("speaker", self.speaker, 0, 2**31 - 1)
        _require_range("seed", self.seed, 0, 2**63 - 1)
        if self.output_rate_hz is not None:
            _require_range("output sample rate in Hz", self.output_rate_hz, 8000, 192_000)
        _require_choice("pitch method", self.pitch_method, (AUTO, *METHODS))
        _require_choice("file format", self.file_format, FILE_FORMATS)
        if self.subtype is not None:
            _require_choice("sample format", self.subtype, SUBTYPES)


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
    """

    samples: NDArray[np.float32] | None
    output_path: Path | None
    rate_hz: int
    source_s: float
    taken_s: float
    stage_s: Mapping[str, float] = field(default_factory=dict)
    device: str = "cpu"
    peak_memory_bytes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def realtime_factor(self) -> float:
        """Seconds of sound converted in one second."""
        return self.source_s / self.taken_s if self.taken_s > 0 else math.inf


def _require_range(name: str, value: float, low: float, high: float) -> None:
    if not (low <= value <= high):  # NaN fails too
        raise OptionError(
            f"Cannot use {_short(value)} as {name}",
            f"it must lie between {low:g} and {high:g}",
            "choose a value in that range",
        )


def _short(value: float) -> str:
    """A number fit for a sentence, however many digits it has."""
    text = str(value) if isinstance(value, int) else f"{value:g}"
    return text if len(text) <= LONGEST_NUMBER else text[:LONGEST_NUMBER] + "…"


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(
            f'Cannot use "{value}" as {name}', "it is not known", f"choose {', '.join(choices)}"
        )
