"""Controls for the options of a conversion, generated from their rows of the option table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.translation import translate
from desktop.widgets import ElidedLabel
from engine.option import Option
from engine.options import ConversionOptions

_FIELD_WIDTH = 80
_MOST_SLIDER_STEPS = 2000
_LARGEST_NUMBER = 2.0**53
"""Above this a field of decimal numbers skips whole numbers."""


class OptionRow(QWidget):
    """The control of one option, with its title and its help line.

    Signals
    -------
    changed : (value)  the user chose another value
    """

    changed = Signal(object)

    def __init__(self, option: Option) -> None:
        super().__init__()
        self.option = option
        self._value: Any = option.default
        self._usual: Any = option.default
        self._label = style.PlainLabel(translate(option.title))
        self._label.installEventFilter(self)
        self._help = style.SecondaryLabel(translate(option.help))
        self._head = QHBoxLayout()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self._column.addLayout(self._head)
        self._build()
        self._column.addWidget(self._help)
        self.set_value(option.default)

    def value(self) -> Any:
        """The option's value."""
        return self._value

    def set_usual(self, value: Any) -> None:
        """The value that a double click on the title goes back to."""
        self._usual = value

    def set_value(self, value: Any) -> None:
        """Show another value, without a signal."""
        self._value = value
        self._show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """A double click on the title resets the option."""
        if event.type() == QEvent.Type.MouseButtonDblClick and watched is self._label:
            self._choose(self._usual)
        return super().eventFilter(watched, event)

    def _choose(self, value: Any) -> None:
        self.set_value(value)
        self.changed.emit(value)

    def _add_head(self, control: QWidget) -> None:
        """Title and control beside each other."""
        self._head.addWidget(self._label, 1)
        self._head.addWidget(control)
        self._describe(control)
        self._label.setBuddy(control)

    def _describe(self, control: QWidget) -> None:
        control.setAccessibleName(translate(self.option.title))
        control.setAccessibleDescription(translate(self.option.help))

    def _build(self) -> None:
        raise NotImplementedError

    def _show(self) -> None:
        raise NotImplementedError


