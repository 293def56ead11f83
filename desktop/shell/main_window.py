"""The main window: side panel, queue, details of one job; accepts drops anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QPoint, Qt, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QGuiApplication,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMessageBox,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.mac.finder import reveal
from desktop.notices import NoticeBar
from desktop.problems import machine_lines
from desktop.queue.drop_window import DropWindow, EmptyPage, link_of, paths_of
from desktop.queue.intake import VOICE_SUFFIXES, Gatherer, Intake
from desktop.queue.job import Job, JobProgress, JobState, Voice
from desktop.queue.job_details import DetailPanel
from desktop.queue.job_queue import JobQueue
from desktop.queue.job_text import clock
from desktop.queue.queue_view import QueueView
from desktop.settings.acknowledgements import AcknowledgementsDialog
from desktop.settings.store import Settings
from desktop.shell.window_actions import WindowActions
from desktop.storage import sample_file
from desktop.voices.draft import Draft
from desktop.voices.voice_dialogs import VoiceDialogs
from desktop.voices.voice_list import VoiceList
from desktop.voices.voice_panel import WIDTH, VoicePanel
from engine.audio.names import SUPPORTED_SUFFIXES


class _Side(QScrollArea):
    """The scrolled side panel; grows by its scroll bar, which would cover the controls."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__()
        self._panel = panel
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its controls scroll into view by themselves
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setFixedWidth(WIDTH)
        self.setWidget(panel)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep room for the whole panel beside the scroll bar."""
        super().resizeEvent(event)
        needed = max(WIDTH, self._panel.minimumSizeHint().width())
        self.setFixedWidth(needed + self.width() - self.viewport().width())


class _Line(QWidget):
    """A hairline between two areas."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(1)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the line."""
        QPainter(self).fillRect(self.rect(), style.hairline(self.palette()))


