"""One setting with its control and help, and panes that show a page of the table."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop.icons import symbol
from desktop.settings.store import Settings
from desktop.settings.table import SETTINGS, Setting, text
from desktop.style import PlainLabel, SecondaryLabel, plain_tip


class ValueEditor(QWidget):
    """The control for one kind of value.

    Signals
    -------
    edited : (value) edited by the user, not by `show_value`
    """

    edited = Signal(object)

    def show_value(self, value: Any) -> None:
        """Show a value without emitting `edited`."""
        raise NotImplementedError

    def _hold(self, *widgets: QWidget) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            row.addWidget(widget)
        self.setFocusProxy(widgets[0])


class _SwitchEditor(ValueEditor):
    """A check box with the setting's name."""

    def __init__(self, setting: Setting[Any]) -> None:
        super().__init__()
        self._box = QCheckBox(text(setting.label))
        self._box.clicked.connect(self._tell)
        self._hold(self._box)

    def show_value(self, value: Any) -> None:
        """Checked or not."""
        self._box.setChecked(bool(value))

    @Slot(bool)
    def _tell(self, checked: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        self.edited.emit(checked)


class _ChoiceEditor(ValueEditor):
    """A pop-up menu."""

    def __init__(self, setting: Setting[Any]) -> None:
        super().__init__()
        self._box = QComboBox()
        for value, label in setting.choices:
            self._box.addItem(text(label), value)
        self._box.activated.connect(self._tell)
        self._box.setMinimumWidth(180)
        self._hold(self._box)

    def show_value(self, value: Any) -> None:
        """The item of that value."""
        self._box.setCurrentIndex(self._box.findData(value))

    @Slot(int)
    def _tell(self, index: int) -> None:
        self.edited.emit(self._box.itemData(index))


class _NumberEditor(ValueEditor):
    """A field with arrows, in the setting's range and unit."""

    def __init__(self, setting: Setting[Any]) -> None:
        super().__init__()
        self._box: QSpinBox | QDoubleSpinBox
        if setting.kind == "int":
            self._box = QSpinBox(minimum=int(setting.minimum), maximum=int(setting.maximum))
            self._box.setSingleStep(max(1, int(setting.step)))
        else:
            self._box = QDoubleSpinBox(minimum=setting.minimum, maximum=setting.maximum)
            self._box.setSingleStep(setting.step)
        self._box.setKeyboardTracking(False)
        if setting.unit:
            self._box.setSuffix(" " + text(setting.unit))
        self._box.setMinimumWidth(110)
        self._box.valueChanged.connect(self._tell)
        self._hold(self._box)

    def show_value(self, value: Any) -> None:
        """The number."""
        self._box.blockSignals(True)  # noqa: FBT003 - Qt's signature
        self._box.setValue(value)
        self._box.blockSignals(False)  # noqa: FBT003

    def _tell(self, value: float) -> None:
        self.edited.emit(value)


class _TextEditor(ValueEditor):
    """A line of text; emits when the focus leaves it or Return is pressed."""

    def __init__(self, setting: Setting[Any]) -> None:
        super().__init__()
        self._line = QLineEdit(placeholderText=text(setting.unit))
        self._line.setMinimumWidth(300)
        self._line.editingFinished.connect(self._tell)
        self._hold(self._line)

    def show_value(self, value: Any) -> None:
        """The text."""
        self._line.setText("" if value is None else str(value))

    @Slot()
    def _tell(self) -> None:
        self.edited.emit(self._line.text().strip())


class FolderEditor(ValueEditor):
    """A folder, chosen in a dialog."""

    def __init__(self, setting: Setting[Any]) -> None:
        super().__init__()
        self._button = QPushButton(symbol("folder"), self.tr("Choose…"))
        self._button.clicked.connect(self._choose)
        self._path = PlainLabel()
        self._path.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._title = text(setting.label)
        self._value = ""
        self._hold(self._button, self._path)

    def show_value(self, value: Any) -> None:
        """Show the path, shortened in the middle."""
        self._value = str(value or "")
        shown = self.fontMetrics().elidedText(self._value, Qt.TextElideMode.ElideMiddle, 230)
        self._path.setText(shown or self.tr("None chosen"))
        self._path.setToolTip(plain_tip(self._value))

    @Slot()
    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self._title, self._value)
        if folder:
            self.edited.emit(folder)


_EDITORS = {
    "bool": _SwitchEditor,
    "choice": _ChoiceEditor,
    "int": _NumberEditor,
    "float": _NumberEditor,
    "text": _TextEditor,
    "folder": FolderEditor,
}


class SettingRow(QWidget):
    """The control with its help; locked if overridden by the environment."""

    def __init__(self, setting: Setting[Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setting = setting
        self.editor: ValueEditor = _EDITORS[setting.kind](setting)
        self._lock = QToolButton()
        self._lock.setAutoRaise(True)
        self._lock.setIconSize(QSize(14, 14))
        self._lock.setIcon(symbol("lock", QPalette.ColorRole.PlaceholderText))
        self._lock.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._help = caption(text(setting.help))
        self._measured = caption("")
        self._measured.hide()
        self.editor.setAccessibleName(text(setting.label))
        self.editor.setAccessibleDescription(text(setting.help))
        focused = self.editor.focusProxy()
        if focused is not None and setting.kind != "bool":
            focused.setAccessibleName(text(setting.label))
            focused.setAccessibleDescription(text(setting.help))
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

    def show_state(self, value: Any, variable: str | None) -> None:
        """Show the effective value, and the environment variable that overrides it, if any."""
        self.editor.show_value(value)
        self.editor.setEnabled(variable is None)
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
            name = PlainLabel("" if setting.kind == "bool" else label)
            name.setContentsMargins(0, 1, 0, 0)
            form.addRow(name, row)
        return form

    @Slot(object)
    def _apply(self, value: object) -> None:
        row = next(row for row in self.rows.values() if row.editor is self.sender())
        self._settings.set(row.setting, value)
        self._show(row)  # a refused value is reset

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