class _Slider(QSlider):
    """A slider that the wheel of a scrolled page does not move by accident."""

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Only when it has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class _Field(QDoubleSpinBox):
    """A number with its unit; shows only the decimals that it has."""

    def __init__(self, *, signed: bool) -> None:
        super().__init__()
        self._sign = "+" if signed else ""
        self.setFont(style.figures_font(self.font()))

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """Without zeros at the end."""
        return f"{value:{self._sign if value else ''}.{16}g}"

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Only when it has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class NumberRow(OptionRow):
    """A field, and a slider where the range is short enough for one.

    Where None is allowed, it is the field's lowest position.
    """

    def _build(self) -> None:
        option = self.option
        ends = sorted((option.to_shown(option.low), option.to_shown(option.high)))
        self._low, high = ends[0], min(ends[1], _LARGEST_NUMBER)
        self._step = option.step * (100 if option.percent else 1)
        self._none = next((each for each in option.also if each.value is None), None)
        self._field = _Field(signed=option.signed)
        self._field.setDecimals(0 if option.kind == "whole number" or option.percent else 2)
        self._field.setRange(self._low - (self._step if self._none else 0), high)
        self._field.setSingleStep(self._step)
        self._field.setKeyboardTracking(False)
        self._field.setMinimumWidth(_FIELD_WIDTH)
        self._field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        unit = "%" if option.percent else translate(option.unit)
        self._field.setSuffix(f" {unit}" if unit else "")
        if self._none is not None:
            self._field.setSpecialValueText(translate(self._none.title))
        self._field.valueChanged.connect(self._on_typed)
        self._add_head(self._field)
        self._slider: _Slider | None = None
        left, right = option.slider or (self._low, high)
        if self._none is None and (right - left) / self._step <= _MOST_SLIDER_STEPS:
            self._left = left
            self._slider = _Slider(Qt.Orientation.Horizontal)
            self._slider.setRange(0, round((right - left) / self._step))
            self._slider.setPageStep(max(1, self._slider.maximum() // 8))
            self._slider.valueChanged.connect(self._on_moved)
            self._describe(self._slider)
            self._column.addWidget(self._slider)

    @property
    def field(self) -> QDoubleSpinBox:
        """The number, in the unit that is shown."""
        return self._field

    @property
    def slider(self) -> QSlider:
        """The slider, in steps from its lowest value."""
        if self._slider is None:
            raise ValueError("this option has no slider")
        return self._slider

    def _show(self) -> None:
        number = self._field.minimum() if self._value is None else self.option.to_shown(self._value)
        with QSignalBlocker(self._field):
            self._field.setValue(number)
        if self._slider is not None:
            with QSignalBlocker(self._slider):
                self._slider.setValue(round((number - self._left) / self._step))

    @Slot(float)
    def _on_typed(self, number: float) -> None:
        if self._none is not None and number < self._low:
            self._choose(None)
            return
        value = self.option.from_shown(number)
        self._choose(round(value) if self.option.kind == "whole number" else value)

    @Slot(int)
    def _on_moved(self, steps: int) -> None:
        self._on_typed(self._left + steps * self._step)


class ChoiceRow(OptionRow):
    """A pop-up menu."""

    def _build(self) -> None:
        self._box = QComboBox()
        for each in self.option.values:
            self._box.addItem(translate(each.title))
        self._box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._box.setMinimumContentsLength(8)
        self._box.activated.connect(self._on_picked)
        self._add_head(self._box)

    def _show(self) -> None:
        values = [each.value for each in self.option.values]
        place = values.index(self._value) if self._value in values else -1
        self._box.setCurrentIndex(place)
        chosen = self.option.values[place].help if place >= 0 else None
        self._help.setText(translate(chosen or self.option.help))

    @Slot(int)
    def _on_picked(self, place: int) -> None:
        self._choose(self.option.values[place].value)


class SwitchRow(OptionRow):
    """A check box."""

    def _build(self) -> None:
        self._box = QCheckBox(translate(self.option.title))
        self._box.toggled.connect(self._choose)
        self._describe(self._box)
        self._label.hide()
        self._head.addWidget(self._box)

    def _show(self) -> None:
        with QSignalBlocker(self._box):
            self._box.setChecked(bool(self._value))


class FileRow(OptionRow):
    """A button that asks for a file, and the file's name."""

    def _build(self) -> None:
        self._button = QPushButton(self.tr("Choose…"))
        self._button.clicked.connect(self._ask)
        self._add_head(self._button)
        self._name = ElidedLabel()
        self._clear = QPushButton(self.tr("Remove"))
        self._clear.clicked.connect(lambda: self._choose(None))
        row = QHBoxLayout()
        row.addWidget(self._name, 1)
        row.addWidget(self._clear)
        self._column.addLayout(row)

    def _show(self) -> None:
        self._name.set_text(translate(self.option.shown(self._value)))
        self._clear.setVisible(self._value is not None)

    @Slot()
    def _ask(self) -> None:
        folder = "" if self._value is None else str(self._value.parent)
        name, _ = QFileDialog.getOpenFileName(self, translate(self.option.title), folder)
        if name:
            self._choose(Path(name))


_ROWS: dict[str, type[OptionRow]] = {
    "number": NumberRow,
    "whole number": NumberRow,
    "choice": ChoiceRow,
    "switch": SwitchRow,
    "file": FileRow,
}


class OptionControls(QWidget):
    """The rows of some options.

    Signals
    -------
    changed : (name, value)  the option that the user changed
    """

    changed = Signal(str, object)

    def __init__(self, options: Iterable[Option]) -> None:
        super().__init__()
        self.rows: dict[str, Any] = {each.name: _ROWS[each.kind](each) for each in options}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        for name, row in self.rows.items():
            row.changed.connect(lambda value, name=name: self.changed.emit(name, value))
            column.addWidget(row)
        column.addStretch()

    def show_options(self, options: ConversionOptions, usual: ConversionOptions) -> None:
        """Show options; a double click on a title goes back to the usual ones."""
        for name, row in self.rows.items():
            row.set_usual(usual.value(name))
            row.set_value(options.value(name))
