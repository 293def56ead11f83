"""What few people need: logs and report, the folder of all data, exact timings, a fresh start."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QPushButton, QVBoxLayout, QWidget

from desktop.macos.reveal import reveal
from desktop.paths import AppPaths
from desktop.settings import PROFILING, Settings
from desktop.style import GAP
from desktop.views.setting_row import SettingRow, caption
from desktop.views.settings_pages import TablePage

_SAID_MS = 4000


class AdvancedPage(TablePage):
    """The table's rows, and below them what can be done.

    Parameters
    ----------
    report : text for the makers
    agree : asks whether all settings shall go; another one in tests
    """

    def __init__(
        self,
        settings: Settings,
        paths: AppPaths,
        report: Callable[[], str],
        agree: Callable[[QWidget], bool] | None = None,
    ) -> None:
        super().__init__(settings, "advanced")
        self._paths = paths
        self._report = report
        self._agree = agree or self._ask
        self._add_profiling()
        self.open_logs = QPushButton(self.tr("Show Logs"))
        self.open_logs.clicked.connect(self._show_logs)
        self.copy_report = QPushButton(self.tr("Copy Report"))
        self.copy_report.clicked.connect(self._copy_report)
        self.show_data = QPushButton(self.tr("Show Data Folder"))
        self.show_data.clicked.connect(self._show_data)
        self.reset_all = QPushButton(self.tr("Reset All Settings…"))
        self.reset_all.clicked.connect(self._reset_all)
        self._said = caption("")
        for name, buttons, help_text in (
            (
                self.tr("Problems:"),
                (self.open_logs, self.copy_report),
                self.tr("Versions and mistakes; no names of your folders, nothing is sent."),
            ),
            (
                self.tr("Data:"),
                (self.show_data,),
                self.tr("Queue, settings and voices. Without it the app is as on its first day."),
            ),
            (
                self.tr("Settings:"),
                (self.reset_all,),
                self.tr("Queue, voices and results stay."),
            ),
        ):
            label = QLabel(name)
            label.setContentsMargins(0, 4, 0, 0)  # on one line with what stands in the button
            self.form.addRow(label, _deeds(buttons, help_text))
        self.form.addRow("", self._said)

    def _add_profiling(self) -> None:
        """The engine's own switch, which stands among its flags too."""
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
        if self._agree(self):
            self._settings.reset_all()
            self._say(self.tr("All settings are as at first"))

    def _ask(self, parent: QWidget) -> bool:
        box = QMessageBox(
            QMessageBox.Icon.Warning, "", self.tr("Reset all settings?"), parent=parent
        )
        box.setInformativeText(
            self.tr("Each voice forgets the settings it was last used with, too.")
        )
        agree = box.addButton(self.tr("Reset"), QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        return box.clickedButton() is agree

    def _say(self, sentence: str) -> None:
        self._said.setText(sentence)
        QTimer.singleShot(_SAID_MS, self._said, self._said.clear)


def _deeds(buttons: tuple[QPushButton, ...], help_text: str) -> QVBoxLayout:
    """Buttons beside each other, and what they do below."""
    row = QHBoxLayout()
    row.setSpacing(GAP)
    for button in buttons:
        row.addWidget(button)
    row.addStretch(1)
    column = QVBoxLayout()
    column.setSpacing(4)
    column.addLayout(row)
    column.addWidget(caption(help_text))
    return column
