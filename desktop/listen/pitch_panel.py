"""The pitch of source and result, and the tools to correct it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from desktop import style
from desktop.background import BackgroundTask, Outcome
from desktop.listen.pitch_drawing import Curves, Mask, Trace, note_name, result_colour, stretches
from desktop.listen.pitch_edit import PitchEdit
from desktop.listen.pitch_view import PitchView
from desktop.listen.stretch import Stretch
from desktop.pitch_scanner import PitchScanner, PitchTrack
from desktop.queue.job import Job
from engine.key import CONFIDENT

Floats = NDArray[np.float32]

_STRAY_OCTAVES = 1 / 12
_SHORTEST_STRAY_FRAMES = 8
_KEPT_EDITS = 20


class PitchPanel(QWidget):
    """For one job; finds nothing while it is hidden.

    Parameters
    ----------
    scanner : finds the pitch of files
    curves_folder : where changed curves are saved

    Signals
    -------
    sought : (float) seconds
    scrolled : (start and stop in seconds) the user zoomed or scrolled
    convert_wanted : (Job, Path) convert that job's source again with the curve in this file
    """

    sought = Signal(float)
    scrolled = Signal(object)
    convert_wanted = Signal(object, object)

    def __init__(self, scanner: PitchScanner, curves_folder: Path) -> None:
        super().__init__()
        self._scanner = scanner
        self._folder = curves_folder
        self._job: Job | None = None
        self._shown_s: Stretch = (0.0, 0.0)
        self._tracks: dict[Path, PitchTrack] = {}
        self._edits: OrderedDict[tuple[Path, Path | None], PitchEdit] = OrderedDict()
        self._reading = BackgroundTask(self)
        self._reading.ended.connect(self._take_given)
        self._writing = BackgroundTask(self)
        self._writing.ended.connect(self._on_written)
        self._used: OrderedDict[Path, Floats] = OrderedDict()
        self._result: tuple[PitchTrack, Trace] | None = None
        self._read_for: Job | None = None
        self._written_for: Job | None = None
        self._build()
        scanner.found.connect(self._take_track)
        scanner.failed.connect(self._take_refusal)
        self._refresh()

    def set_job(self, job: Job | None) -> None:
        """Show a job, or none."""
        before, self._job = self._job, job
        if before is None or job is None or _files(before) != _files(job):
            self._view.show_message("")
            self._search()
        self._refresh()

    def set_position(self, position_s: float) -> None:
        """The playing position."""
        self._view.set_position(position_s)

    def show_seconds(self, shown_s: Stretch) -> None:
        """Show this part of the time."""
        self._shown_s = shown_s
        self._view.show_seconds(shown_s)

    def set_ends(self, left: float, right: int) -> None:
        """Where the curves begin, and what is free right of them: they stand below the waveforms.

        Parameters
        ----------
        left, right : points from the left and from the right of this panel
        """
        self._beside.setContentsMargins(0, 0, right, 0)
        self._view.set_left(left - self._view.x())

    def setVisible(self, visible: bool) -> None:  # noqa: N802, FBT001 - Qt's name
        """Search only while it can be seen."""
        super().setVisible(visible)
        self._search()

    @Slot(object, object)
    def take_used(self, result: Path, f0_hz: Floats) -> None:
        """The pitch with which a result was made, by whatever method."""
        self._used[result] = f0_hz
        while len(self._used) > _KEPT_EDITS:
            self._used.popitem(last=False)
        job, edit = self._job, self._edit
        if job is None or job.output != result or edit is None:
            return
        if not edit.can_undo and not edit.changed.any():
            self._begin(PitchEdit(f0_hz))

    def close_tasks(self) -> None:
        """End the threads, before the app quits or the window is built again."""
        self._scanner.want(self)
        self._reading.close()
        self._writing.close()

    def _build(self) -> None:
        self._view = view = PitchView()
        view.setAccessibleName(self.tr("Pitch of source and result"))
        view.setAccessibleDescription(
            self.tr(
                "Select a stretch with Shift and the arrow keys; Up and Down move it by an octave, "
                "Delete makes it unvoiced."
            )
        )
        view.sought.connect(self.sought)
        view.scrolled.connect(self.scrolled)
        view.selected.connect(self._refresh)
        view.transposed.connect(self._transpose)
        view.silenced.connect(self._silence)
        view.undo_wanted.connect(self._undo)
        view.redo_wanted.connect(self._redo)
        view.pointed.connect(self._point)
        self._up = self._button(self.tr("Octave Up"), lambda: self._transpose(1))
        self._down = self._button(self.tr("Octave Down"), lambda: self._transpose(-1))
        self._unvoiced = self._button(self.tr("Unvoiced"), self._silence)
        self._unvoiced.setToolTip(self.tr("Breath or noise: without a pitch"))
        self._restore = self._button(self.tr("Restore"), self._on_restore)
        self._restore.setToolTip(self.tr("Back to the pitch that was found"))
        self._undo_button = self._button(self.tr("Undo"), self._undo)
        self._convert = self._button(self.tr("Convert with This Line"), self._save)
        self._readout = style.SecondaryLabel()
        self._readout.setWordWrap(False)
        self._readout.setFont(style.figures_font(self._readout.font()))
        self._readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        tools = QHBoxLayout()
        tools.setSpacing(6)
        for button in (self._up, self._down, self._unvoiced, self._restore, self._undo_button):
            tools.addWidget(button)
        tools.addStretch(1)
        tools.addWidget(self._convert)
        self._beside = QHBoxLayout()
        self._beside.addWidget(view)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 0, 0, 4)
        column.setSpacing(4)
        column.addLayout(self._beside)
        column.addWidget(self._readout)
        column.addLayout(tools)

    def _button(self, text: str, act: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setFont(style.small_font(button))
        button.clicked.connect(lambda: act())
        return button

    # --- what is shown -------------------------------------------------------------------------

    def _search(self) -> None:
        if self.isHidden() or self._job is None:
            self._scanner.want(self)
            return
        source, result, _ = _files(self._job)
        paths = [source] if result is None else [source, result]
        self._tracks = {path: track for path, track in self._tracks.items() if path in paths}
        if self._edit is None:
            self._view.show_message(self.tr("Finding the pitch…"))
        else:
            self._show()
        self._scanner.want(self, *paths)

    def voiced(self, path: Path) -> Floats | None:
        """1 where a file is voiced, else 0, 100 a second; None if its pitch is not known yet."""
        track = self._scanner.known(path)
        return None if track is None else (track.f0_hz > 0).astype(np.float32)

    @Slot(object, object)
    def _take_track(self, path: Path, track: PitchTrack) -> None:
        if self._job is None or path not in _files(self._job)[:2]:
            return
        self._tracks[path] = track
        source, _, given = _files(self._job)
        if path != source or self._edit is not None:
            self._show()
        elif given is None:
            used = None if self._job.output is None else self._used.get(self._job.output)
            self._begin(PitchEdit(track.f0_hz if used is None else used))
        elif not self._reading.is_running:
            self._read_for, n_frames = self._job, len(track.f0_hz)
            self._reading.start(lambda _cancel, _tell: _read(given, n_frames))

    @Slot(object)
    def _take_given(self, outcome: Outcome) -> None:
        """The curve that the job was converted with."""
        job, self._read_for = self._read_for, None
        track = None if self._job is None else self._tracks.get(self._job.source)
        if self._job is None or track is None or self._edit is not None:
            return
        if job is None or _files(job) != _files(self._job):  # another one was selected meanwhile
            self._take_track(self._job.source, track)
            return
        if outcome.state == "failed":
            self._readout.setText(outcome.sentence)
        given = outcome.value if outcome.state == "finished" else None
        self._begin(PitchEdit(track.f0_hz, given))

    def _begin(self, edit: PitchEdit) -> None:
        if self._job is not None:
            self._edits[self._job.source, self._job.options.f0_file] = edit
            while len(self._edits) > _KEPT_EDITS:
                self._edits.popitem(last=False)
            self._show(keep_place=False)

    @Slot(object, str)
    def _take_refusal(self, path: Path, sentence: str) -> None:
        if self._job is not None and path == self._job.source:
            self._view.show_message(sentence)

    @property
    def _edit(self) -> PitchEdit | None:
        if self._job is None:
            return None
        return self._edits.get((self._job.source, self._job.options.f0_file))

    def _show(self, *, keep_place: bool = True) -> None:
        edit, job = self._edit, self._job
        if edit is None or job is None:
            return
        track = self._tracks.get(job.source)
        result = self._tracks.get(job.output) if job.output is not None else None
        f0_hz, changed = edit.f0_hz.copy(), edit.changed
        unsure = np.zeros(len(f0_hz), np.bool_) if track is None else _unsure(f0_hz, track)
        curves = Curves(
            f0_hz,
            changed & (f0_hz > 0),
            unsure & (f0_hz > 0) & ~changed,
            None if result is None else self._trace_of(result),
            None if result is None else _strays(edit, result.f0_hz, job),
        )
        entries = [(self.tr("Source"), style.accent)]
        if result is not None:
            entries.append((self.tr("Result"), result_colour))
        for name, colour, mask in (
            (self.tr("Uncertain"), style.caution, curves.unsure),
            (self.tr("Edited"), style.good, curves.edited),
            (self.tr("Not followed"), style.bad, curves.strays),
        ):
            if mask is not None and mask.any():
                entries.append((name, colour))
        self._view.set_legend(*entries)
        self._view.show_curves(curves, keep_place=keep_place and self._view.has_curves)
        if self._shown_s[1] > 0:
            self._view.show_seconds(self._shown_s)
        self._refresh()

    def _trace_of(self, result: PitchTrack) -> Trace:
        """Made once, as it never changes."""
        if self._result is None or self._result[0] is not result:
            self._result = result, Trace(result.f0_hz)
        return self._result[1]

    @Slot()
    def _refresh(self) -> None:
        edit, chosen = self._edit, self._view.selection
        usable = edit is not None and chosen is not None
        for button in (self._up, self._down, self._unvoiced):
            button.setEnabled(usable)
        changed = np.zeros(0, np.bool_) if edit is None else edit.changed
        can_undo = edit is not None and edit.can_undo
        is_new = can_undo or self._job_has_no_curve()
        self._restore.setEnabled(chosen is not None and bool(changed[slice(*chosen)].any()))
        self._undo_button.setEnabled(can_undo)
        self._convert.setEnabled(is_new and bool(changed.any()) and not self._writing.is_running)
        if edit is not None and not usable:
            self._readout.setText(
                self.tr("Drag to select, then drag up or down by octaves; + and − zoom")
            )

    def _job_has_no_curve(self) -> bool:
        return self._job is not None and self._job.options.f0_file is None

    @Slot(float, float)
    def _point(self, seconds: float, hz: float) -> None:
        if hz <= 0:
            self._refresh()
            return
        minutes, rest = divmod(seconds, 60)
        self._readout.setText(f"{note_name(hz)}  ·  {hz:.0f} Hz  ·  {minutes:.0f}:{rest:05.2f}")

    # --- what the user does --------------------------------------------------------------------

    @Slot(int)
    def _transpose(self, octaves: int) -> None:
        self._change(lambda edit, start, stop: edit.transpose(start, stop, octaves))

    @Slot()
    def _silence(self) -> None:
        self._change(lambda edit, start, stop: edit.silence(start, stop))

    def _on_restore(self) -> None:
        self._change(lambda edit, start, stop: edit.restore(start, stop))

    def _change(self, change: Callable[[PitchEdit, int, int], bool]) -> None:
        edit, chosen = self._edit, self._view.selection
        if edit is not None and chosen is not None and change(edit, *chosen):
            self._show()

    @Slot()
    def _undo(self) -> None:
        if self._edit is not None:
            self._edit.undo()
            self._show()

    @Slot()
    def _redo(self) -> None:
        if self._edit is not None:
            self._edit.redo()
            self._show()

    def _save(self) -> None:
        edit, job = self._edit, self._job
        if edit is None or job is None or self._writing.is_running:
            return
        f0_hz = edit.f0_hz.copy()
        mark = hashlib.sha256(f0_hz.tobytes()).hexdigest()[:8]
        path = self._folder / f"{job.source.stem[:60]} {mark}.csv"
        self._written_for = job
        self._writing.start(lambda _cancel, _tell: _write(path, f0_hz))
        self._refresh()

    @Slot(object)
    def _on_written(self, outcome: Outcome) -> None:
        job, self._written_for = self._written_for, None
        self._refresh()
        if outcome.state == "failed":
            self._readout.setText(outcome.sentence)
        elif outcome.state == "finished" and job is not None:
            self.convert_wanted.emit(job, outcome.value)


def _files(job: Job) -> tuple[Path, Path | None, Path | None]:
    """Source, result, curve."""
    return job.source, job.output, job.options.f0_file


def _read(path: Path, n_frames: int) -> Floats:
    from engine.pitch.curve import read_curve_file

    return read_curve_file(path).at_frames(n_frames)


def _write(path: Path, f0_hz: Floats) -> Path:
    from engine.pitch.curve import write_curve_file

    path.parent.mkdir(parents=True, exist_ok=True)
    write_curve_file(path, f0_hz)
    return path


def _unsure(f0_hz: Floats, track: PitchTrack) -> Mask:
    """Where SwiftF0 is not confident, or the method that was used says something else."""
    n = min(len(f0_hz), len(track.f0_hz))
    unsure = np.zeros(len(f0_hz), np.bool_)
    used_hz, swift_hz = f0_hz[:n], track.f0_hz[:n]
    both = (used_hz > 0) & (swift_hz > 0)
    ratio = np.where(both, used_hz, 1) / np.where(both, swift_hz, 1)
    unsure[:n] = (used_hz > 0) & (~both | (track.confidence[:n] < CONFIDENT))
    unsure[:n] |= np.abs(np.log2(ratio)) > _STRAY_OCTAVES
    return unsure


def _strays(edit: PitchEdit, result_hz: Floats, job: Job) -> Mask | None:
    """Where the result is unvoiced, or more than a semitone off what the source asked for."""
    if job.options.autotune > 0 or edit.can_undo:
        return None  # not what the result was made from
    n = min(len(edit.f0_hz), len(result_hz))
    asked = edit.f0_hz[:n] * np.float32(2.0 ** (job.options.semitones / 12))
    voiced, follows = asked > 0, result_hz[:n] > 0
    off = np.abs(np.log2(np.where(follows & voiced, result_hz[:n] / np.where(voiced, asked, 1), 1)))
    wrong = np.zeros(len(edit.f0_hz), np.bool_)
    wrong[:n] = voiced & (~follows | (off > _STRAY_OCTAVES))
    for start, stop in stretches(wrong):
        if stop - start < _SHORTEST_STRAY_FRAMES:
            wrong[start:stop] = False
    return wrong
