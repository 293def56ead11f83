"""The suggested key: ranges of source and voice on a keyboard, and one click to use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.piano import BLACK_KEYS, hz_of, key_colours, midi_of
from desktop.pitch_scanner import PitchScanner, PitchTrack
from desktop.queue.job import Job
from desktop.settings.section_button import SectionButton
from desktop.settings.store import Settings
from desktop.translation import says
from desktop.voices.draft import VOICE, Draft
from desktop.voices.voice_list import VoiceList
from engine.key import (
    HIGH_VOICE_HZ,
    LOW_VOICE_HZ,
    SourcePitch,
    VoicePitch,
    signed,
    source_pitch,
    suggest_key,
)

_OPEN = "voice_panel.key"
"""Remembered: whether the suggestion is shown, and so looked for."""

_LOWEST, _HIGHEST = 24, 96
"""C1 to C7, as MIDI counts."""


class RangeBar(QWidget):
    """Two ranges above a small keyboard.

    Signals
    -------
    target_dragged : (float) where the user has put the voice's pitch, in Hz
    """

    target_dragged = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._source: SourcePitch | None = None
        self._voice: VoicePitch | None = None
        self._semitones = 0.0
        self._dragged_hz: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Two lines and the keys."""
        return QSize(200, 46)

    def show_ranges(
        self, source: SourcePitch | None, voice: VoicePitch | None, semitones: float
    ) -> None:
        """Show the source as it is and as it is shifted now, and the voice."""
        self._source, self._voice, self._semitones = source, voice, semitones
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Source above, voice below it, keys at the bottom."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        self._paint_keys(painter, palette)
        painter.setPen(Qt.PenStyle.NoPen)
        if self._source is not None:
            source, factor = self._source, 2.0 ** (self._semitones / 12)
            colour = style.accent(palette)
            self._paint_range(painter, 2, colour, source.low_hz, source.high_hz, source.median_hz)
            if self._semitones:
                frame = self._place(2, source.low_hz * factor, source.high_hz * factor)
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(colour, 1.2, Qt.PenStyle.DotLine))
                painter.drawRoundedRect(frame, 4, 4)
        if self._voice is not None:
            voice = self._voice
            target_hz = self._dragged_hz or voice.target_hz
            low_hz, high_hz = voice.low_hz or target_hz, voice.high_hz or target_hz
            self._paint_range(painter, 16, style.good(palette), low_hz, high_hz, target_hz)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the voice's mark."""
        if event.button() == Qt.MouseButton.LeftButton and event.position().y() >= 14:
            self._dragged_hz = self._hz(event.position().x())
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Move it."""
        if self._dragged_hz is not None:
            self._dragged_hz = self._hz(event.position().x())
            self.update()

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Keep it there."""
        if self._dragged_hz is not None:
            hz, self._dragged_hz = self._dragged_hz, None
            self.target_dragged.emit(float(round(hz)))

    def _paint_keys(self, painter: QPainter, palette: QPalette) -> None:
        white, black = key_colours(palette)
        step = self.width() / (_HIGHEST - _LOWEST)
        top, height = 31.0, self.height() - 32.0
        painter.fillRect(QRectF(0, top, self.width(), height), style.blend(white, black, 0.92))
        for number in range(_LOWEST, _HIGHEST):
            x = (number - _LOWEST) * step
            if number % 12 in BLACK_KEYS:
                painter.fillRect(
                    QRectF(x, top, step, 0.6 * height), style.blend(black, white, 0.85)
                )
            elif number % 12 == 0:
                painter.fillRect(QRectF(x, top, 1, height), style.blend(black, white, 0.5))

    def _paint_range(
        self, painter: QPainter, top: float, colour: QColor, low: float, high: float, middle: float
    ) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.setOpacity(0.35)
        painter.drawRoundedRect(self._place(top, low, high), 4, 4)
        painter.setOpacity(1.0)
        painter.drawEllipse(QPointF(self._x(middle), top + 5), 5, 5)

    def _place(self, top: float, low_hz: float, high_hz: float) -> QRectF:
        left, right = self._x(low_hz), self._x(high_hz)
        return QRectF(left - 2, top, right - left + 4, 10)

    def _x(self, hz: float) -> float:
        midi = float(midi_of(hz))
        share = (min(max(midi, _LOWEST), _HIGHEST) - _LOWEST + 0.5) / (_HIGHEST - _LOWEST)
        return 6 + share * (self.width() - 12)

    def _hz(self, x: float) -> float:
        share = min(max((x - 6) / max(self.width() - 12, 1), 0.0), 1.0)
        midi = _LOWEST - 0.5 + share * (_HIGHEST - _LOWEST)
        return min(max(hz_of(midi), 40.0), 1000.0)


