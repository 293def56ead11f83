"""All actions of the window with their shortcuts, for the menus and the context menu."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from itertools import zip_longest
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QMessageBox, QWidget

from desktop.queue.job import JobState
from desktop.shell.about import show_about, show_acknowledgements
from desktop.style import menu_text

if TYPE_CHECKING:
    from desktop.shell.main_window import MainWindow

_RECENT = 10
_CAN_BE_CANCELLED = frozenset(
    {JobState.WAITING, JobState.NEEDS_NETWORKS, JobState.RUNNING, JobState.INTERRUPTED}
)


class WindowActions(QObject):
    """The actions of the main window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        tr, voices = self.tr, window.voice_dialogs
        key = QKeySequence.StandardKey
        self.open = self._make(tr("Open…"), window.open_files_dialog, key.Open)
        self.add_voice = self._make(tr("Add Voice…"), window.open_voice_dialog, "Ctrl+Shift+O")
        self.add_link = self._make(tr("Voice from a Link…"), voices.ask_for_link, "Ctrl+Shift+L")
        self.models = self._make(tr("Networks for Community Voices…"), window.models_requested.emit)
        self.export = self._make(tr("Export…"), window.export_selected, "Ctrl+E")
        self.close = self._make(tr("Close Window"), window.close, "Ctrl+W")
        self.settings = self._make(tr("Settings…"), window.settings_requested.emit, "Ctrl+,")
        self.settings.setMenuRole(QAction.MenuRole.PreferencesRole)
        self.quit = self._make(tr("Quit"), window.quit_requested.emit, "Ctrl+Q")
        self.quit.setMenuRole(QAction.MenuRole.QuitRole)
        self.about = self._make(tr("About Ultimate RVC"), partial(show_about, window))
        self.about.setMenuRole(QAction.MenuRole.AboutRole)
        self.licences = self._make(tr("Acknowledgements…"), partial(show_acknowledgements, window))
        self.undo = self._make(tr("Undo Remove"), window.undo, key.Undo)
        self.copy = self._make(tr("Copy Result"), window.copy_results, key.Copy)
        self.paste = self._make(tr("Paste"), window.paste, key.Paste)
        self.select_all = self._make(tr("Select All"), window.queue_view.selectAll, key.SelectAll)
        self.cancel = self._make(tr("Cancel"), window.cancel_selected, "Ctrl+.")
        self.cancel_all = self._make(tr("Cancel All"), window.cancel_all, "Ctrl+Shift+.")
        self.retry = self._make(tr("Convert Again"), window.retry_selected, "Ctrl+R")
        self.repeat = self._make(tr("Repeat Exactly"), window.repeat_selected, "Ctrl+Alt+R")
        self.convert = self._make(
            tr("Convert with These Settings"), window.convert_with_settings, "Ctrl+Return"
        )
        self.use_settings = self._make(
            tr("Use Settings of This Take"), window.use_settings_of_selected, "Ctrl+U"
        )
        self.audition = self._make(tr("Audition"), lambda: None, "Alt+Space")
        self.star = self._make(tr("Star"), window.star_selected, "Ctrl+D")
        self.rename = self._make(tr("Rename Take"), window.rename_selected, "F2")
        self.remove = self._make(tr("Remove from Queue"), window.remove_selected, "Ctrl+Backspace")
        self.clear = self._make(tr("Clear Finished"), window.clear_over, "Ctrl+Shift+K")
        self.up = self._make(tr("Move Up"), lambda: window.move_selected(-1), "Ctrl+Alt+Up")
        self.down = self._make(tr("Move Down"), lambda: window.move_selected(1), "Ctrl+Alt+Down")
        self.download = self._make(tr("Download What Is Missing"), window.download_selected)
        self.play = self._make(tr("Play"), lambda: None, "Ctrl+P")
        self.play.setEnabled(False)
        self.reveal = self._make(tr("Show in Finder"), window.reveal_selected, "Ctrl+Shift+R")
        self.copy_timings = self._make(
            tr("Copy Timings"), window.detail.copy, QKeySequence("Ctrl+Shift+C")
        )
        self.minimize = self._make(tr("Minimize"), window.showMinimized, "Ctrl+M")
        self.zoom = self._make(tr("Zoom"), self._zoom)
        self.full_screen = self._make(
            tr("Enter Full Screen"), self._toggle_full_screen, key.FullScreen
        )
        self.keys = self._make(tr("Keyboard Shortcuts"), self._show_keys, key.HelpContents)
        self.copy_report = self._make(tr("Copy Problem Report"), window.copy_report)

    def fill(self, bar: QMenuBar) -> None:
        """The menus along the top."""
        file = bar.addMenu(self.tr("File"))
        file.addActions([self.open, self.add_voice, self.add_link, self.models])
        self.recent = file.addMenu(self.tr("Open Recent"))
        self.recent.aboutToShow.connect(self._fill_recent)
        file.insertMenu(self.add_voice, self.recent)
        file.addSeparator()
        file.addAction(self.export)
        file.addSeparator()
        file.addActions([self.close, self.settings, self.quit])
        edit = bar.addMenu(self.tr("Edit"))
        edit.addAction(self.undo)
        edit.addSeparator()
        edit.addActions([self.copy, self.paste, self.select_all])
        edit.addSeparator()
        edit.addAction(self.copy_timings)
        queue = bar.addMenu(self.tr("Queue"))
        self._add_job_actions(queue)
        queue.addSeparator()
        queue.addActions([self.cancel_all, self.clear])
        self._bar = bar
        self._window_menu = view = bar.addMenu(self.tr("Window"))
        view.addActions([self.minimize, self.zoom, self.full_screen])
        help_menu = bar.addMenu(self.tr("Help"))
        help_menu.addActions([self.keys, self.copy_report, self.licences, self.about])
        for menu in (file, edit, queue, view):
            menu.aboutToShow.connect(self.refresh)

    def add_menu(self, title: str, fill: Callable[[QMenu], object]) -> None:
        """Add a menu before that of the window."""
        menu = QMenu(title, self._bar)
        fill(menu)
        self._bar.insertMenu(self._window_menu.menuAction(), menu)

    def _fill_recent(self) -> None:
        """Sources of the last conversions that are still there, the newest first."""
        self.recent.clear()
        sources = dict.fromkeys(job.source for job in reversed(self._window.queue.jobs()))
        there = [path for path in list(sources)[: 2 * _RECENT] if path.exists()][:_RECENT]
        for path in there:
            shown = menu_text(path.name)
            self.recent.addAction(shown, partial(self._window.take, [path])).setToolTip(str(path))
        if not there:
            self.recent.addAction(self.tr("None")).setEnabled(False)

    def _zoom(self) -> None:
        window = self._window
        window.showNormal() if window.isMaximized() else window.showMaximized()

    def _toggle_full_screen(self) -> None:
        window = self._window
        window.showNormal() if window.isFullScreen() else window.showFullScreen()

    def keys_text(self) -> str:
        """Every shortcut and its action, one per line."""
        native = QKeySequence.SequenceFormat.NativeText
        own = [
            f"{action.shortcut().toString(native)}\t{action.text()}"
            for action in self._window.actions()
            if not action.shortcut().isEmpty()
        ]
        space, tab = self.tr("Space"), self.tr("Tab")
        heard = (
            f"{space}\t{self.tr('Play or pause')}",
            f"←  →\t{self.tr('Five seconds back or forth')}",
            f"{tab}\t{self.tr('In a waveform: back to the lane heard before')}",
            f"↑  ↓\t{self.tr('In a waveform: hear the lane above or below')}",
            f"{self.tr('Drag')}\t{self.tr('In a waveform: select what is looped; Escape ends it')}",
        )
        return "\n".join((*heard, *own))

    def _show_keys(self) -> None:
        cells = []
        for line in self.keys_text().splitlines():
            key, what = map(escape, line.split("\t"))
            cells.append(f"<td align=right><b>{key}</b>&nbsp;</td><td>{what}&nbsp;&nbsp;</td>")
        half = -(-len(cells) // 2)  # two columns: the whole is lower than a small screen
        rows = zip_longest(cells[:half], cells[half:], fillvalue="")
        box = QMessageBox(self._window)
        box.setWindowTitle(self.tr("Keyboard Shortcuts"))
        table = "".join(f"<tr>{left}{right}</tr>" for left, right in rows)
        box.setText(f"<table cellpadding=2 style='white-space: nowrap'>{table}</table>")
        box.open()

    def context_menu(self) -> QMenu:
        """For the selected rows."""
        self.refresh()
        menu = QMenu(self._window)
        self._add_job_actions(menu)
        return menu

    def refresh(self) -> None:
        """Enable the actions that apply to the selection."""
        window = self._window
        full = window.isFullScreen()
        self.full_screen.setText(
            self.tr("Exit Full Screen") if full else self.tr("Enter Full Screen")
        )
        jobs = window.selected_jobs()
        states = {job.state for job in jobs}
        running = window.queue.running() is not None
        self.cancel.setEnabled(running or bool(states & _CAN_BE_CANCELLED))
        self.cancel_all.setEnabled(window.queue.is_busy)
        again = any(job.is_over or job.state is JobState.INTERRUPTED for job in jobs)
        self.retry.setEnabled(again)
        self.repeat.setEnabled(any(job.recipe for job in jobs))
        self.convert.setEnabled(bool(jobs))
        self._window.areas.convert.setEnabled(bool(jobs))
        self.star.setEnabled(bool(jobs))
        starred = bool(jobs) and all(job.starred for job in jobs)
        self.star.setText(self.tr("Remove Star") if starred else self.tr("Star"))
        self.remove.setEnabled(bool(states - {JobState.RUNNING}))
        self.clear.setEnabled(any(job.is_over for job in window.queue.jobs()))
        single = jobs[0] if len(jobs) == 1 else None
        self.rename.setEnabled(single is not None)
        self.use_settings.setEnabled(single is not None)
        self.export.setEnabled(single is not None and single.output is not None)
        self.undo.setEnabled(window.queue.can_undo)
        self.download.setVisible(JobState.NEEDS_NETWORKS in states)
        self.copy.setEnabled(any(job.output is not None for job in jobs))
        self.reveal.setEnabled(bool(jobs))
        self.copy_timings.setEnabled(single is not None and bool(single.stages))
        self.up.setEnabled(bool(jobs))
        self.down.setEnabled(bool(jobs))

    def _add_job_actions(self, menu: QMenu) -> None:
        menu.addActions([self.download, self.play, self.export, self.reveal, self.copy])
        menu.addSeparator()
        menu.addActions([self.use_settings, self.audition, self.convert, self.retry, self.repeat])
        menu.addActions([self.star, self.rename])
        menu.addSeparator()
        menu.addActions([self.cancel, self.remove])
        menu.addSeparator()
        menu.addActions([self.up, self.down])

    def _make(
        self,
        title: str,
        act: Callable[[], object],
        key: QKeySequence.StandardKey | QKeySequence | str | None = None,
    ) -> QAction:
        return new_action(self._window, title, act, key)


def new_action(
    window: QWidget,
    title: str,
    act: Callable[[], object],
    key: QKeySequence.StandardKey | QKeySequence | str | None = None,
) -> QAction:
    """An action of a window, whose key works in the whole window."""
    action = QAction(title, window)
    action.triggered.connect(lambda _=False: act())
    if key is not None:
        action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
    window.addAction(action)
    return action
