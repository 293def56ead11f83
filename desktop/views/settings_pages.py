"""Panes of the settings window that draw themselves from the table."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop.settings import SETTINGS, Settings, text
from desktop.views.setting_row import SettingRow, caption


class TablePage(QWidget):
    """All settings of one page, one below the other; a change applies at once.

    Parameters
    ----------
    page : as in the table
    introduction : a sentence above the rows
    left_out : keys of settings that have no meaning on this system
    """

    def __init__(
        self,
        settings: Settings,
        page: str,
        introduction: str = "",
        left_out: frozenset[str] = frozenset(),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._page = page
        self._left_out = left_out
        self.rows: dict[str, SettingRow] = {}
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(28, 20, 28, 16)
        self.column.setSpacing(14)
        if introduction:
            self.column.addWidget(caption(introduction))
        self.form = self._form()
        self.column.addLayout(self.form)
        self.column.addStretch(1)
        foot = QHBoxLayout()
        foot.addStretch(1)
        self._reset = QPushButton(self.tr("Restore Defaults"))
        self._reset.clicked.connect(self._restore)
        foot.addWidget(self._reset)
        self.column.addLayout(foot)
        settings.changed.connect(self._show_changed)
        self._show_all()

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setVerticalSpacing(14)
        form.setHorizontalSpacing(12)
        for setting in SETTINGS:
            if setting.page != self._page or setting.key in self._left_out:
                continue
            row = SettingRow(setting)
            row.editor.edited.connect(self._apply)
            self.rows[setting.key] = row
            label = self.tr("{name}:").format(name=text(setting.label))
            name = QLabel("" if setting.kind == "bool" else label)
            name.setContentsMargins(0, 1, 0, 0)
            form.addRow(name, row)
        return form

    @Slot(object)
    def _apply(self, value: object) -> None:
        row = next(row for row in self.rows.values() if row.editor is self.sender())
        self._settings.set(row.setting, value)
        self._show(row)  # a value that was refused goes back

    @Slot(str)
    def _show_changed(self, key: str) -> None:
        if key in self.rows:
            self._show(self.rows[key])

    @Slot()
    def _restore(self) -> None:
        self._settings.reset_page(self._page)

    def _show_all(self) -> None:
        for row in self.rows.values():
            self._show(row)

    def _show(self, row: SettingRow) -> None:
        row.show_state(self._settings.value(row.setting), self._settings.overridden_by(row.setting))


def scrolled(page: QWidget) -> QScrollArea:
    """A page that may be higher than the window."""
    area = QScrollArea(widgetResizable=True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(page)
    area.viewport().setAutoFillBackground(False)
    page.setAutoFillBackground(False)
    return area
