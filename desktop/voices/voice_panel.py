"""The side panel: which voice, and with what settings, the next file will get."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QCompleter,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.voices.draft import Draft
from desktop.voices.voice_list import VoiceList
from desktop.voices.voice_sliders import SliderRow, VoiceSliders
from engine.options import FILE_FORMATS, voice_options
from engine.pitch.methods import AUTO, METHODS

WIDTH = 264
_SEARCH_FROM = 9
"""With that many voices the picker can be typed into."""

_HELP_LINES = 4


class VoicePanel(QWidget):
    """Edits the `Draft`."""

    add_wanted = Signal()

    def __init__(self, draft: Draft, voices: VoiceList) -> None:
        super().__init__()
        self._draft = draft
        self._voices = voices
        self.setFixedWidth(WIDTH)
        self._picker = QComboBox()
        self._picker.setAccessibleName(self.tr("Voice"))
        self._picker.setMinimumContentsLength(10)
        self._picker.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._picker.activated.connect(self._on_picked)
        self._add = QPushButton(self.tr("Add Voice…"))
        self._add.clicked.connect(lambda: self.add_wanted.emit())
        self._reset = QPushButton(self.tr("Reset"))
        self._reset.setToolTip(self.tr("Back to the usual settings for this voice"))
        self._reset.clicked.connect(draft.reset)
        self._make_default = QPushButton(self.tr("Make Default"))
        self._make_default.setToolTip(self.tr("This voice starts with these settings from now on"))
        self._make_default.clicked.connect(draft.make_usual)
        self._sliders = self._make_sliders()
        self._method = self._make_choice(
            "pitch_method",
            [(AUTO, self.tr("Automatic")), *((n, str(m.title)) for n, m in METHODS.items())],
            self.tr("Pitch method"),
            self.tr("RMVPE is best for singing; YIN needs no download. Automatic takes the best."),
        )
        self._format = self._make_choice(
            "file_format",
            [(each, each.upper()) for each in FILE_FORMATS],
            self.tr("Format"),
            self.tr("WAV, FLAC and AIFF keep everything; MP3 and Ogg are small."),
        )
        self._stereo = QCheckBox(self.tr("Keep stereo"))
        self._explain(self._stereo, self.tr("Converts both channels; takes twice as long."))
        self._stereo.toggled.connect(lambda on: self._change(stereo=on))
        self._help = style.SecondaryLabel(
            self.tr("These settings are for the next file you drop; each voice remembers its own.")
        )
        self._help.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._help.setFixedHeight(self._help.fontMetrics().lineSpacing() * _HELP_LINES)
        self._lay_out()
        draft.changed.connect(self.refresh)
        voices.changed.connect(self._fill_picker)
        self._fill_picker()

    @property
    def picker(self) -> QComboBox:
        """The choice of voices."""
        return self._picker

    @property
    def sliders(self) -> dict[str, SliderRow]:
        """The sliders by the option they change."""
        return self._sliders.rows

    def refresh(self) -> None:
        """Show what the draft holds."""
        options, usual = self._draft.options, self._draft.usual
        self._sliders.show_options(options, usual)
        for name, box in (("pitch_method", self._method), ("file_format", self._format)):
            box.setCurrentIndex(box.findData(getattr(options, name)))
        with QSignalBlocker(self._stereo):
            self._stereo.setChecked(options.stereo)
        self._reset.setEnabled(options != usual)
        own = options.changes(usual).keys() & {each.name for each in voice_options()}
        self._make_default.setEnabled(bool(own) and not self._draft.voice.built_in)
        self.sliders["index_rate"].setEnabled(self._draft.voice.index is not None)
        self._picker.setCurrentIndex(self._picker.findData(self._draft.voice.key))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Explain what the mouse or the keyboard is at."""
        if event.type() in (QEvent.Type.Enter, QEvent.Type.FocusIn):
            self._help.setText(watched.property("explanation") or "")
        return super().eventFilter(watched, event)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Set off from the rest of the window by a shade and a hairline."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), style.sidebar(self.palette()))
        edge = self.rect().adjusted(self.width() - 1, 0, 0, 0)
        painter.fillRect(edge, style.hairline(self.palette()))

    def _make_sliders(self) -> VoiceSliders:
        made = VoiceSliders()
        made.changed.connect(lambda name, value: self._change(**{name: value}))
        made.explained.connect(lambda text: self._help.setText(text))
        return made

    def _make_choice(
        self, name: str, choices: list[tuple[str, str]], label: str, explanation: str
    ) -> QComboBox:
        box = QComboBox()
        for value, shown in choices:
            box.addItem(shown, value)
        box.setAccessibleName(label)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(6)
        self._explain(box, explanation)
        box.activated.connect(lambda _: self._change(**{name: box.currentData()}))
        return box

    def _explain(self, widget: QWidget, explanation: str) -> None:
        widget.setProperty("explanation", explanation)
        widget.setToolTip(explanation)
        widget.setAccessibleDescription(explanation)
        widget.installEventFilter(self)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(style.MARGIN, style.MARGIN, style.MARGIN, 12)
        column.setSpacing(11)
        title = QHBoxLayout()
        title.addWidget(self._picker, 1)
        title.addWidget(self._add)
        column.addLayout(title)
        column.addWidget(self._sliders)
        form = QFormLayout()
        form.setContentsMargins(0, 4, 0, 0)
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(self.tr("Pitch method"), self._method)
        form.addRow(self.tr("Format"), self._format)
        form.addRow(self._stereo)  # over both columns: it is long in some languages
        column.addLayout(form)
        column.addStretch()
        column.addWidget(self._help)
        foot = QHBoxLayout()
        foot.addWidget(self._make_default)
        foot.addStretch()
        foot.addWidget(self._reset)
        column.addLayout(foot)
        self.setBackgroundRole(QPalette.ColorRole.Window)

    def _fill_picker(self) -> None:
        self._picker.clear()
        found = self._voices.voices()
        for voice in found:
            self._picker.addItem(voice.name, voice.key)
        searchable = len(found) >= _SEARCH_FROM
        self._picker.setEditable(searchable)
        completer = self._picker.completer() if searchable else None
        if completer is not None:
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        busy = self._voices.is_installing
        self._add.setEnabled(not busy)
        self._add.setText(self.tr("Adding…") if busy else self.tr("Add Voice…"))
        self.refresh()

    def _on_picked(self, row: int) -> None:
        voice = self._voices.find(self._picker.itemData(row))
        if voice is not None:
            self._draft.set_voice(voice)

    def _change(self, **changes: Any) -> None:
        self._draft.set_options(replace(self._draft.options, **changes))
