"""Controls for one value each; the options of a conversion and the settings are made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from desktop import style
from desktop.icons import symbol
from desktop.widgets import ElidedLabel

_LARGEST_NUMBER = 2.0**53
"""Above this a field of decimal numbers skips whole numbers."""


class Editor(QWidget):
    """The control for one value.

    Attributes
    ----------
    control : the widget that takes the focus

    Signals
    -------
    edited : (value) by the user, not by `show_value`
    """

    edited = Signal(object)
    control: QWidget

    def show_value(self, value: Any) -> None:
        """Show a value without emitting `edited`."""
        raise NotImplementedError

    def describe(self, title: str, help_text: str) -> None:
        """Name and help for those who don't see the labels beside it."""
        for widget in (self, self.control):
            widget.setAccessibleName(title)
            widget.setAccessibleDescription(help_text)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """The wheel of a scrolled page moves no value by accident."""
        if event.type() == QEvent.Type.Wheel and not self.control.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _hold(self, control: QWidget, *others: QWidget) -> None:
        self.control = control
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (control, *others):
            row.addWidget(widget)
        control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        control.installEventFilter(self)
        self.setFocusProxy(control)


class SwitchEditor(Editor):
    """A check box with its title."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._box = QCheckBox(title)
        self._box.toggled.connect(self._tell)
        self._hold(self._box)

    def show_value(self, value: Any) -> None:
        """Checked or not."""
        with QSignalBlocker(self._box):
            self._box.setChecked(bool(value))

    @Slot(bool)
    def _tell(self, checked: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        self.edited.emit(checked)


class ChoiceEditor(Editor):
    """A pop-up menu of values and titles."""

    def __init__(self, choices: Sequence[tuple[Any, str]]) -> None:
        super().__init__()
        self._values = [value for value, _ in choices]
        self._box = QComboBox()
        for value, title in choices:
            self._box.addItem(title, value)
        self._box.activated.connect(lambda place: self.edited.emit(self._values[place]))
        self._hold(self._box)

    @property
    def box(self) -> QComboBox:
        """The menu."""
        return self._box

    def show_value(self, value: Any) -> None:
        """The item of that value."""
        self._box.setCurrentIndex(self._values.index(value) if value in self._values else -1)


_MINUS = "−"


class _Field(QDoubleSpinBox):
    """Shows only the decimals that the number has, and a minus sign, for which it takes any."""

    sign = ""

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Without zeros at the end."""
        return f"{value:{self.sign if value else ''}.{16}g}".replace("-", _MINUS)

    def valueFromText(self, text: str) -> float:  # noqa: N802 - Qt's name
        """Qt knows the hyphen alone."""
        return float(super().valueFromText(text.replace(_MINUS, "-")))

    def validate(self, text: str, at: int) -> tuple[QValidator.State, str, int]:
        """As `valueFromText`; a hyphen that is typed becomes a minus sign."""
        state, shown, place = super().validate(text.replace(_MINUS, "-"), at)
        return state, shown.replace("-", _MINUS), place


class NumberEditor(Editor):
    """A field with arrows and the unit.

    Parameters
    ----------
    whole : only whole numbers
    signed : with a plus sign
    none : title of the value None, which is the lowest position; "" where None is not allowed
    lowest : title of the lowest number, where it has one
    """

    def __init__(
        self,
        low: float,
        high: float,
        step: float,
        unit: str = "",
        *,
        whole: bool,
        signed: bool = False,
        none: str = "",
        lowest: str = "",
    ) -> None:
        super().__init__()
        self._low, self._whole, self._none = low, whole, none
        self.field = _Field()
        self.field.sign = "+" if signed else ""
        self.field.setFont(style.figures_font(self.field.font()))
        self.field.setDecimals(0 if whole else 2)
        self.field.setRange(low - (step if none else 0), min(high, _LARGEST_NUMBER))
        self.field.setSingleStep(step)
        self.field.setKeyboardTracking(False)
        self.field.setSuffix(f" {unit}" if unit else "")
        self.field.setSpecialValueText(none or lowest)
        self.field.valueChanged.connect(self._tell)
        self._hold(self.field)

    def show_value(self, value: Any) -> None:
        """The number."""
        with QSignalBlocker(self.field):
            self.field.setValue(self.field.minimum() if value is None else value)

    @Slot(float)
    def _tell(self, number: float) -> None:
        if self._none and number < self._low:
            self.edited.emit(None)
        else:
            self.edited.emit(round(number) if self._whole else number)


class TextEditor(Editor):
    """A line of text; emits when the focus leaves it or Return is pressed."""

    def __init__(self, example: str) -> None:
        super().__init__()
        self._line = QLineEdit(placeholderText=example)
        self._line.editingFinished.connect(self._tell)
        self._hold(self._line)

    def show_value(self, value: Any) -> None:
        """The text."""
        self._line.setText("" if value is None else str(value))

    @Slot()
    def _tell(self) -> None:
        self.edited.emit(self._line.text().strip())


class PathEditor(Editor):
    """A file or a folder, chosen in a dialog.

    Parameters
    ----------
    title : of the dialog
    shown : a value as the user reads it
    folder : choose a folder, whose value is a text; otherwise a file, which can be removed
    """

    def __init__(self, title: str, shown: Callable[[Any], str], *, folder: bool) -> None:
        super().__init__()
        self._title, self._shown, self._folder = title, shown, folder
        self._value: Any = None
        self._button = QPushButton(symbol("folder"), self.tr("Choose…"))
        self._button.clicked.connect(self._choose)
        self._name = ElidedLabel()
        self._remove = QPushButton(self.tr("Remove"))
        self._remove.clicked.connect(lambda: self.edited.emit(None))
        self._hold(self._button, self._name, self._remove)

    def show_value(self, value: Any) -> None:
        """The path, shortened in the middle."""
        self._value = value
        self._name.set_text(self._shown(value))
        self._remove.setVisible(not self._folder and value is not None)

    @Slot()
    def _choose(self) -> None:
        if self._folder:
            name = QFileDialog.getExistingDirectory(self, self._title, str(self._value or ""))
        else:
            folder = "" if self._value is None else str(Path(self._value).parent)
            name, _ = QFileDialog.getOpenFileName(self, self._title, folder)
        if name:
            self.edited.emit(name if self._folder else Path(name))
