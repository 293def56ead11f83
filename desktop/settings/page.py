"""One setting with its control and help, and panes that show a page of the table."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QCoreApplication, QSize, Qt, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop.editors import (
    ChoiceEditor,
    Editor,
    NumberEditor,
    PathEditor,
    SwitchEditor,
    TextEditor,
)
from desktop.icons import symbol
from desktop.settings.store import Settings
from desktop.settings.table import SETTINGS, Setting, text
from desktop.style import PlainLabel, SecondaryLabel


def _editor(setting: Setting[Any]) -> Editor:
    """The control for a setting's kind."""
    title = text(setting.label)
    if setting.kind == "bool":
        return SwitchEditor(title)
    if setting.kind == "choice":
        choice = ChoiceEditor([(value, text(label)) for value, label in setting.choices])
        choice.box.setMinimumWidth(180)
        return choice
    if setting.kind == "text":
        line = TextEditor(text(setting.unit))
        line.control.setMinimumWidth(300)
        return line
    if setting.kind == "folder":
        none = QCoreApplication.translate("settings", "None chosen")
        return PathEditor(title, lambda value: str(value or none), folder=True)
    number = NumberEditor(
        setting.minimum,
        setting.maximum,
        setting.step,
        text(setting.unit),
        whole=setting.kind == "int",
    )
    number.field.setMinimumWidth(110)
    return number


class SettingRow(QWidget):
    """The control with its help; locked if overridden by the environment."""

    def __init__(self, setting: Setting[Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setting = setting
        self.editor = _editor(setting)
        self._lock = QToolButton()
        self._lock.setAutoRaise(True)
        self._lock.setIconSize(QSize(14, 14))
        self._lock.setIcon(symbol("lock", QPalette.ColorRole.PlaceholderText))
        self._lock.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._help = caption(text(setting.help))
        self._measured = caption("")
        self._measured.hide()
        self.editor.describe(text(setting.label), text(setting.help))
        top = QHBoxLayout()
        top.addWidget(self.editor)
        top.addWidget(self._lock)
        top.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(top)
        column.addWidget(self._help)
        column.addWidget(self._measured)

    @property
    def measured(self) -> str:
        """The shown measurement."""
        return self._measured.text()

    def show_measured(self, sentence: str) -> None:
        """Show the measured gain on this machine; "" hides it."""
        self._measured.setText(sentence)
        self._measured.setVisible(bool(sentence))

    def show_state(self, value: Any, variable: str | None, *, useful: bool = True) -> None:
        """Show the effective value, and the environment variable that overrides it, if any.

        Parameters
        ----------
        useful : False where the setting has no effect
        """
        self.editor.show_value(value)
        self.editor.setEnabled(variable is None and useful)
        self._lock.setVisible(variable is not None)
        if variable is None:
            self._help.setText(text(self.setting.help))
            return
        sentence = self.tr("Set by the environment variable {name}.").format(name=variable)
        self._help.setText(sentence)
        self._lock.setToolTip(sentence)
        self._lock.setAccessibleName(sentence)


def caption(sentence: str) -> SecondaryLabel:
    """Help below a control."""
    return SecondaryLabel(sentence)


def beside(control: QWidget, name: str) -> PlainLabel:
    """The label of a form's row, in the middle of a control's height whatever the script."""
    label = PlainLabel(name)
    label.setFixedHeight(max(control.sizeHint().height(), label.sizeHint().height()))
    label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return label


class TablePage(QWidget):
    """All settings of one page; changes apply immediately.

    Parameters
    ----------
    page : as in the table
    introduction : a text above the rows
    left_out : keys of settings that do not apply on this system
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
            name = beside(row.editor, "" if setting.kind == "bool" else label)
            form.addRow(name, row)
        return form

    @Slot(object)
    def _apply(self, value: object) -> None:
        row = next(row for row in self.rows.values() if row.editor is self.sender())
        self._settings.set(row.setting, value)
        self._show(row)  # a refused value is reset

    @Slot(str)
    def _show_changed(self, key: str) -> None:
        for row in self.rows.values():
            needs = row.setting.needs
            if key == row.setting.key or (needs is not None and key == needs[0].key):
                self._show(row)

    @Slot()
    def _restore(self) -> None:
        self._settings.reset_page(self._page)

    def _show_all(self) -> None:
        for row in self.rows.values():
            self._show(row)

    def _show(self, row: SettingRow) -> None:
        settings, needs = self._settings, row.setting.needs
        useful = needs is None or settings.value(needs[0]) == needs[1]
        variable = settings.overridden_by(row.setting)
        row.show_state(settings.value(row.setting), variable, useful=useful)


def scrolled(page: QWidget) -> QScrollArea:
    """A page that may be higher than the window."""
    area = QScrollArea(widgetResizable=True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(page)
    area.viewport().setAutoFillBackground(False)
    page.setAutoFillBackground(False)
    return area
