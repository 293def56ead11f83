"""Copies a result to a place that the user chooses."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog, QWidget

from desktop.background import BackgroundTask, Outcome
from desktop.notices import NoticeBar
from desktop.queue.job import Job
from engine.errors import OutputFileError, Text
from engine.files import atomic_file
from engine.plain_text import plain
from engine.progress import CancelToken

_BLOCK_BYTES = 1 << 20


class TakeExport(QObject):
    """Exports one result at a time, on a thread."""

    def __init__(self, window: QWidget, notice: NoticeBar) -> None:
        super().__init__(window)
        self._window, self._notice = window, notice
        self._task = BackgroundTask(self)
        self._task.ended.connect(self._on_ended)

    def ask(self, job: Job) -> None:
        """Ask where to, and copy; a name without the result's ending gets it."""
        output = job.output
        if output is None or self._task.is_running:
            return
        kinds = f"*{output.suffix}"
        chosen, _ = QFileDialog.getSaveFileName(self._window, self.tr("Export"), output.name, kinds)
        if not chosen:
            return
        asked = Path(chosen)
        ends_alike = asked.suffix.lower() == output.suffix.lower()
        target = asked if ends_alike else asked.with_name(asked.name + output.suffix)
        self._task.start(
            lambda cancel, _tell: _copied(output, target, cancel, overwrite=ends_alike)
        )

    @Slot(object)
    def _on_ended(self, outcome: Outcome) -> None:
        if outcome.state == "failed":
            self._notice.tell(outcome.sentence, warning=True)
        elif outcome.state == "finished":
            told = self.tr("Exported as “{name}”")
            self._notice.tell(told.format(name=plain(outcome.value.name)))


def _copied(source: Path, target: Path, cancel: CancelToken, *, overwrite: bool) -> Path:
    """Copy a file; the dialog has asked whether to replace another one.

    Raises
    ------
    OutputFileError : it could not be read or written; nothing is left of the copy
    ConversionCancelled : the app is about to quit
    """
    try:
        with (
            source.open("rb") as file,
            atomic_file(target, overwrite=overwrite) as descriptor,
            open(descriptor, "wb", closefd=False) as copy,
        ):
            for block in iter(partial(file.read, _BLOCK_BYTES), b""):
                cancel.raise_if_cancelled()
                copy.write(block)
    except OSError as error:
        raise OutputFileError(
            Text("Cannot export “{name}”", name=plain(target.name)),
            Text("the disk reports: {report}", report=error.strerror or str(error)),
            "choose another name or folder",
        ) from error
    return target
