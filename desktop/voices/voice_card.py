"""One voice: picture, name, and what its checkpoint says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QPainter, QPainterPath, QPalette, QPixmap
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop.icons import symbol
from desktop.style import PlainLabel, SecondaryLabel
from desktop.voices.option_controls import OptionControls
from desktop.voices.voice_list import shown_name
from engine.options import ConversionOptions, voice_options

if TYPE_CHECKING:
    from engine.errors import OptionError
from engine.library.installed_voice import InstalledVoice

_PICTURE_POINTS = 72
_KEEP_AFTER_MS = 300


class VoiceCard(QWidget):
    """Emits the user's wishes; the page carries them out.

    Signals
    -------
    renamed : (str) the new name
    picture_wanted, index_wanted, removal_wanted : a button was pressed
    defaults_chosen : (key, changed default settings by name)
    """

    renamed = Signal(str)
    picture_wanted = Signal()
    index_wanted = Signal()
    removal_wanted = Signal()
    defaults_chosen = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._voice: InstalledVoice | None = None
        self._changed: dict[str, Any] = {}
        # Dragging a slider saves once, not at every step.
        self._soon = QTimer(self, singleShot=True, interval=_KEEP_AFTER_MS)
        self._soon.timeout.connect(self._tell_defaults)
        self._picture = PlainLabel()
        self._picture.setFixedSize(_PICTURE_POINTS, _PICTURE_POINTS)
        self.name = QLineEdit()
        self.name.setAccessibleName(self.tr("Name of the voice"))
        font = self.name.font()
        font.setPointSizeF(font.pointSizeF() * 1.25)
        self.name.setFont(font)
        self.name.editingFinished.connect(self._rename)
        head = QHBoxLayout()
        head.addWidget(self._picture)
        self._trial = SecondaryLabel(
            self.tr(
                "For trying the app out: it is small and was made from synthetic speech. Import "
                "voices of your own for real work."
            )
        )
        titles = QVBoxLayout()
        titles.addWidget(self.name)
        titles.addWidget(self._trial)
        head.addLayout(titles, 1)
        self._facts = QFormLayout()
        self._facts.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        self._facts.setVerticalSpacing(6)
        foot = QHBoxLayout()
        self.picture_button = QPushButton(self.tr("Picture…"))
        self.index_button = QPushButton(self.tr("Index…"))
        self.remove_button = QPushButton(symbol("trash"), self.tr("Move to Trash"))
        for button, wanted in (
            (self.picture_button, self.picture_wanted),
            (self.index_button, self.index_wanted),
            (self.remove_button, self.removal_wanted),
        ):
            button.clicked.connect(wanted)
            foot.addWidget(button)
        foot.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 12)
        column.addLayout(head)
        column.addSpacing(8)
        column.addLayout(self._facts)
        column.addSpacing(10)
        column.addWidget(self._make_defaults(), 1)
        column.addStretch(0)  # for a voice without settings of its own
        column.addLayout(foot)

    @property
    def voice(self) -> InstalledVoice | None:
        """The shown voice, as last loaded."""
        return self._voice

    def show_voice(self, voice: InstalledVoice) -> None:
        """Show a voice."""
        if self._voice is not None and self._voice.id != voice.id:
            self.flush()
        self._voice = voice
        self._show_defaults()
        self._defaults_area.setVisible(not voice.built_in)
        self.name.setText(shown_name(voice))
        self._trial.setVisible(voice.built_in)
        self.name.setReadOnly(voice.built_in)
        self._picture.setPixmap(self._portrait(voice))
        while self._facts.rowCount():
            self._facts.removeRow(0)
        for name, value in self._told(voice):
            shown = PlainLabel(value)
            shown.setWordWrap(True)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label = SecondaryLabel(self.tr("{name}:").format(name=name))
            label.setWordWrap(False)
            label.setFont(self.font())
            self._facts.addRow(label, shown)
        for button in (self.picture_button, self.index_button, self.remove_button):
            button.setEnabled(not voice.built_in)

    def facts_text(self) -> str:
        """The shown facts, one per line."""
        return (
            ""
            if self._voice is None
            else "\n".join(f"{n}: {v}" for n, v in self._told(self._voice))
        )

    def update_defaults(self, voice: InstalledVoice) -> None:
        """Update the default settings only."""
        if self._voice is not None and self._voice.id == voice.id:
            self._voice = voice
            self._show_defaults()

    @Slot()
    def flush(self) -> None:
        """Emit pending changes now."""
        if self._soon.isActive() and self._voice is not None:
            self._soon.stop()
            self._tell_defaults()

    def _make_defaults(self) -> QWidget:
        """The voice's default settings."""
        self.defaults = OptionControls(voice_options())
        self.defaults.changed.connect(self._on_moved)
        self._defaults_area = QWidget()
        title = SecondaryLabel(self.tr("Starts with these settings; double-click a name to reset."))
        column = QVBoxLayout(self._defaults_area)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(title)
        scrolled = QScrollArea()
        scrolled.setWidget(self.defaults)
        scrolled.setWidgetResizable(True)
        scrolled.setFrameShape(QScrollArea.Shape.NoFrame)
        scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column.addWidget(scrolled, 1)
        return self._defaults_area

    def _show_defaults(self) -> None:
        """Controls with pending changes keep them."""
        if self._voice is not None:
            self.defaults.show_options(self._voice.options(**self._changed), ConversionOptions())

    @Slot(str, object)
    def _on_moved(self, name: str, value: object) -> None:
        changed = {**self._changed, name: value}
        try:
            if self._voice is not None:
                self._voice.options(**changed)
        except OptionError:  # e.g. the lowest pitch above the highest
            self._show_defaults()
            return
        self._changed = changed
        self._soon.start()

    @Slot()
    def _tell_defaults(self) -> None:
        changed, self._changed = self._changed, {}
        if self._voice is not None and changed:
            self.defaults_chosen.emit(self._voice.id, changed)

    @Slot()
    def _rename(self) -> None:
        if self._voice is not None and self.name.text().strip() != shown_name(self._voice):
            self.renamed.emit(self.name.text())

    def _told(self, voice: InstalledVoice) -> list[tuple[str, str]]:
        facts = voice.facts
        rate = facts.get("sample_rate_hz")
        pitch = self.tr("follows pitch") if facts.get("pitch_guided") else self.tr("without pitch")
        told = [
            (
                self.tr("Model"),
                ", ".join(str(facts[k]) for k in ("version", "vocoder") if facts.get(k)),
            ),
            (self.tr("Sample rate"), f"{rate / 1000:g} kHz" if isinstance(rate, int) else ""),
            (self.tr("Pitch"), pitch),
            (self.tr("Embedder"), str(facts.get("embedder") or "")),
            (self.tr("Epochs"), str(facts.get("epochs") or "")),
            (self.tr("Speakers"), str(facts.get("speakers") or "")),
            (self.tr("Index"), self.tr("present") if voice.index else self.tr("none")),
            (self.tr("Source"), voice.source or self.tr("built in")),
        ]
        return [(name, value) for name, value in told if value]

    def _portrait(self, voice: InstalledVoice) -> QPixmap:
        scale = self.devicePixelRatioF()
        side = round(_PICTURE_POINTS * scale)
        portrait = QPixmap(side, side)
        portrait.fill(Qt.GlobalColor.transparent)
        painter = QPainter(portrait)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        clip = QPainterPath()
        clip.addRoundedRect(QRectF(0, 0, side, side), side / 5, side / 5)
        painter.setClipPath(clip)
        picture = QPixmap(str(voice.picture)) if voice.picture else QPixmap()
        if picture.isNull():
            ground = self.palette().color(QPalette.ColorRole.Text)
            ground.setAlphaF(0.08)
            painter.fillPath(clip, ground)
            mark = symbol("voices", QPalette.ColorRole.PlaceholderText)
            inner = round(side * 0.5)
            painter.drawPixmap(
                (side - inner) // 2, (side - inner) // 2, mark.pixmap(QSize(inner, inner), 1.0)
            )
        else:
            fitted = picture.scaled(
                QSize(side, side),
                Qt.AspectRatioMode.KeepAspectRatioByExpanding,
                Qt.TransformationMode.SmoothTransformation,
            )
            painter.drawPixmap((side - fitted.width()) // 2, (side - fitted.height()) // 2, fitted)
        painter.end()
        portrait.setDevicePixelRatio(scale)
        return portrait
