"""The composition root: makes the parts and connects them; no logic of its own."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QMessageBox

from desktop.background import BackgroundTask
from desktop.icons import app_icon
from desktop.listen.listen_panel import ListenPanel
from desktop.listen.pitch_panel import PitchPanel
from desktop.mac.activity import SleepGuard
from desktop.mac.presence import SystemPresence
from desktop.native_library import open_torch_libraries
from desktop.networks.network_needs import NetworkDownload, NetworkNeeds
from desktop.pitch_scanner import PitchScanner
from desktop.problems import CrashReporter
from desktop.queue.engine_protocol import MakeEngine
from desktop.queue.intake import Gatherer
from desktop.queue.job_queue import JobQueue
from desktop.queue.queue_store import QueueStore, remove_leftovers
from desktop.queue.runner import JobRunner, force_exit
from desktop.queue.song_guess import SongGuess
from desktop.queue.source_lengths import SourceLengths
from desktop.queue.worker import ConverterEngine
from desktop.settings.store import Settings
from desktop.settings.table import LANGUAGE, MIRROR
from desktop.shell.application import Application, GarbageTimer
from desktop.shell.audition import Audition
from desktop.shell.main_window import MainWindow
from desktop.shell.menu_bar import MenuBar
from desktop.shell.settings_window import SettingsWindow
from desktop.shell.single_instance import SingleInstance, claim, hand_over, server_name
from desktop.shell.song_question import suggest_songs
from desktop.storage import AppPaths
from desktop.translation import chosen_language, install_translators
from desktop.tuning.tuning_run import MachineFlags, TuningRun, TuningWork
from desktop.voices.draft import Draft
from desktop.voices.key_suggestion import KeySuggestion
from desktop.voices.voice_list import VoiceList
from desktop.widgets import Ask, ask_user
from engine.device import prepare_environment
from engine.disk_cache import CACHE_VARIABLE
from engine.log import start_app_log
from engine.machine import TUNING_VARIABLE
from engine.paths import models_dir

_PATIENCE_S = 5.0
"""For an import of a voice that is being written."""

_ENGINE_PATIENCE_S = 0.7
"""Longer than an operation of torch; a result gets its name only when it is complete."""

_HAND_OVER_MS = 10_000
_AGAIN_MS = 500
BACKGROUND = "--background"


class App(QObject):
    """Makes the parts of the app and connects them.

    Parameters
    ----------
    make_engine, ask, leave : replaced in tests
    """

    def __init__(
        self,
        paths: AppPaths,
        make_engine: MakeEngine | None = None,
        ask: Ask = ask_user,
        leave: Callable[[int], None] = force_exit,
    ) -> None:
        super().__init__()
        self._paths = paths
        self._ask = ask
        self._leave = leave
        self._closed = False
        self._hidden = False
        self.garbage = GarbageTimer(self, self._is_unnoticed)
        self.crash = CrashReporter(paths.logs)
        self.settings = Settings(paths.settings_file)
        self.machine_flags = MachineFlags(self.settings)
        self.tuning = TuningRun(
            self.settings, lambda: self.queue.is_busy, lambda: TuningWork(paths.voices_dir), self
        )
        self.store = QueueStore(paths.queue_file)
        self.voices = VoiceList(paths.voices_dir)
        self.needs = NetworkNeeds(models_dir(), self.voices.content_encoder)
        self.queue = JobQueue(self.store.load(), self.needs.missing)
        self.lengths = SourceLengths(self.queue, parent=self)
        self.song_guess = SongGuess(parent=self)
        self.song_guess.found.connect(self._suggest_songs)
        self.downloads = NetworkDownload(
            self.queue, self.needs, lambda: self.settings.value(MIRROR), parent=self
        )
        threading.Thread(target=remove_leftovers, args=(self.queue.jobs(),), daemon=True).start()
        self.draft = Draft(self.settings, self.voices)
        usual = partial(ConverterEngine, cache_folder=paths.takes_cache)
        self.runner = JobRunner(self.queue, self.settings, make_engine or usual)
        self.gatherer = Gatherer(self)  # survives a change of windows
        self.pitch_scanner = PitchScanner(self)
        self.settings_window: SettingsWindow | None = None
        self._make_window()
        self.runner.learnt.connect(lambda voice, found: self.voices.keep_range(voice.key, found))
        self.crash.crashed.connect(self._on_crashed)
        self.queue.queue_changed.connect(self._save)
        self.queue.busy_changed.connect(self.tuning.set_busy)
        self._plug_in()
        self.queue.look_for_networks()
        self.runner.start()

    def start(self, files: Sequence[Path] = (), *, hidden: bool = False) -> None:
        """Show the window and accept the files that the app was started with."""
        self._hidden = hidden
        if not hidden:
            self.window.show_and_raise()
            self._tell_of_stale_tuning()
            # Now, while the app is idle: loading another library meanwhile would have to wait.
            threading.Thread(target=_load_ahead, daemon=True).start()
        self.window.take(list(files))

    def take_from_elsewhere(self, files: Sequence[Path]) -> None:
        """Come to the front, with files from a second start, Finder or the Dock."""
        self.show_window()
        self.take(files)

    def show_window(self) -> None:
        """Bring the window to the front."""
        self.window.show_and_raise()

    def take(self, files: Sequence[Path]) -> None:
        """Accept files as if they were dropped on the window."""
        self.window.take(list(files))

    def reopen(self) -> None:
        """Answer a click on the Dock icon; the first one after a hidden start is ignored."""
        hidden, self._hidden = self._hidden, False
        if not (hidden or self._closed or self.window.isVisible()):
            self.show_window()

    def show_settings(self) -> None:
        """Show the settings window."""
        if self.settings_window is None:
            self.settings_window = SettingsWindow(self.settings, self._paths, tuning=self.tuning)
            self.settings_window.report = self.crash.report
            self.settings_window.voices_changed.connect(self.voices.refresh)
            self.settings_window.networks_changed.connect(self.queue.look_for_networks)
            self.voices.changed.connect(self.settings_window.look_at_voices)
        self.settings_window.show()
        self.settings_window.raise_()
        self.settings_window.activateWindow()

    def show_optimization(self) -> None:
        """Show the pane of the settings where this machine is tuned."""
        self._show_pane("optimization")

    def show_models(self) -> None:
        """Show the pane of the settings with the networks."""
        self._show_pane("models")

    def _show_pane(self, key: str) -> None:
        self.show_settings()
        if self.settings_window is not None:
            self.settings_window.show_pane(key)

    def quit(self) -> None:
        """Quit; asks first while converting. Unfinished jobs are offered again later."""
        if self._closed or (self.queue.is_busy and not self._may_quit()):
            return
        self.close()
        QApplication.quit()

    def close(self) -> None:
        """Stop all work and save everything."""
        if self._closed:
            return
        self._closed = True
        if isinstance(application := QApplication.instance(), Application):
            application.is_over = True
        self.window.hide()
        self.sleep_guard.set_busy(False)
        self.menu_bar.tray.hide()
        self.audition.close()
        self.listen_panel.close_sound()
        self.pitch_scanner.close()
        self.window.voice_dialogs.close_tasks()
        self.downloads.close()
        self.lengths.close()
        self.song_guess.close()
        self.tuning.close()
        if self.settings_window is not None:
            self.settings_window.close_tasks()
            self.settings_window.hide()
        self.settings.flush()
        self.store.save(self.queue.jobs())
        in_time = self.voices.close(_PATIENCE_S)
        in_time = self.runner.close(_ENGINE_PATIENCE_S) and in_time
        windows = filter(None, (self.window, self.settings_window))
        tasks = [task for each in windows for task in each.findChildren(BackgroundTask)]
        in_time = in_time and not any(task.is_alive for task in tasks)
        self.store.close()
        self.crash.uninstall()
        self.garbage.close()
        if not in_time:
            self._leave(0)

    def change_language(self) -> None:
        """Recreate the windows in the chosen language; queue and engine continue.

        Waits while a download or an import shows its progress in one of them.
        """
        if self.settings_window is not None:
            self.settings_window.keep_changes()
        windows = [each for each in (self.window, self.settings_window) if each is not None]
        tasks = [task for each in windows for task in each.findChildren(BackgroundTask)]
        if any(task.is_running for task in tasks):
            QTimer.singleShot(_AGAIN_MS, self, self.change_language)
            return
        application = QApplication.instance()
        if self._closed or application is None:
            return
        install_translators(application, chosen_language(self.settings.value(LANGUAGE)))
        self.voices.changed.emit()  # the built-in one has another name
        window, settings_window = self.window, self.settings_window
        selected = window.queue_view.selected_ids()
        for each in windows:
            each.remember_place()
        self.audition.close()
        self.listen_panel.close_sound()
        window.take_no_more()
        self._make_window()
        self.window.queue_view.select_jobs(selected)
        self.window.notice.take_over(window.notice, self.window)
        self._on_reachability()
        self.settings_window = None
        if window.isVisible():
            self.window.show()
        if settings_window is not None and settings_window.isVisible():
            self.show_settings()
        for each in windows:
            each.hide()
            each.deleteLater()

    def _make_window(self) -> None:
        self.window = MainWindow(
            self.queue, self.draft, self.voices, self.settings, self.gatherer, self.downloads
        )
        self.window.report = self.crash.report
        self.window.quit_requested.connect(self.quit)
        self.window.settings_requested.connect(self.show_settings)
        self.window.models_requested.connect(self.show_models)
        self.pitch_scanner.forget_wishes()
        self.key_suggestion = KeySuggestion(
            self.draft, self.voices, self.settings, self.pitch_scanner
        )
        self.key_suggestion.range_wanted.connect(self.runner.learn)
        self.window.areas.voice_panel.add_below_key(self.key_suggestion)
        self.window.job_selected.connect(self.key_suggestion.set_job)
        self.window.jobs_dropped.connect(self.song_guess.look)
        pitch = PitchPanel(self.pitch_scanner, self._paths.data / "curves")
        self.runner.pitch_found.connect(pitch.take_used)
        self.runner.pitch_found.connect(self.key_suggestion.take_lead)
        pitch.convert_wanted.connect(self.window.convert_with_curve)
        self.listen_panel = ListenPanel(self.settings, self._paths.cache / "waveforms", pitch=pitch)
        self.listen_panel.takes_of = self.queue.takes
        self.window.set_listen_panel(self.listen_panel)
        self.window.job_selected.connect(self.listen_panel.set_job)
        self.audition = Audition(
            self.runner,
            self.draft,
            self.settings,
            self.listen_panel.stretch_of,
            parent=self.window,
        )
        self.audition.state_changed.connect(self._on_audition)
        self.window.set_audition(self.audition, self.listen_panel)
        self.window.play_requested.connect(lambda _job: self.listen_panel.toggle_play())
        self.window.toggle_requested.connect(self.listen_panel.toggle_play)
        self.window.seek_requested.connect(self.listen_panel.seek_by)

    @Slot()
    def _on_audition(self) -> None:
        """The pitch of whole files is looked for once the first sound is heard."""
        waits = self.audition.stretch is not None and not self.audition.is_heard
        self.pitch_scanner.hold(held=waits)

    def _plug_in(self) -> None:
        """Connect the parts that the window does not depend on."""
        self.sleep_guard = SleepGuard(self)
        self.queue.busy_changed.connect(self.sleep_guard.set_busy)
        self.menu_bar = MenuBar(self.queue, self.draft, self.voices, self.settings, parent=self)
        self.menu_bar.open_window_requested.connect(self.show_window)
        self.menu_bar.settings_requested.connect(self.show_settings)
        self.menu_bar.quit_requested.connect(self.quit)
        self.menu_bar.files_chosen.connect(self.take)
        self.presence = SystemPresence(self.queue, self.settings, parent=self)
        self.presence.files_received.connect(self.take_from_elsewhere)
        self.settings.changed.connect(self._on_setting)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.applicationStateChanged.connect(self._look_for_networks)
        self._on_reachability()

    @Slot(object)
    def _look_for_networks(self, state: Qt.ApplicationState) -> None:
        """After a look at another program, which may have installed networks."""
        if state == Qt.ApplicationState.ApplicationActive and not self._closed:
            self.queue.look_for_networks()

    def _on_setting(self, key: str) -> None:
        self._on_reachability()
        if key == LANGUAGE.key:  # later: the control that was used is deleted with its window
            QTimer.singleShot(0, self, self.change_language)

    def _on_reachability(self) -> None:
        # In the Dock a closed window can be reopened; elsewhere only from a visible status icon.
        self.window.reopenable = sys.platform == "darwin" or self.menu_bar.is_shown

    def _is_unnoticed(self) -> bool:
        """Whether nobody would notice a pause: nothing is heard, and others are in front."""
        in_front = QGuiApplication.applicationState() == Qt.ApplicationState.ApplicationActive
        heard = self.listen_panel.is_playing or self.audition.stretch is not None
        return not (in_front or heard or self.queue.is_busy)

    def _may_quit(self) -> bool:
        self.window.show_and_raise()
        return self._ask(
            self.window,
            self.tr("Quit while converting?"),
            self.tr("Unfinished conversions are offered again at the next start."),
            self.tr("Quit"),
        )

    def _tell_of_stale_tuning(self) -> None:
        changed = self.machine_flags.stale_news()
        if changed is not None:
            self._tell_of_change(changed)

    def _tell_of_change(self, changed: str) -> None:
        sentence = self.tr(
            "This machine was tuned before {change}; the results are no longer used. Tune "
            "again in the settings."
        )
        self.window.notice.tell(
            sentence.format(change=changed),
            ((self.tr("Open Settings"), self.show_optimization),),
            again=lambda _window: self._tell_of_change(changed),
        )

    @Slot(object)
    def _suggest_songs(self, job_ids: Sequence[str]) -> None:
        suggest_songs(self.window, self.draft, job_ids)

    def _save(self) -> None:
        if not self._closed:
            self.store.save(self.queue.jobs())

    def _on_crashed(self, report: str) -> None:
        self.window.notice.tell(
            self.tr("An internal error occurred; your queue is safe. Please send the report."),
            ((self.tr("Copy Report"), self.window.copy_report),),
            warning=True,
            again=lambda _window: self._on_crashed(report),
        )


def _load_ahead() -> None:
    """What the first click on a file would wait for."""
    open_torch_libraries()
    import desktop.listen.loop_player
    import desktop.listen.player
    import desktop.listen.waveform  # noqa: F401 - imported for their effect


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app; the exit code."""
    given = list(sys.argv if arguments is None else arguments)
    prepare_environment()
    application = Application(given)
    application.setWindowIcon(app_icon())
    paths = AppPaths.standard()
    start_app_log(paths.logs)
    os.environ.setdefault(TUNING_VARIABLE, str(paths.data / "tuning"))
    os.environ.setdefault(CACHE_VARIABLE, str(paths.cache))
    files = [Path(each).absolute() for each in given[1:] if not each.startswith("-")]
    name = server_name(paths.data)
    language = chosen_language(Settings(paths.settings_file).value(LANGUAGE))
    install_translators(application, language)
    lock = claim(paths.data)
    if lock is None:
        return 0 if hand_over(name, files, _HAND_OVER_MS) else _tell_running()
    instance = SingleInstance(name)
    app = App(paths)
    app.crash.install()
    instance.received.connect(app.take_from_elsewhere)
    application.reopened.connect(app.reopen)
    application.quit_asked.connect(app.quit)
    application.files_opened.connect(lambda: app.take_from_elsewhere(application.take_files()))
    application.commitDataRequest.connect(lambda _manager: app.close())
    app.start([*files, *application.take_files()], hidden=BACKGROUND in given)
    code = application.exec()
    app.close()
    instance.close()
    lock.release()
    return code


def _tell_running() -> int:
    """Another app holds the data folder but does not answer; the exit code."""
    title = QCoreApplication.translate("App", "Ultimate RVC is already running")
    advice = QCoreApplication.translate(
        "App", "It does not answer. Quit it (Force Quit in the Apple menu) and start again."
    )
    QMessageBox.critical(None, title, f"{title}.\n\n{advice}")
    return 1