class KeySuggestion(QWidget):
    """Suggests a key for the selected file and the chosen voice; looks for it only while open.

    Signals
    -------
    range_wanted : (Voice) nothing is known about it; rendering it would tell
    """

    range_wanted = Signal(object)

    def __init__(
        self, draft: Draft, voices: VoiceList, settings: Settings, scanner: PitchScanner
    ) -> None:
        super().__init__()
        self._draft = draft
        self._voices = voices
        self._scanner = scanner
        self._file: Path | None = None
        self._job: Job | None = None
        self._leads: dict[Path, SourcePitch | None] = {}
        self._pitch: SourcePitch | None = None
        self._is_found = False
        self._refusal = ""
        self._build(settings)
        draft.changed.connect(self._refresh)
        voices.changed.connect(self._refresh)
        scanner.sampled.connect(self._take_track)
        scanner.found.connect(self._take_track)
        scanner.failed.connect(self._take_refusal)
        self._show_open(self._toggle.isChecked())

    @property
    def toggle(self) -> QToolButton:
        """Opens and closes it."""
        return self._toggle

    @property
    def choices(self) -> tuple[QPushButton, ...]:
        """The buttons that can be pressed now."""
        buttons = (self._by_semitones, self._by_octaves, self._low_voice, self._high_voice)
        return tuple(button for button in buttons if not button.isHidden())

    @property
    def sentence(self) -> str:
        """What is known."""
        return self._words.text()

    @Slot(object)
    def set_job(self, job: Job | None) -> None:
        """Suggest for this job's source, or for nothing."""
        self._job = job
        file = None if job is None else job.source
        if file != self._file:
            self._file, self._pitch, self._is_found, self._refusal = file, None, False, ""
            self._search()
            self._refresh()
        elif self._refusal:
            self._refresh()  # the job may have failed meanwhile, for the same reason

    @Slot(object, object)
    def take_lead(self, output: Path, f0_hz: NDArray[np.float32]) -> None:
        """Take the pitch of a song's vocals, which is known better once they were separated."""
        job = self._job
        if job is not None and job.cover is not None and job.output == output:
            self._leads[job.source] = source_pitch(f0_hz, np.ones(len(f0_hz)))
            self._refresh()

    def _build(self, settings: Settings) -> None:
        self._toggle = SectionButton(self.tr("Find the Best Key"), settings, _OPEN)
        self._toggle.toggled.connect(self._show_open)
        self._bar = RangeBar()
        self._bar.setAccessibleName(self.tr("Ranges of the source and of the voice"))
        self._bar.setToolTip(
            self.tr("Above: the source. Below: the voice; drag its dot to where it sounds best.")
        )
        self._bar.target_dragged.connect(self._keep_pitch)
        self._words = style.SecondaryLabel()
        self._by_semitones, self._by_octaves = QPushButton(), QPushButton()
        self._by_octaves.setToolTip(
            self.tr("For songs: whole octaves stay in tune with the accompaniment")
        )
        self._low_voice = QPushButton(self.tr("Low Voice"))
        self._high_voice = QPushButton(self.tr("High Voice"))
        self._low_voice.clicked.connect(lambda: self._keep_pitch(LOW_VOICE_HZ))
        self._high_voice.clicked.connect(lambda: self._keep_pitch(HIGH_VOICE_HZ))
        self._by_semitones.clicked.connect(lambda: self._use(self._by_semitones))
        self._by_octaves.clicked.connect(lambda: self._use(self._by_octaves))
        row = QHBoxLayout()
        row.setSpacing(6)
        for button in (self._by_semitones, self._by_octaves, self._low_voice, self._high_voice):
            row.addWidget(button)
        row.addStretch(1)
        self._content = QWidget()
        inner = QVBoxLayout(self._content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        inner.addWidget(self._bar)
        inner.addWidget(self._words)
        inner.addLayout(row)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._toggle)
        column.addWidget(self._content)

    @Slot(bool)
    def _show_open(self, shown: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        self._content.setVisible(shown)
        self._search()
        self._refresh()

    def _search(self) -> None:
        wanted = [self._file] if self._file is not None and self._toggle.isChecked() else []
        self._scanner.want(self, *wanted)

    @Slot(object, object)
    def _take_track(self, path: Path, track: PitchTrack) -> None:
        if path == self._file:
            self._pitch = source_pitch(track.f0_hz, track.confidence)
            self._is_found = True
            self._refresh()

    @Slot(object, str)
    def _take_refusal(self, path: Path, sentence: str) -> None:
        if path == self._file:
            self._refusal = sentence
            self._refresh()

    @Slot()
    def _refresh(self) -> None:
        if not self._toggle.isChecked():
            return
        options, voice = self._draft.options, self._draft.voice
        lead = None if self._file is None else self._leads.get(self._file)
        pitch = lead or self._pitch
        target = self._voices.pitch(voice.key, options.voice_pitch_hz)
        self._bar.show_ranges(pitch, target, options.semitones)
        if not self._voices.has_pitch(voice.key):
            target = None
        known = pitch is not None and target is not None
        self._by_semitones.setVisible(known)
        self._by_octaves.setVisible(known)
        for button in (self._low_voice, self._high_voice):
            button.setVisible(target is None and self._voices.has_pitch(voice.key))
        if not self._voices.has_pitch(voice.key):
            self._words.setText(self.tr("This voice was trained without pitch"))
        elif target is None:
            self._words.setText(
                self.tr("Is {voice} a low or a high voice?").format(voice=voice.name)
            )
            if self._file is not None and self._voices.range_is_unknown(voice.key):
                self.range_wanted.emit(voice)
        elif self._file is None:
            self._words.setText(self.tr("Select a file in the list"))
        elif not self._is_found and lead is None:
            self._words.setText(self._shown_refusal() or self.tr("Finding the pitch…"))
        elif pitch is None:
            self._words.setText(self.tr("The file has too little clear pitch for a suggestion"))
        else:
            self._suggest(pitch, target)

    def _shown_refusal(self) -> str:
        """Why there is no pitch; in short where the job says it already."""
        if self._job is not None and says(self._job.message, self._refusal):
            return self.tr("The pitch of this file cannot be found")
        return self._refusal

    def _suggest(self, source: SourcePitch, target: VoicePitch) -> None:
        self._words.setText(
            self.tr("Source ≈ {source} Hz, voice ≈ {voice} Hz").format(
                source=round(source.median_hz), voice=round(target.target_hz)
            )
        )
        by_semitones = suggest_key(source, target).semitones
        by_octaves = suggest_key(source, target, "octaves").semitones
        song = self._draft.file_kind != VOICE
        use = self.tr("Use {semitones}")
        for button, semitones, text in (
            (self._by_semitones, by_semitones, use),
            (self._by_octaves, by_octaves, use if song else self.tr("In Octaves: {semitones}")),
        ):
            button.setText(text.format(semitones=signed(semitones)))
            button.setProperty("semitones", semitones)
            button.setEnabled(semitones != self._draft.options.semitones)
        self._by_semitones.setVisible(not song)
        self._by_octaves.setVisible(song or by_octaves != by_semitones)

    def _use(self, button: QPushButton) -> None:
        values = {"semitones": float(button.property("semitones"))}
        self._draft.set_options(self._draft.options.with_values(values))

    @Slot(float)
    def _keep_pitch(self, hz: float) -> None:
        """The user's own number, kept with the voice's other settings."""
        values = {"voice_pitch_hz": hz}
        self._draft.set_options(self._draft.options.with_values(values))
