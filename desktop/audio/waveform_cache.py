"""Waveforms on disk, so that an hour-long file is read for its picture only once."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from desktop.audio.waveform import Waveform, pyramid

_FORMAT = 1
_MAX_FILES = 200
"""A few hundred kilobytes each; the oldest go first."""


class WaveformCache:
    """Complete waveforms under a folder. A file that changed is another file.

    Parameters
    ----------
    folder : made when first needed
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, source: Path) -> Waveform | None:
        """The waveform of the file as it is now; None if there is none or it is damaged."""
        try:
            with np.load(self._place(source), allow_pickle=False) as stored:
                facts = json.loads(str(stored["facts"]))
                peaks = stored["peaks"]
            if facts["format"] != _FORMAT or peaks.ndim != 2 or peaks.dtype != np.float32:
                return None
            return Waveform(
                pyramid(peaks),
                int(facts["bin_frames"]),
                int(facts["n_frames"]),
                int(facts["rate_hz"]),
                0.0,
                facts["loudness_lufs"],
                complete=True,
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, source: Path, waveform: Waveform) -> None:
        """Keep a complete waveform; a full or protected disk is no reason to fail."""
        facts = {
            "format": _FORMAT,
            "bin_frames": waveform.bin_frames,
            "n_frames": waveform.n_frames,
            "rate_hz": waveform.rate_hz,
            "loudness_lufs": waveform.loudness_lufs,
        }
        try:
            place = self._place(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_suffix(".part.npz")
            np.savez_compressed(temporary, peaks=waveform.levels[0], facts=json.dumps(facts))
            temporary.replace(place)
            self._forget_oldest()
        except OSError:
            return

    def _place(self, source: Path) -> Path:
        status = source.stat()
        identity = f"{source.absolute()}\0{status.st_mtime_ns}\0{status.st_size}"
        digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()
        return self._folder / f"{digest[:32]}.npz"

    def _forget_oldest(self) -> None:
        files = sorted(self._folder.glob("*.npz"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[:-_MAX_FILES]:
            file.unlink(missing_ok=True)
