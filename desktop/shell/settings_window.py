"""The settings window with its panes; changes apply immediately."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QGuiApplication,
    QKeySequence,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QStackedWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from desktop.background import BackgroundTask, Listener, Outcome
from desktop.icons import symbol
from desktop.mac.finder import reveal
from desktop.mac.login_item import LoginItem
from desktop.networks.models_page import ModelsPage
from desktop.problems import machine_lines
from desktop.queue.job_text import memory
from desktop.settings.page import SettingRow, TablePage, beside, caption, scrolled
from desktop.settings.store import Settings
from desktop.settings.table import MIRROR, PROFILING, START_AT_LOGIN
from desktop.storage import AppPaths, delete_files, folder_bytes
from desktop.style import GAP, PlainLabel
from desktop.tuning.optimization_page import OptimizationPage
from desktop.tuning.tuning_run import TuningRun
from desktop.widgets import Ask, ask_user
from engine.progress import CancelToken

if TYPE_CHECKING:
    from desktop.voices.voices_page import VoicesPage

_SAID_MS = 4000


class AdvancedPage(TablePage):
    """The table's rows, and buttons below them.

    Parameters
    ----------
    report : text for the developers
    ask : asks before resetting all settings; replaced in tests
    """

    def __init__(
        self,
        settings: Settings,
        paths: AppPaths,
        report: Callable[[], str],
        ask: Ask = ask_user,
    ) -> None:
        super().__init__(settings, "advanced")
        self._paths = paths
        self._report = report
        self._ask = ask
        self._add_profiling()
        self.open_logs = QPushButton(self.tr("Show Logs"))
        self.open_logs.clicked.connect(self._show_logs)
        self.copy_report = QPushButton(self.tr("Copy Report"))
        self.copy_report.clicked.connect(self._copy_report)
        self.show_data = QPushButton(self.tr("Show Data Folder"))
        self.show_data.clicked.connect(self._show_data)
        self.clear_cache = QPushButton(self.tr("Clear"))
        self.clear_cache.clicked.connect(self._clear_cache)
        self._cache_size = PlainLabel()
        self._cache_task = BackgroundTask(self)
        self._cache_task.ended.connect(self._show_cache_size)
        self.reset_all = QPushButton(self.tr("Reset All Settings…"))
        self.reset_all.clicked.connect(self._reset_all)
        self._said = caption("")
        for name, buttons, help_text in (
            (
                self.tr("Problems:"),
                (self.open_logs, self.copy_report),
                self.tr("Versions and errors, without the names of your folders; nothing is sent."),
            ),
            (
                self.tr("Data:"),
                (self.show_data,),
                self.tr("Queue, settings and voices. Deleting it resets the app."),
            ),
            (
                self.tr("Settings:"),
                (self.reset_all,),
                self.tr("Queue, voices and results are kept."),
            ),
        ):
            self.form.addRow(beside(buttons[0], name), _deeds(buttons, help_text))
            if buttons[0] is self.show_data:
                self._add_cache()
        self.form.addRow("", self._said)

    def _add_cache(self) -> None:
        """The size of the cache, and a button that empties it."""
        row = _deeds(
            (self.clear_cache,),
            self.tr("Intermediate results of your sources, so that another take is quick."),
            self._cache_size,
        )
        self.form.addRow(beside(self.clear_cache, self.tr("Cache:")), row)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Measure the cache."""
        super().showEvent(event)
        self._cache_task.start(lambda _cancel, _listener: folder_bytes(self._paths.cache))

    @property
    def cache_size(self) -> str:
        """The shown size of the cache."""
        return self._cache_size.text()

    @Slot()
    def _clear_cache(self) -> None:
        def clear(_cancel: CancelToken, _listener: Listener) -> int:
            delete_files(self._paths.cache)
            return folder_bytes(self._paths.cache)

        self._cache_task.start(clear)

    @Slot(object)
    def _show_cache_size(self, outcome: Outcome) -> None:
        size = outcome.value or 0
        self._cache_size.setText(memory(size) if size else self.tr("empty"))
        self.clear_cache.setEnabled(size > 0)

    def _add_profiling(self) -> None:
        """The engine's switch, also shown among its flags."""
        row = SettingRow(PROFILING)
        row.editor.edited.connect(self._apply)
        self.rows[PROFILING.key] = row
        self.form.addRow("", row)
        self._show(row)

    @Slot()
    def _show_logs(self) -> None:
        self._paths.logs.mkdir(parents=True, exist_ok=True)
        reveal(next(iter(sorted(self._paths.logs.iterdir())), self._paths.logs / "none"))

    @Slot()
    def _copy_report(self) -> None:
        QGuiApplication.clipboard().setText(self._report())
        self._say(self.tr("The report is in the clipboard"))

    @Slot()
    def _show_data(self) -> None:
        reveal(self._paths.settings_file)

    @Slot()
    def _reset_all(self) -> None:
        question = self.tr("Reset all settings?")
        more = self.tr("The settings last used with each voice are reset too.")
        if self._ask(self, question, more, self.tr("Reset")):
            self._settings.reset_all()
            self._say(self.tr("All settings were reset"))

    def _say(self, sentence: str) -> None:
        self._said.setText(sentence)
        QTimer.singleShot(_SAID_MS, self._said, self._said.clear)


