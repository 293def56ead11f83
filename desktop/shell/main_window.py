"""The main window: what its areas, its actions and drops do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QMimeData, QPoint, QUrl, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QGuiApplication,
    QKeyEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QLabel,
)

from desktop.listen.listen_panel import ListenPanel
from desktop.mac.finder import reveal
from desktop.networks.network_needs import NetworkDownload
from desktop.problems import machine_lines
from desktop.queue.drop_window import DropWindow, link_of, paths_of
from desktop.queue.intake import VOICE_SUFFIXES, Gatherer, Intake
from desktop.queue.job import Job, JobProgress, JobState, Voice
from desktop.queue.job_queue import JobQueue
from desktop.queue.job_text import take_title
from desktop.settings.store import Settings
from desktop.shell.audition import Audition
from desktop.shell.audition_switch import AuditionSwitch
from desktop.shell.main_layout import MainLayout
from desktop.shell.playback_menu import PlaybackMenu
from desktop.shell.take_export import TakeExport
from desktop.shell.window_actions import WindowActions
from desktop.storage import sample_file
from desktop.voices.draft import Draft
from desktop.voices.voice_dialogs import VoiceDialogs
from desktop.voices.voice_list import VoiceList
from engine.audio.names import SUPPORTED_SUFFIXES
from engine.cover.options import CoverOptions

_GEOMETRY = "window.geometry"
_DEFAULT_SIZE = (1040, 700)
_SMALLEST_SIZE = (900, 600)


class MainWindow(DropWindow):
    """A view of queue, draft and voices.

    Parameters
    ----------
    downloads : downloads what waiting jobs lack; it may outlive the window

    Attributes
    ----------
    reopenable : whether the window can be reopened after closing
    """

    job_selected = Signal(object)
    jobs_dropped = Signal(object)
    play_requested = Signal(object)
    toggle_requested = Signal()
    seek_requested = Signal(float)
    models_requested = Signal()
    settings_requested = Signal()
    quit_requested = Signal()

    def __init__(
        self,
        queue: JobQueue,
        draft: Draft,
        voices: VoiceList,
        settings: Settings,
        gatherer: Gatherer | None = None,
        downloads: NetworkDownload | None = None,
    ) -> None:
        super().__init__(gatherer)
        self.queue = queue
        self.reopenable = False
        self.report: Callable[[], str] = machine_lines
        self._draft = draft
        self._voices = voices
        self._settings = settings
        self._downloads = downloads
        self._followed: str | None = None
        self._listen: ListenPanel | None = None
        self.setWindowTitle("Ultimate RVC")
        self.setMinimumSize(*_SMALLEST_SIZE)
        self.areas = areas = MainLayout(queue, draft, voices, settings)
        self.setCentralWidget(areas)
        self.queue_view, self.detail, self.notice = areas.queue_view, areas.detail, areas.notice
        self.voice_dialogs = VoiceDialogs(self, draft, voices, settings)
        self._export = TakeExport(self, self.notice)
        self.actions_ = WindowActions(self)
        self.actions_.fill(self.menuBar())
        self._connect()
        self._restore_geometry()
        self._on_queue_changed()
        self._offer_unfinished()

    # --- for others ----------------------------------------------------------------------------

    def set_listen_panel(self, panel: ListenPanel) -> None:
        """Add the player below the queue, and its menu."""
        self._listen = panel
        self.actions_.add_menu(self.tr("Playback"), PlaybackMenu(self, panel).fill)
        self.areas.add_panel(panel)
        panel.take_chosen.connect(self.queue_view.select_job)
        panel.mixer.save_wanted.connect(self.save_mix)
        self.queue.jobs_changed.connect(panel.look_again)
        self.queue.queue_changed.connect(panel.look_again)

    def set_audition(self, audition: Audition, panel: ListenPanel) -> None:
        """Connect the audition with its switches, the selection and the player."""
        switch = AuditionSwitch(audition, panel, self.areas.audition, self.actions_.audition)
        self._draft.changed.connect(switch.refresh)
        self.job_selected.connect(audition.set_job)
        self.queue.busy_changed.connect(audition.set_busy)
        audition.set_busy(self.queue.is_busy)

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
        self._retry(self.queue_view.selected_ids())

    def convert_with_settings(self) -> None:
        """Convert the selected sources once more, with the settings in the side panel."""
        sources = dict.fromkeys(job.source for job in self.selected_jobs())
        if sources:
            takes = self._draft.make_jobs(sources)
            self.queue.add(takes)
            self.show_new([take.id for take in takes])

    def use_settings_of_selected(self) -> None:
        """Show voice and settings of the selected take in the side panel, to change them there."""
        jobs = self.selected_jobs()
        if len(jobs) == 1:
            self._draft.take_over(jobs[0])

    def export_selected(self) -> None:
        """Copy the result of the selected take to a place that the user chooses."""
        jobs = self.selected_jobs()
        if len(jobs) == 1:
            self._export.ask(jobs[0])

    def star_selected(self) -> None:
        """Give the selected takes a star, or take it away."""
        self.queue.star(self.queue_view.selected_ids())

    def rename_selected(self) -> None:
        """Let the user type the name of the selected take."""
        jobs = self.selected_jobs()
        if len(jobs) == 1:
            self.queue_view.rename(jobs[0].id)

    def repeat_selected(self) -> None:
        """Make the selected takes again exactly."""
        self._show_takes(self.queue.repeat(self.queue_view.selected_ids()))

    def _retry(self, job_ids: Sequence[str]) -> None:
        self._show_takes(self.queue.retry(job_ids))

    def _show_takes(self, takes: Sequence[str]) -> None:
        if takes:
            self.show_new(takes)

    def remove_selected(self) -> None:
        """Remove the selected rows from the queue."""
        self.queue.remove(self.queue_view.selected_ids())

    def clear_over(self) -> None:
        """Remove all finished jobs from the queue."""
        self.queue.clear_over()

    def undo(self) -> None:
        """Put back the rows that were removed last."""
        if self.queue.can_undo:
            self.show_new(self.queue.undo_remove())

    def copy_results(self) -> None:
        """Copy the selected results, as files that can be pasted in Finder; or a marked text."""
        focused = QApplication.focusWidget()
        if isinstance(focused, QLabel) and focused.hasSelectedText():
            QGuiApplication.clipboard().setText(focused.selectedText())
            return
        outputs = [job.output for job in self.selected_jobs() if job.output is not None]
        files = [path for path in outputs if path.exists()]
        if files:
            content = QMimeData()
            content.setUrls([QUrl.fromLocalFile(str(path)) for path in files])
            QGuiApplication.clipboard().setMimeData(content)
        elif outputs:
            self.notice.tell(self.tr("The result is no longer where it was written"), warning=True)

    @Slot(object, object)
    def convert_with_curve(self, job: Job, curve: Path) -> None:
        """Convert a job's source once more, with a pitch curve of the user's."""
        options = job.options.with_values({"f0_file": curve})
        made = replace(job.another_take(), options=options)
        self.queue.add([made])
        self.show_new([made.id])

    @Slot(object, object)
    def save_mix(self, job: Job, cover: CoverOptions) -> None:
        """Mix a cover once more; what is heard meanwhile stays selected."""
        made = replace(job.another_take(), cover=cover)
        self._followed = None
        self.queue.add([made])
        self.queue_view.flash([made.id])
        take = self.queue.job(made.id)
        if take is not None:
            self.notice.tell(self.tr("{take} gets this mix").format(take=take_title(take)))

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

    def download_selected(self) -> None:
        """Download what the selected jobs lack."""
        self.download_for(self.queue_view.selected_ids())

    def download_for(self, job_ids: Sequence[str]) -> None:
        """Download what these jobs lack."""
        if self._downloads is not None:
            self._downloads.start(job_ids, self)

    def stop_download(self) -> None:
        """Stop the download of networks."""
        if self._downloads is not None:
            self._downloads.cancel()

    def reveal_selected(self) -> None:
        """Show the selected jobs' results, or sources, in Finder."""
        files = [job.output or job.source for job in self.selected_jobs()]
        for file in {file.parent: file for file in reversed(files)}.values():
            reveal(file)

    def copy_report(self) -> None:
        """Copy the report for the developers."""
        QGuiApplication.clipboard().setText(self.report())
        self.notice.tell(self.tr("The report is in the clipboard"))

    # --- what happens --------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Hide the window if it can be reopened; otherwise quit."""
        self.remember_place()
        if self.reopenable:
            event.accept()
        else:
            event.ignore()
            self.quit_requested.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Keys that no control used play, seek and flip."""
        if self._listen is None or not self._listen.take_key(event):
            super().keyPressEvent(event)

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
        areas.voice_panel.presets.refused.connect(self._on_refused)
        areas.convert.clicked.connect(self.convert_with_settings)
        self.queue_view.selection_moved.connect(self._on_selection)
        self.queue_view.remove_wanted.connect(self.remove_selected)
        self.queue_view.open_wanted.connect(self.play_selected)
        self.queue_view.play_wanted.connect(self.toggle_requested)
        self.queue_view.seek_wanted.connect(self.seek_requested)
        self.queue_view.button_pressed.connect(self._on_button)
        self.detail.needs.download_wanted.connect(self._download_shown)
        self.detail.needs.stop_wanted.connect(self.stop_download)
        self.detail.needs.models_wanted.connect(self.models_requested)
        self.queue_view.menu_wanted.connect(self._on_menu_wanted)
        queue.queue_changed.connect(self._on_queue_changed)
        queue.jobs_changed.connect(self._on_jobs_changed)
        queue.progressed.connect(self._on_progressed)
        self._voices.installed.connect(self._on_installed)
        self._voices.refused.connect(self._on_refused)
        if self._downloads is not None:
            self._downloads.failed.connect(self._on_refused)
            self._downloads.models_wanted.connect(self.models_requested)

    def voice_name(self) -> str:
        """The voice for a dropped file."""
        return self._draft.voice.name

    def file_kind(self) -> str:
        """What a dropped file is taken for."""
        return self._draft.file_kind

    def accept_intake(self, intake: Intake) -> None:
        """Convert the audio files, install the voices, report the rest."""
        if intake.sounds:
            jobs = self._draft.make_jobs(intake.sounds)
            self.queue.add(jobs)
            self.show_new([job.id for job in jobs])
            self.jobs_dropped.emit(jobs)
            if self.queue.count(JobState.NEEDS_NETWORKS) and not self.isVisible():
                self.show_and_raise()  # e.g. from the menu bar: the user has to decide
        if intake.voices:
            self._voices.install(intake.voices)
        skipped = self.tr("Skipped: {why}.")
        for reason in intake.reasons:
            self.notice.tell(skipped.format(why=reason), warning=True)
        if intake.left_alone:
            self.notice.tell(intake.left_alone, warning=True)

    def show_new(self, job_ids: Sequence[str]) -> None:
        """Select new or restored rows, scroll to them, and highlight them for a moment."""
        self._followed = job_ids[0] if len(job_ids) == 1 else None
        self.queue_view.select_jobs(job_ids)
        self.queue_view.flash(job_ids)

    def _on_button(self, name: str, job_id: str) -> None:
        """A button over a row."""
        if name in ("play", "reveal"):
            self.queue_view.select_job(job_id)
        {
            "cancel": lambda: self.queue.cancel([job_id]),
            "retry": lambda: self._retry([job_id]),
            "star": lambda: self.queue.star([job_id]),
            "unstar": lambda: self.queue.star([job_id]),
            "remove": lambda: self.queue.remove([job_id]),
            "play": self.play_selected,
            "reveal": self.reveal_selected,
            "download": lambda: self.download_for([job_id]),
            "stop_download": self.stop_download,
        }[name]()

    def _download_shown(self) -> None:
        if self.detail.job is not None:
            self.download_for([self.detail.job.id])

    def _on_installed(self, voice: Voice) -> None:
        self._draft.set_voice(voice)
        self.notice.tell(self.tr("“{name}” is installed and chosen").format(name=voice.name))

    def _on_refused(self, sentences: str) -> None:
        self.notice.tell(sentences, warning=True)

    def _on_selection(self) -> None:
        self._show_details()
        self.actions_.refresh()
        self.job_selected.emit(self._shown_job())

    def _show_details(self) -> None:
        job = self._shown_job()
        count = len(self.queue_view.selected_ids())
        if job is None:
            self.detail.show_count(count)
        else:
            progress, download = self.queue.progress(job.id), self.queue.download(job)
            self.detail.show_job(job, progress, download, of=count)

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
        several = len(self.queue_view.selected_ids()) > 1
        told = {each.id for each in (job, self.detail.job) if each is not None and several}
        if shown or not told.isdisjoint(job_ids):
            self._on_selection()

    def _on_progressed(self, progress: JobProgress) -> None:
        shown = self.detail.job
        if shown is not None and shown.id == progress.job_id:
            self.detail.show_progress(progress)
        self.areas.show_progress(progress)

    def _on_queue_changed(self) -> None:
        self.areas.refresh()
        self.actions_.refresh()

    def _on_menu_wanted(self, place: QPoint) -> None:
        self.actions_.context_menu().popup(self.queue_view.viewport().mapToGlobal(place))

    def _shown_job(self) -> Job | None:
        """The selected job; of several the running one, and then the one that ran last."""
        selected = self.queue_view.selected_ids()
        if len(selected) == 1:
            return self.queue.job(selected[0])
        chosen = frozenset(selected)
        for job in (self.queue.running(), self.detail.job):
            if job is not None and job.id in chosen:
                return self.queue.job(job.id)
        return None

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
