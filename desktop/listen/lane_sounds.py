"""What is known of the sounds in the lanes: waveforms, levels, and which can be heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from desktop.listen.feeder import PlayedFile
from desktop.listen.lane import Lane
from desktop.settings import table as settings_table
from desktop.settings.store import Settings
from engine.cover.options import Part

if TYPE_CHECKING:
    from desktop.listen.mixer import Weights
    from desktop.listen.waveform import Waveform, WaveformScanner

_MOST_PLAYED = 10
"""So many files are read at the same time; flipping to another one takes a moment longer."""


class LaneSounds(QObject):
    """Reads the files of the lanes on a thread, the heard one first.

    Parameters
    ----------
    cache_folder : where waveforms are kept

    Signals
    -------
    updated : (bool) more of a waveform is known; True: a file was read to its end, or cannot be
    """

    updated = Signal(bool)

    def __init__(self, settings: Settings, cache_folder: Path, parent: QObject) -> None:
        super().__init__(parent)
        self._settings = settings
        self._cache_folder = cache_folder
        self._scanner: WaveformScanner | None = None
        self._lanes: Sequence[Lane] = ()
        self._waveforms: dict[PlayedFile, Waveform] = {}
        self._refusals: dict[PlayedFile, str] = {}

    def set_lanes(self, lanes: Sequence[Lane]) -> None:
        """Show other lanes; what is known of files that are not among them is forgotten."""
        self._lanes = lanes
        shown = {lane.file for lane in lanes}
        self._waveforms = {file: w for file, w in self._waveforms.items() if file in shown}
        self._refusals = {file: why for file, why in self._refusals.items() if file in shown}

    def read(self, heard: int) -> None:
        """Read the lane that is heard, the source, and then the others."""
        order = dict.fromkeys((heard, 0, *range(len(self._lanes)))) if self._lanes else ()
        files = [file for k in order if (file := self._lanes[k].file) is not None]
        if self._scanner is None:
            if not files:
                return
            from desktop.listen.waveform import WaveformCache, WaveformScanner

            self._scanner = WaveformScanner(WaveformCache(self._cache_folder), self)
            self._scanner.updated.connect(self._take_waveform)
            self._scanner.failed.connect(self._take_refusal)
        self._scanner.want(*files)

    def close(self) -> None:
        """End the thread."""
        if self._scanner is not None:
            self._scanner.close()

    def waveform(self, file: PlayedFile | None) -> Waveform | None:
        """The waveform of a file, as far as it was read."""
        return None if file is None else self._waveforms.get(file)

    def refusal(self, file: PlayedFile) -> str:
        """Why a file cannot be heard, or ""."""
        return self._refusals.get(file, "")

    @property
    def length_s(self) -> float:
        """Length of the longest sound."""
        return max((each.duration_s for each in self._waveforms.values()), default=0.0)

    @property
    def all_read(self) -> bool:
        """Whether every file that can be read was read to its end."""
        files = {lane.file for lane in self._lanes if lane.file is not None}
        done = {file for file, each in self._waveforms.items() if each.complete}
        return files <= done | self._refusals.keys()

    def playable(self, number: int) -> bool:
        """Whether a lane can be heard."""
        file = self._lanes[number].file
        return file is not None and file not in self._refusals

    def gains_db(self) -> list[float]:
        """For each lane the gain that makes it as loud as the others, once they were read."""
        known = self._known_gains_db()
        return [0.0 if lane.file is None else known.get(lane.file, 0.0) for lane in self._lanes]

    def played(
        self, heard: int, take: str, mix: Mapping[Part, float] | None
    ) -> tuple[list[PlayedFile], Weights]:
        """The files that are read at the same time, and the factor of each.

        Parameters
        ----------
        take : key of the take whose parts there are; they are as loud as in it
        mix : factors of its parts, which are heard instead of its file; None plays the file
        """
        able = [k for k in range(len(self._lanes)) if self.playable(k)]
        if heard not in able:
            return [], ()
        # Flipping to one of these is heard at once: parts, the source, and what is nearest.
        able.sort(key=lambda k: (k != heard, self._lanes[k].part is None, abs(k - heard)))
        able = sorted(able[:_MOST_PLAYED])
        files = [file for k in able if (file := self._lanes[k].file) is not None]
        gains_db = self.gains_db()
        return files, tuple(self._weight(k, heard, take, mix, gains_db) for k in able)

    def _weight(
        self,
        number: int,
        heard: int,
        take: str,
        mix: Mapping[Part, float] | None,
        gains_db: Sequence[float],
    ) -> float:
        lane, is_mixed = self._lanes[number], self._lanes[heard].key == take and mix is not None
        level = float(number == heard)
        if is_mixed and mix is not None:
            level = 0.0 if lane.part is None else mix.get(lane.part, 0.0)
        whole = number
        if lane.part is not None:
            whole = next((k for k, each in enumerate(self._lanes) if each.key == take), number)
        return float(level * 10 ** (gains_db[whole] / 20))

    def _known_gains_db(self) -> dict[PlayedFile, float]:
        if not self._settings.value(settings_table.LEVEL_MATCH):
            return {}
        from desktop.listen.loudness import matching_gains_db

        files = [lane.file for lane in self._lanes if lane.file is not None and lane.part is None]
        known = {file: self._waveforms[file] for file in files if file in self._waveforms}
        known = {file: each for file, each in known.items() if each.complete}
        gains_db = matching_gains_db([each.loudness_lufs for each in known.values()])
        return dict(zip(known, gains_db, strict=True))

    @Slot(object, object)
    def _take_waveform(self, file: PlayedFile, waveform: Waveform) -> None:
        if any(lane.file == file for lane in self._lanes):
            self._waveforms[file] = waveform
            self.updated.emit(waveform.complete)

    @Slot(object, str)
    def _take_refusal(self, file: PlayedFile, sentence: str) -> None:
        if any(lane.file == file for lane in self._lanes):
            self._refusals[file] = sentence
            self.updated.emit(True)  # noqa: FBT003 - a signal of one value