class MainLayout(QWidget):
    """Side panel | notice, queue or invitation, details, status."""

    def __init__(
        self, queue: JobQueue, draft: Draft, voices: VoiceList, settings: Settings
    ) -> None:
        super().__init__()
        self._queue = queue
        self.voice_panel = VoicePanel(draft, voices, settings)
        self.notice = NoticeBar()
        self.empty = EmptyPage()
        self.queue_view = QueueView(queue)
        self.detail = DetailPanel()
        self._panels = QVBoxLayout()
        self._panels.setContentsMargins(0, 0, 0, 0)
        self._status = style.PlainLabel()
        self._status.setFont(style.figures_font(style.small_font(self)))
        self._status.setContentsMargins(style.MARGIN, 5, style.MARGIN, 6)
        self._status_base = ""
        work = QWidget()
        column = QVBoxLayout(work)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.queue_view, 1)
        column.addWidget(_Line())
        column.addWidget(self.detail)
        column.addLayout(self._panels)
        column.addWidget(_Line())
        column.addWidget(self._status)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(work)
        self.pages.setAutoFillBackground(True)
        self.pages.setBackgroundRole(QPalette.ColorRole.Base)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.notice)
        right.addWidget(self.pages, 1)
        side = _Side(self.voice_panel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(side)
        row.addLayout(right, 1)

    def add_panel(self, panel: QWidget) -> None:
        """Add an area below the details."""
        self._panels.addWidget(_Line())
        self._panels.addWidget(panel)

    def refresh(self) -> None:
        """Show the empty page or the queue, and the counts in the status line."""
        empty = self._queue.rowCount() == 0
        self.pages.setCurrentIndex(0 if empty else 1)
        counts = (
            (self.tr("{count} converting"), self._queue.count(JobState.RUNNING)),
            (self.tr("{count} waiting"), self._queue.count(JobState.WAITING)),
            (self.tr("{count} not finished"), self._queue.count(JobState.INTERRUPTED)),
            (self.tr("{count} finished"), self._queue.count(JobState.FINISHED)),
            (self.tr("{count} failed"), self._queue.count(JobState.FAILED)),
            (self.tr("{count} cancelled"), self._queue.count(JobState.CANCELLED)),
        )
        self._status_base = "  ·  ".join(text.format(count=n) for text, n in counts if n)
        self._status.setText(self._status_base)

    def show_progress(self, progress: JobProgress) -> None:
        """The remaining time of the running job."""
        if progress.remaining_s is not None:
            alone = not self._queue.count(JobState.WAITING)
            text = self.tr("{time} left") if alone else self.tr("{time} left for this file")
            left = text.format(time=clock(progress.remaining_s + 0.5))
            self._status.setText(f"{self._status_base}  ·  {left}")


_GEOMETRY = "window.geometry"
_DEFAULT_SIZE = (1040, 700)
_SMALLEST_SIZE = (900, 600)


class MainWindow(DropWindow):
    """A view of queue, draft and voices.

    Attributes
    ----------
    reopenable : whether the window can be reopened after closing
    """

    job_selected = Signal(object)
    play_requested = Signal(object)
    settings_requested = Signal()
    quit_requested = Signal()

    def __init__(
        self,
        queue: JobQueue,
        draft: Draft,
        voices: VoiceList,
        settings: Settings,
        gatherer: Gatherer | None = None,
    ) -> None:
        super().__init__(gatherer)
        self.queue = queue
        self.reopenable = False
        self.report: Callable[[], str] = machine_lines
        self._draft = draft
        self._voices = voices
        self._settings = settings
        self._followed: str | None = None
        self.setWindowTitle("Ultimate RVC")
        self.setMinimumSize(*_SMALLEST_SIZE)
        self.areas = areas = MainLayout(queue, draft, voices, settings)
        self.setCentralWidget(areas)
        self.queue_view, self.detail, self.notice = areas.queue_view, areas.detail, areas.notice
        self.voice_dialogs = VoiceDialogs(self, self.notice, queue, draft, voices, settings)
        self.actions_ = WindowActions(self)
        self.actions_.fill(self.menuBar())
        self._connect()
        self._restore_geometry()
        self._on_queue_changed()
        self._offer_unfinished()

    # --- for others ----------------------------------------------------------------------------

    def set_listen_panel(self, panel: QWidget) -> None:
        """Add the player below the queue."""
        self.areas.add_panel(panel)

    def show_and_raise(self) -> None:
        """Bring the window to the front."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def remember_place(self) -> None:
        """Save size and position for the next window."""
        geometry = bytes(self.saveGeometry().toBase64().data()).decode()
        self._settings.remember(_GEOMETRY, geometry)

    def open_files_dialog(self) -> None:
        """File › Open…"""
        endings = " ".join(f"*{suffix}" for suffix in sorted(SUPPORTED_SUFFIXES))
        kinds = f"{self.tr('Sound and video')} ({endings});;{self.tr('All files')} (*)"
        names, _ = QFileDialog.getOpenFileNames(self, self.tr("Convert"), self._folder(), kinds)
        self._chosen([Path(name) for name in names])

    def open_voice_dialog(self) -> None:
        """File › Add Voice…"""
        endings = " ".join(f"*{suffix}" for suffix in sorted(VOICE_SUFFIXES))
        kinds = f"{self.tr('Voices')} ({endings})"
        names, _ = QFileDialog.getOpenFileNames(self, self.tr("Add Voice"), self._folder(), kinds)
        self._chosen([Path(name) for name in names])

    def selected_jobs(self) -> list[Job]:
        """The jobs of the selected rows."""
        found = map(self.queue.job, self.queue_view.selected_ids())
        return [job for job in found if job is not None]

    # --- actions -------------------------------------------------------------------------------

    def paste(self) -> None:
        """Convert the files in the clipboard, or show what a link in it offers."""
        content = QGuiApplication.clipboard().mimeData()
        paths, link = paths_of(content), link_of(content)
        if paths:
            self.take(paths)
        elif link:
            self.ask_for_link(link)
        else:
            self.notice.tell(self.tr("The clipboard contains no file or link"))

    def ask_for_link(self, link: str = "") -> None:
        """Show what a dropped link offers."""
        self.voice_dialogs.ask_for_link(link)

    def cancel_selected(self) -> None:
        """Cancel the selected jobs; the running one if none of these can be cancelled."""
        chosen = [job for job in self.selected_jobs() if not job.is_over]
        running = self.queue.running()
        self.queue.cancel([job.id for job in chosen] or ([running.id] if running else []))

    def cancel_all(self) -> None:
        """Cancel all running and waiting jobs."""
        self.queue.cancel([job.id for job in reversed(self.queue.jobs())])

    def retry_selected(self) -> None:
        """Convert the selected files again."""
        self.queue.retry(self.queue_view.selected_ids())

    def remove_selected(self) -> None:
        """Remove the selected rows from the queue."""
        self.queue.remove(self.queue_view.selected_ids())

    def clear_over(self) -> None:
        """Remove all finished jobs from the queue."""
        self.queue.clear_over()

    def move_selected(self, by: int) -> None:
        """Move the selected rows up (-1) or down (1)."""
        ids = self.queue_view.selected_ids()
        rows = [row for row in map(self.queue.row_of, ids) if row is not None]
        if rows:
            self.queue.move(ids, max(0, rows[0] - 1) if by < 0 else rows[-1] + 2)

    def play_selected(self) -> None:
        """Play the result of the selected job."""
        jobs = self.selected_jobs()
        if len(jobs) == 1 and jobs[0].output is not None:
            self.play_requested.emit(jobs[0])

    def reveal_selected(self) -> None:
        """Show the selected jobs' results, or sources, in Finder."""
        files = [job.output or job.source for job in self.selected_jobs()]
        for file in {file.parent: file for file in reversed(files)}.values():
            reveal(file)

    def copy_report(self) -> None:
        """Copy the report for the developers."""
        QGuiApplication.clipboard().setText(self.report())
        self.notice.tell(self.tr("The report is in the clipboard"))

    def show_about(self) -> None:
        """Name and version, and the way to the licences."""
        box = QMessageBox(self)
        box.setWindowTitle(self.tr("About Ultimate RVC"))
        box.setIconPixmap(self.windowIcon().pixmap(64))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(machine_lines())
        box.setStandardButtons(QMessageBox.StandardButton.Close)
        more = box.addButton(self.tr("Acknowledgements…"), QMessageBox.ButtonRole.ActionRole)
        more.clicked.connect(self.show_acknowledgements)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    @Slot()
    def show_acknowledgements(self) -> None:
        """The licences of everything that the app is made of."""
        AcknowledgementsDialog(self).show()

    # --- what happens --------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Hide the window if it can be reopened; otherwise quit."""
        self.remember_place()
        if self.reopenable:
            event.accept()
        else:
            event.ignore()
            self.quit_requested.emit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Repaint after a change of theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def _connect(self) -> None:
        queue, areas = self.queue, self.areas
        areas.empty.choose_wanted.connect(self.open_files_dialog)
        areas.empty.sample_wanted.connect(lambda: self.take([sample_file()]))
        areas.voice_panel.add_wanted.connect(self.open_voice_dialog)
        self.queue_view.selection_moved.connect(self._on_selection)
        self.queue_view.remove_wanted.connect(self.remove_selected)
        self.queue_view.open_wanted.connect(self.play_selected)
        self.queue_view.menu_wanted.connect(self._on_menu_wanted)
        queue.queue_changed.connect(self._on_queue_changed)
        queue.jobs_changed.connect(self._on_jobs_changed)
        queue.progressed.connect(self._on_progressed)
        self._voices.installed.connect(self._on_installed)
        self._voices.refused.connect(self._on_refused)

    def voice_name(self) -> str:
        """The voice for a dropped file."""
        return self._draft.voice.name

    def accept_intake(self, intake: Intake) -> None:
        """Convert the audio files, install the voices, report the rest."""
        if intake.sounds:
            jobs = self._draft.make_jobs(intake.sounds)
            self.queue.add(jobs)
            if len(jobs) > 1 and not self.selected_jobs():
                self.queue_view.select_job(jobs[0].id)
        if intake.voices:
            self._voices.install(intake.voices)
        skipped = self.tr("Skipped: {why}.")
        sentences = [skipped.format(why=reason) for reason in intake.reasons]
        if intake.left_alone:
            sentences.append(f"{intake.left_alone}.")
        if sentences:
            self.notice.tell("\n".join(sentences), warning=bool(intake.reasons))

    def _on_installed(self, voice: Voice) -> None:
        self._draft.set_voice(voice)
        self.notice.tell(self.tr("“{name}” is installed and chosen").format(name=voice.name))

    def _on_refused(self, sentences: str) -> None:
        self.notice.tell(sentences, warning=True)

    def _on_selection(self) -> None:
        job = self._shown_job()
        if job is None:
            self.detail.show_count(len(self.queue_view.selected_ids()))
        else:
            self.detail.show_job(job, self.queue.progress(job.id))
        self.actions_.refresh()
        self.job_selected.emit(job)

    def _on_jobs_changed(self, job_ids: Sequence[str]) -> None:
        shown = any(map(self.queue_view.is_only_selected, job_ids))
        job = self.queue.running()
        if job is not None and job.id in job_ids:
            selected = self.queue_view.selected_ids()
            if not selected or selected == [self._followed]:
                self._followed = job.id
                self.queue_view.select_job(job.id)
            else:
                self._followed = None
        if shown:
            self._on_selection()

    def _on_progressed(self, progress: JobProgress) -> None:
        if self.queue_view.is_only_selected(progress.job_id):
            self.detail.show_progress(progress)
        self.areas.show_progress(progress)

    def _on_queue_changed(self) -> None:
        self.areas.refresh()
        self.actions_.refresh()

    def _on_menu_wanted(self, place: QPoint) -> None:
        self.actions_.context_menu().popup(self.queue_view.viewport().mapToGlobal(place))

    def _shown_job(self) -> Job | None:
        jobs = self.selected_jobs()
        return jobs[0] if len(jobs) == 1 else None

    def _offer_unfinished(self) -> None:
        count = self.queue.count(JobState.INTERRUPTED)
        if not count:
            return
        one = self.tr("One conversion was not finished when the app quit")
        several = self.tr("{count} conversions were not finished when the app quit")
        undone = [job.id for job in self.queue.jobs() if job.state is JobState.INTERRUPTED]
        self.notice.tell(
            (several if count > 1 else one).format(count=count),
            (
                (self.tr("Remove"), lambda: self.queue.remove(undone)),
                (self.tr("Continue"), self.queue.resume_interrupted),
            ),
        )

    def _folder(self) -> str:
        return str(self._settings.memory("dialog.folder") or Path.home())

    def _chosen(self, paths: list[Path]) -> None:
        if paths:
            self._settings.remember("dialog.folder", str(paths[0].parent))
            self.take(paths)

    def _restore_geometry(self) -> None:
        self.resize(*_DEFAULT_SIZE)
        kept = self._settings.memory(_GEOMETRY)
        if isinstance(kept, str):
            self.restoreGeometry(QByteArray.fromBase64(kept.encode("ascii", "replace")))