def _deeds(
    buttons: tuple[QPushButton, ...], help_text: str, note: QWidget | None = None
) -> QVBoxLayout:
    """Buttons and perhaps a note in a row, with their help below."""
    row = QHBoxLayout()
    row.setSpacing(GAP)
    for button in buttons:
        row.addWidget(button)
    if note is not None:
        row.addWidget(note)
    row.addStretch(1)
    column = QVBoxLayout()
    column.setSpacing(4)
    column.addLayout(row)
    column.addWidget(caption(help_text))
    return column


_GEOMETRY = "settings_window.geometry"
_PANE = "settings_window.pane"


class SettingsWindow(QMainWindow):
    """Panes are created when first shown.

    Parameters
    ----------
    models_folder : folder of the shared networks; None for the default
    tuning : the tuning run; None creates one

    Signals
    -------
    voices_changed : voices were added, removed or renamed
    networks_changed : networks were added or removed
    """

    voices_changed = Signal()
    networks_changed = Signal()

    def __init__(
        self,
        settings: Settings,
        paths: AppPaths,
        models_folder: Path | None = None,
        parent: QWidget | None = None,
        *,
        tuning: TuningRun | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._tuning = tuning
        self._paths = paths
        self._models_folder = models_folder
        self.report: Callable[[], str] = machine_lines
        self._models: ModelsPage | None = None
        self._voices: VoicesPage | None = None
        self._makers: dict[str, Callable[[], QWidget]] = {
            "general": self._make_general,
            "optimization": self._make_optimization,
            "voices": self._make_voices,
            "models": self._make_models,
            "advanced": self._make_advanced,
        }
        self._stack = QStackedWidget()
        self._shown: dict[str, QWidget] = {}
        self.setCentralWidget(self._stack)
        self._actions = self._build_bar()
        self.setMinimumSize(640, 480)
        self.resize(700, 640)
        self.setUnifiedTitleAndToolBarOnMac(True)
        close = QAction(self)
        close.setShortcut(QKeySequence(QKeySequence.StandardKey.Close))
        close.triggered.connect(self.close)
        self.addAction(close)
        place = settings.memory(_GEOMETRY)
        if isinstance(place, list) and len(place) == 4:
            self.setGeometry(*(int(each) for each in place))
        self.show_pane(str(settings.memory(_PANE) or "general"))

    def show_pane(self, key: str) -> None:
        """Show ``general``, ``optimization``, ``voices``, ``models`` or ``advanced``."""
        key = key if key in self._makers else "general"
        if key not in self._shown:
            self._shown[key] = self._makers[key]()
            self._stack.addWidget(self._shown[key])
        self._stack.setCurrentWidget(self._shown[key])
        self._actions[key].setChecked(True)
        self.setWindowTitle(self._actions[key].text())
        self._settings.remember(_PANE, key)

    def remember_place(self) -> None:
        """Save size and position for the next window."""
        box = self.geometry()
        self._settings.remember(_GEOMETRY, [box.x(), box.y(), box.width(), box.height()])

    @Slot()
    def look_at_voices(self) -> None:
        """Reload voices that were changed elsewhere; a hidden pane reloads when shown."""
        if self._voices is not None and self._voices.isVisible():
            self._voices.look_again()

    def keep_changes(self) -> None:
        """Save pending changes before the window is replaced."""
        if self._voices is not None:
            self._voices.card.flush()

    def close_tasks(self) -> None:
        """Stop downloads and imports before the app quits."""
        if self._models is not None:
            self._models.close_tasks()
        if self._voices is not None:
            self._voices.close_tasks()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Remember where the window was."""
        self.remember_place()
        super().closeEvent(event)

    def _build_bar(self) -> dict[str, QAction]:
        names = {
            "general": self.tr("General"),
            "optimization": self.tr("Optimization"),
            "voices": self.tr("Voices"),
            "models": self.tr("Models"),
            "advanced": self.tr("Advanced"),
        }
        bar = QToolBar(self.tr("Panes"))
        bar.setMovable(False)
        bar.setIconSize(QSize(24, 24))
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        group = QActionGroup(self)
        actions = {}
        for number, (key, name) in enumerate(names.items(), start=1):
            action = bar.addAction(symbol(key), name)
            action.setCheckable(True)
            action.setShortcut(QKeySequence(f"Ctrl+{number}"))
            action.setData(key)
            group.addAction(action)
            actions[key] = action
        group.triggered.connect(self._choose_pane)
        self.addToolBar(bar)
        return actions

    @Slot(QAction)
    def _choose_pane(self, action: QAction) -> None:
        self.show_pane(action.data())

    def _make_general(self) -> QWidget:
        can_start = LoginItem.of_this_app().is_available
        left_out = frozenset() if can_start else frozenset({START_AT_LOGIN.key})
        return scrolled(TablePage(self._settings, "general", left_out=left_out))

    def _make_optimization(self) -> QWidget:
        return scrolled(OptimizationPage(self._settings, self._tuning))

    def _make_advanced(self) -> QWidget:
        return scrolled(AdvancedPage(self._settings, self._paths, lambda: self.report()))

    def _make_models(self) -> QWidget:
        from engine.paths import models_dir

        self._models = ModelsPage(self._settings, models_dir(self._models_folder))
        self._models.changed.connect(self.networks_changed)
        return scrolled(self._models)

    def _make_voices(self) -> QWidget:
        from desktop.voices.voices_page import VoicesPage

        self._voices = VoicesPage(
            self._paths.voices_dir, mirror=lambda: self._settings.value(MIRROR)
        )
        self._voices.changed.connect(self.voices_changed)
        return self._voices
