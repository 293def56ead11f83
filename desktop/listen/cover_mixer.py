"""The mixer of a cover: its parts in lanes, heard with other levels while it plays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from desktop.background import BackgroundTask, Outcome
from desktop.listen.lane import Lane, part_lane
from desktop.listen.mix_levels import SHOWN_PARTS, MixLevels
from desktop.queue.job import Job
from desktop.settings.section_button import SectionButton
from desktop.settings.store import Settings
from desktop.style import SecondaryLabel, small_font
from engine.cover.options import Part

_MIXER = "listen.mixer"
"""Remembered: whether the mixer is open."""


class CoverMixer(QObject):
    """Finds the parts of the shown cover on a thread, and keeps the levels of each cover.

    Attributes
    ----------
    toggle : opens and closes the mixer; hidden where there is nothing to mix
    bar : what is said below the lanes, with the buttons

    Signals
    -------
    lanes_changed : it was opened or closed, or the parts were found
    levels_changed : the user changed a level
    save_wanted : (Job, CoverOptions) make another take of this job with these levels
    """

    lanes_changed = Signal()
    levels_changed = Signal()
    save_wanted = Signal(object, object)

    def __init__(self, settings: Settings, parent: QObject) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._files: dict[str, Mapping[Part, Path]] = {}
        self._levels: dict[str, MixLevels] = {}
        self._saved: dict[str, dict[Part, float]] = {}
        self._finding: str | None = None
        self._task = BackgroundTask(self)
        self._task.ended.connect(self._on_found)
        self.toggle = SectionButton(self.tr("Mixer"), settings, _MIXER)
        self.toggle.setToolTip(self.tr("Change the levels of the parts of this cover, live"))
        self.toggle.setFont(small_font(self.toggle))
        self.toggle.toggled.connect(self._on_toggled)
        self.bar = QWidget()
        self._said = SecondaryLabel()
        self.reset = QPushButton(self.tr("Reset"))
        self.save = QPushButton(self.tr("Save Mix"))
        self.save.setToolTip(self.tr("Write these levels as another take, without converting"))
        row = QHBoxLayout(self.bar)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._said, 1)
        for button, act in ((self.reset, self._on_reset), (self.save, self._on_save)):
            button.setFont(small_font(button))
            button.clicked.connect(act)
            row.addWidget(button)
        self._show()

    def set_job(self, job: Job | None) -> None:
        """Show the parts of another job's cover."""
        self._job = job
        if self.is_open and job is not None and not self._files.get(job.parts):
            self._find()
        self._show()

    def close_tasks(self) -> None:
        """End the thread."""
        self._task.close()

    @property
    def is_open(self) -> bool:
        """Whether the mixer is shown for this job."""
        return self._can_mix and self.toggle.isChecked()

    @property
    def levels(self) -> MixLevels | None:
        """The levels as they are set; None where there are no parts (yet)."""
        job = self._job
        files = None if job is None else self._files.get(job.parts)
        if job is None or job.cover is None or not files:
            return None
        return self._levels.get(job.id) or MixLevels.of(job.cover, files)

    def lanes(self) -> list[Lane]:
        """A lane for each part while it is open."""
        if self._job is None or not self.is_open:
            return []
        files = self._files.get(self._job.parts, {})
        return [part_lane(part, files[part]) for part in SHOWN_PARTS if part in files]

    def gains(self) -> dict[Part, float] | None:
        """Factor of each part if the levels were changed; None if the file sounds like that."""
        gains = self._gains()
        own = {} if self._job is None or self._job.cover is None else self._job.cover.gains()
        return None if all(gains[part] == own[part] for part in gains) else gains

    def audible(self) -> frozenset[Part]:
        """The parts that are heard in the cover, while the mixer is open."""
        return frozenset(part for part, gain in self._gains().items() if gain)

    def set_levels(self, levels: MixLevels) -> None:
        """Hear other levels."""
        if self._job is not None:
            self._levels[self._job.id] = levels
            self._show()
            self.levels_changed.emit()

    # --- private -------------------------------------------------------------------------------

    @property
    def _can_mix(self) -> bool:
        job = self._job
        return job is not None and job.cover is not None and bool(job.parts)

    def _gains(self) -> dict[Part, float]:
        """Factor of each part as it is set; none while the mixer is closed."""
        job, levels = self._job, self.levels
        if job is None or job.cover is None or levels is None or not self.is_open:
            return {}
        return levels.gains(job.cover)

    def _find(self) -> None:
        job = self._job
        if job is not None and job.parts and self._finding is None:
            name = self._finding = job.parts
            self._task.start(lambda _cancel, _tell: _files_of(name))

    @Slot(object)
    def _on_found(self, outcome: Outcome) -> None:
        name, self._finding = self._finding, None
        if name is not None:
            self._files[name] = outcome.value or {}
        if self._job is not None and self._job.parts not in (name, *self._files):
            self._find()  # another job was selected meanwhile
        self._show()
        self.lanes_changed.emit()

    @Slot()
    def _on_toggled(self) -> None:
        self.set_job(self._job)
        self.lanes_changed.emit()

    @Slot()
    def _on_reset(self) -> None:
        if self._job is not None:
            self._levels.pop(self._job.id, None)
            self._show()
            self.levels_changed.emit()

    @Slot()
    def _on_save(self) -> None:
        job, levels = self._job, self.levels
        if job is not None and job.cover is not None and levels is not None:
            self._saved[job.id] = self._gains()
            self._show()
            self.save_wanted.emit(job, levels.applied(job.cover))

    def _show(self) -> None:
        self.toggle.setVisible(self._can_mix)
        self.bar.setVisible(self.is_open)
        gains = self.gains()
        changed = gains is not None
        is_saved = changed and self._job is not None and self._saved.get(self._job.id) == gains
        self.save.setEnabled(changed and not is_saved)
        self.reset.setEnabled(changed)
        if self._job is None or self._job.parts not in self._files:
            sentence = self.tr("Looking for the parts of this cover…")
        elif not self._files[self._job.parts]:
            sentence = self.tr(
                "The parts of this cover were deleted from the cache; "
                "convert the song again to mix it."
            )
        elif is_saved:
            sentence = self.tr("Heard live; another take has these levels.")
        elif changed:
            sentence = self.tr("Heard live; the file stays as it is until you save.")
        else:
            sentence = self.tr("These are the levels of this take.")
        self._said.setText(sentence)


def _files_of(name: str) -> Mapping[Part, Path]:
    """The files of the parts of a cover; none if they are not kept any more."""
    from engine.cover.parts import PartCache

    found = PartCache().find(name)
    return {} if found is None else found.paths
