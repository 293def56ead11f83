"""Flite, called as a program: speech and the time at which each phone ends."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipe.phoneme import flite_class

PROGRAM = "flite"


@dataclass(frozen=True)
class Manner:
    """How a sentence is to be spoken; None leaves the voice's own pitch."""

    voice: str
    stretch: float = 1.0
    f0_mean_hz: float | None = None
    f0_deviation_hz: float | None = None


def flite_is_installed() -> bool:
    """Whether the program can be found."""
    return shutil.which(PROGRAM) is not None


def speak(text: str, manner: Manner, output: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Write the speech to ``output`` (wav); ends in seconds and classes of its phones.

    Raises
    ------
    subprocess.CalledProcessError : flite failed
    """
    settings = [f"duration_stretch={manner.stretch:.3f}"]
    if manner.f0_mean_hz is not None:
        settings.append(f"int_f0_target_mean={manner.f0_mean_hz:.1f}")
    if manner.f0_deviation_hz is not None:
        settings.append(f"int_f0_target_stddev={manner.f0_deviation_hz:.1f}")
    options = [part for setting in settings for part in ("--setf", setting)]
    command = [PROGRAM, "-voice", manner.voice, *options, "-psdur", "-t", text, "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return parse_durations(done.stdout)


def parse_durations(printed: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Ends in seconds and classes, from ``name:end`` words as flite's ``-psdur`` prints them."""
    pairs = [word.rsplit(":", 1) for word in printed.split() if ":" in word]
    ends = np.array([float(end) for _, end in pairs], np.float32)
    return ends, np.array([flite_class(name) for name, _ in pairs], np.uint8)
