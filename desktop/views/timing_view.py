"""Where the time goes: one bar for the whole job, one line for each stage."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPalette
from PySide6.QtWidgets import QWidget

from desktop import style
from desktop.jobs.cell_text import (
    device_name,
    memory,
    milliseconds,
    speed,
    stage_name,
)
from desktop.jobs.job import StageTime
from engine.progress import STAGES

_BAR_HEIGHT = 14
_LINE_HEIGHT = 21
_COLUMNS = 2
_COLUMN_GAP = 28
_DOT = 8


class TimingView(QWidget):
    """All stages always have their place, so that nothing moves while numbers change."""

    def __init__(self) -> None:
        super().__init__()
        self._stages: dict[str, StageTime] = {}
        self._running: str | None = None
        self._fraction = 0.0
        self._source_s = 0.0
        self.setFixedHeight(_BAR_HEIGHT + 10 + _LINE_HEIGHT * -(-len(STAGES) // _COLUMNS))
        self.setAccessibleName(self.tr("Stage timings"))

    def show_stages(
        self,
        stages: tuple[StageTime, ...],
        fraction: float,
        source_s: float,
        running: str | None = None,
    ) -> None:
        """Show these.

        Parameters
        ----------
        fraction : 0..1 of the bar that is filled
        source_s : seconds of sound done, for × realtime; 0 where not known
        running : the stage that is not over yet
        """
        self._stages = {each.stage: each for each in stages}
        self._fraction = fraction
        self._source_s = source_s
        self._running = running
        lines = (f"{stage_name(s.stage)} {milliseconds(s.seconds)}" for s in stages)
        self.setAccessibleDescription(", ".join(lines))
        self.update()

    def bar_widths(self) -> dict[str, float]:
        """How much of the bar, 0..1, each stage takes."""
        total = sum(each.seconds for each in self._stages.values())
        if total <= 0:
            return {}
        ordered = [name for name in STAGES if name in self._stages]
        return {name: self._fraction * self._stages[name].seconds / total for name in ordered}

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough for two columns."""
        return QSize(520, self.height())

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Bar, then lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_bar(painter, QRectF(0, 0, self.width(), _BAR_HEIGHT))
        wide = (self.width() - _COLUMN_GAP * (_COLUMNS - 1)) / _COLUMNS
        per_column = -(-len(STAGES) // _COLUMNS)
        painter.setFont(style.figures_font(style.small_font(self)))
        for place, stage in enumerate(STAGES):
            column, row = divmod(place, per_column)
            left = column * (wide + _COLUMN_GAP)
            top = _BAR_HEIGHT + 10 + row * _LINE_HEIGHT
            self._paint_line(painter, stage, QRectF(left, top, wide, _LINE_HEIGHT))

    def _paint_bar(self, painter: QPainter, place: QRectF) -> None:
        outline = QPainterPath()
        outline.addRoundedRect(place, style.SMALL_RADIUS, style.SMALL_RADIUS)
        painter.save()
        painter.setClipPath(outline)
        painter.fillRect(place, style.track(self.palette()))
        left = place.left()
        for stage, share in self.bar_widths().items():
            width = share * place.width()
            part = QRectF(left, place.top(), max(width - 1, 0.5), place.height())
            painter.fillRect(part, style.stage_colour(stage, self.palette()))
            left += width
        painter.restore()

    def _paint_line(self, painter: QPainter, stage: str, place: QRectF) -> None:
        palette = self.palette()
        found = self._stages.get(stage)
        colour = style.stage_colour(stage, palette) if found else style.track(palette)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        middle = place.center().y()
        painter.drawEllipse(QPointF(place.left() + _DOT / 2, middle), _DOT / 2, _DOT / 2)
        normal = palette.color(QPalette.ColorRole.Text)
        quiet = style.secondary_text(palette)
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        bold = painter.font()
        bold.setBold(stage == self._running)
        painter.setFont(bold)
        painter.setPen(normal if found else quiet)
        painter.drawText(place.adjusted(_DOT + 8, 0, 0, 0), left, stage_name(stage))
        bold.setBold(False)
        painter.setFont(bold)
        if found is None:
            return
        device_width, memory_width, speed_width = 44.0, 60.0, 58.0
        beside = device_width + memory_width
        place_ms = place.adjusted(0, 0, -(beside + speed_width), 0)
        painter.drawText(place_ms, right, milliseconds(found.seconds))
        painter.setPen(quiet)
        counts = stage != "load" and self._source_s and found.seconds > 0
        own = speed(self._source_s / found.seconds) if counts else ""
        painter.drawText(place.adjusted(0, 0, -beside, 0), right, own)
        held = memory(found.memory_bytes) if found.memory_bytes else ""
        painter.drawText(place.adjusted(0, 0, -device_width, 0), right, held)
        painter.drawText(place, right, device_name(found.device))
