"""Controls for the options of a conversion, generated from their rows of the option table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from desktop import style
from desktop.editors import ChoiceEditor, Editor, NumberEditor, PathEditor, SwitchEditor
from desktop.translation import translate
from engine.option import Option

_FIELD_WIDTH = 80
_MOST_SLIDER_STEPS = 2000


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

    def _take(self, shown: Any) -> None:
        """What the editor holds was edited."""
        self._choose(shown)

    def _add_head(self, editor: Editor) -> None:
        """Title and control beside each other."""
        self._head.addWidget(self._label, 1)
        self._head.addWidget(editor)
        self._use(editor)

    def _use(self, editor: Editor) -> None:
        editor.describe(translate(self.option.title), translate(self.option.help))
        editor.edited.connect(self._take)
        self._label.setBuddy(editor.control)
        self._editor = editor

    def _build(self) -> None:
        raise NotImplementedError

    def _show(self) -> None:
        self._editor.show_value(self._value)


class _Slider(QSlider):
    """A slider that the wheel of a scrolled page does not move by accident."""

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
        low, high = sorted((option.to_shown(option.low), option.to_shown(option.high)))
        self._step = option.step * (100 if option.percent else 1)
        titles = {each.value: translate(each.title) for each in option.also}
        none = titles.get(None, "")
        number = NumberEditor(
            low,
            high,
            self._step,
            "%" if option.percent else translate(option.unit),
            whole=option.kind == "whole number" or option.percent,
            signed=option.signed,
            none=none,
            lowest=titles.get(option.low, ""),
        )
        self._field = number.field
        self._field.setMinimumWidth(_FIELD_WIDTH)
        self._add_head(number)
        self._slider: _Slider | None = None
        left, right = option.slider or (low, high)
        if not none and (right - left) / self._step <= _MOST_SLIDER_STEPS:
            self._left = left
            self._slider = _Slider(Qt.Orientation.Horizontal)
            self._slider.setRange(0, round((right - left) / self._step))
            self._slider.setPageStep(max(1, self._slider.maximum() // 8))
            self._slider.valueChanged.connect(self._on_moved)
            self._slider.setAccessibleName(translate(option.title))
            self._slider.setAccessibleDescription(translate(option.help))
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

    def _take(self, shown: float | None) -> None:
        if shown is None:
            self._choose(None)
            return
        value = self.option.from_shown(shown)
        self._choose(round(value) if self.option.kind == "whole number" else value)

    def _show(self) -> None:
        shown = None if self._value is None else self.option.to_shown(self._value)
        self._editor.show_value(shown)
        if self._slider is not None and shown is not None:
            with QSignalBlocker(self._slider):
                self._slider.setValue(round((shown - self._left) / self._step))

    @Slot(int)
    def _on_moved(self, steps: int) -> None:
        self._take(self._left + steps * self._step)


class ChoiceRow(OptionRow):
    """A pop-up menu; the help is that of the chosen value where it has its own."""

    def _build(self) -> None:
        choice = ChoiceEditor([(each.value, translate(each.title)) for each in self.option.values])
        fitting = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        choice.box.setSizeAdjustPolicy(fitting)
        choice.box.setMinimumContentsLength(8)
        self._add_head(choice)

    def _show(self) -> None:
        super()._show()
        own = (each.help for each in self.option.values if each.value == self._value)
        self._help.setText(translate(next(own, None) or self.option.help))


class SwitchRow(OptionRow):
    """A check box."""

    def _build(self) -> None:
        switch = SwitchEditor(translate(self.option.title))
        self._label.hide()
        self._head.addWidget(switch)
        self._use(switch)


class FileRow(OptionRow):
    """A button that asks for a file, and the file's name."""

    def _build(self) -> None:
        option = self.option
        path = PathEditor(
            translate(option.title), lambda value: translate(option.shown(value)), folder=False
        )
        self._head.addWidget(self._label, 1)
        self._column.addWidget(path)
        self._use(path)


_ROWS: dict[str, type[OptionRow]] = {
    "number": NumberRow,
    "whole number": NumberRow,
    "choice": ChoiceRow,
    "switch": SwitchRow,
    "file": FileRow,
}


class Values(Protocol):
    """Options with their values, e.g. `engine.options.ConversionOptions`."""

    def value(self, name: str) -> Any:
        """The value of an option by name."""


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
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        for name, row in self.rows.items():
            row.changed.connect(lambda value, name=name: self.changed.emit(name, value))
            column.addWidget(row)
        column.addStretch()

    def insert_after(self, name: str, widget: QWidget) -> None:
        """Put a widget below the row of an option."""
        self._column.insertWidget(self._column.indexOf(self.rows[name]) + 1, widget)

    def show_options(self, options: Values, usual: Values) -> None:
        """Show options; a double click on a title goes back to the usual ones."""
        for name, row in self.rows.items():
            row.set_usual(usual.value(name))
            row.set_value(options.value(name))
