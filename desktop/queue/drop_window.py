"""Drag and drop: a window that accepts files and links anywhere, and shows what will happen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, QPointF, QRectF, Qt, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QPushButton, QVBoxLayout, QWidget

from desktop import style
from desktop.queue.intake import Gatherer, Intake, peek

_MARK_POINTS = 76
_BARS = (0.2, 0.42, 0.75, 0.5, 1.0, 0.66, 0.86, 0.36, 0.56, 0.26)
"""Heights of the drawn waveform."""

_WEB = ("https://", "http://")
_LONGEST_LINK = 120


def paths_of(data: QMimeData) -> tuple[Path, ...]:
    """The files of a drag or of the clipboard."""
    if not data.hasUrls():
        return ()
    return tuple(Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile())


def link_of(data: QMimeData) -> str:
    """The web address of a drag or of the clipboard, or ""."""
    urls = [url for url in data.urls() if url.scheme() in ("http", "https")]
    if urls:
        return urls[0].toString(QUrl.ComponentFormattingOption.FullyEncoded)
    words = data.text().split() if data.hasText() else []
    return words[0] if len(words) == 1 and words[0].lower().startswith(_WEB) else ""


class DropOverlay(QWidget):
    """Covers the window while something is dragged over it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._text = ""
        self._detail = ""
        self._welcome = True
        self.hide()

    @property
    def text(self) -> str:
        """What will happen."""
        return self._text

    @property
    def detail(self) -> str:
        """What else there is to know."""
        return self._detail

    def offer(self, intake: Intake, voice_name: str, kind: str) -> None:
        """Show what dropping will do.

        Parameters
        ----------
        kind : what files are taken for, see `desktop.voices.draft`
        """
        welcome = not intake.is_empty
        told = [*intake.reasons, intake.left_alone] if welcome else intake.reasons[1:]
        if intake.sounds:
            told = [self._taken_for(kind), *told]
        detail = "\n".join(filter(None, told))
        self._announce(self._promise(intake, voice_name), detail, welcome=welcome)

    def offer_link(self, link: str) -> None:
        """Show what dropping a link will do."""
        short = link if len(link) < _LONGEST_LINK else link[:_LONGEST_LINK] + "…"
        self._announce(self.tr("Show What This Link Offers"), short, welcome=True)

    def _taken_for(self, kind: str) -> str:
        return {
            "song": self.tr("As a whole song: its voice is converted and mixed back"),
            "vocals": self.tr("As the vocals of a song"),
        }.get(kind, self.tr("As a voice alone, without music"))

    def _announce(self, text: str, detail: str, *, welcome: bool) -> None:
        self._text, self._detail, self._welcome = text, detail, welcome
        self.setAccessibleName(text)
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.raise_()
        self.show()
        self.update()

    def _promise(self, intake: Intake, voice_name: str) -> str:
        if intake.is_empty:
            return next(iter(intake.reasons), self.tr("No audio found"))
        sounds = len(intake.sounds)
        if not sounds:
            count = len(intake.voices)
            return self.tr("Install Voice") if count == 1 else self.tr("Install Voices")
        if intake.more:
            return self.tr("Convert All with {voice}").format(voice=voice_name)
        if sounds == 1:
            return self.tr("Convert with {voice}").format(voice=voice_name)
        return self.tr("Convert {count} Files with {voice}").format(count=sounds, voice=voice_name)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Background, frame and text."""
        palette = self.palette()
        colour = style.accent(palette) if self._welcome else style.bad(palette)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # Opaque: text over text would be unreadable.
        painter.fillRect(self.rect(), palette.color(QPalette.ColorRole.Window))
        frame = QRectF(self.rect()).adjusted(14, 14, -14, -14)
        tint = QColor(colour)
        tint.setAlphaF(0.10)
        painter.setBrush(tint)
        painter.setPen(QPen(colour, 2.5))
        painter.drawRoundedRect(frame, 14, 14)
        mark = QRectF(0, 0, 2 * _MARK_POINTS, _MARK_POINTS)
        mark.moveCenter(frame.center() - QPointF(0, 1.35 * _MARK_POINTS))
        if self._welcome:
            _paint_bars(painter, mark, palette)
        else:
            _paint_refusal(painter, mark, colour)
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        painter.setFont(style.heading_font(self, 1.7))
        wide = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
        painter.drawText(frame.adjusted(40, 0, -40, -20), wide, self._text)
        painter.setPen(style.secondary_text(palette))
        painter.setFont(self.font())
        below = frame.adjusted(40, frame.height() / 2 + 24, -40, -20)
        top = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        painter.drawText(below, top | int(Qt.TextFlag.TextWordWrap), self._detail)


class _Mark(QWidget):
    """A drawn waveform."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(_MARK_POINTS * 2, _MARK_POINTS)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw in the theme's colours."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _paint_bars(painter, QRectF(self.rect()), self.palette())


def _paint_bars(painter: QPainter, place: QRectF, palette: QPalette) -> None:
    """Draw ten bars that fade from grey to the accent colour."""
    grey, colour = style.track(palette), style.accent(palette)
    step = place.width() / len(_BARS)
    middle = place.center().y()
    for number, share in enumerate(_BARS):
        mixed = style.blend(colour, grey, number / (len(_BARS) - 1))
        painter.setPen(QPen(mixed, 7, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        x = place.left() + (number + 0.5) * step
        half = share * (place.height() - 8) / 2
        painter.drawLine(QPointF(x, middle - half), QPointF(x, middle + half))


def _paint_refusal(painter: QPainter, place: QRectF, colour: QColor) -> None:
    """Draw a circle with a bar across."""
    radius = 0.36 * place.height()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, 6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawEllipse(place.center(), radius, radius)
    aside = QPointF(radius, radius) * 0.7071
    painter.drawLine(place.center() - aside, place.center() + aside)


class EmptyPage(QWidget):
    """The empty window, which tells what to do."""

    choose_wanted = Signal()
    sample_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        title = style.PlainLabel(self.tr("Drop songs, recordings or videos here"))
        title.setFont(style.heading_font(title, 1.5))
        title.setWordWrap(True)
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        detail = style.SecondaryLabel(
            self.tr("Folders too. A voice (.pth, .index, .zip or link) is installed when dropped.")
        )
        detail.setAlignment(Qt.AlignmentFlag.AlignCenter)
        choose = QPushButton(self.tr("Choose Files…"))
        choose.setDefault(True)
        choose.clicked.connect(lambda: self.choose_wanted.emit())
        sample = QPushButton(self.tr("Try the Sample"))
        sample.setToolTip(self.tr("Six seconds of speech that come with the app"))
        sample.clicked.connect(lambda: self.sample_wanted.emit())
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(choose)
        buttons.addWidget(sample)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(40, 40, 40, 40)
        column.setSpacing(style.GAP)
        column.addStretch(5)
        column.addWidget(_Mark(), 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(style.MARGIN)
        column.addWidget(title)
        column.addWidget(detail)
        column.addSpacing(style.MARGIN)
        column.addLayout(buttons)
        column.addStretch(6)


class DropWindow(QMainWindow):
    """A window that accepts drops; subclasses decide what to do with them.

    Parameters
    ----------
    gatherer : sorts dropped paths; it may outlive the window
    """

    def __init__(self, gatherer: Gatherer | None = None) -> None:
        super().__init__()
        self._gatherer = gatherer or Gatherer(self)
        self._gatherer.gathered.connect(self.accept_intake)
        self.overlay = DropOverlay(self)
        self.setAcceptDrops(True)

    def voice_name(self) -> str:
        """The voice for a dropped file."""
        raise NotImplementedError

    def file_kind(self) -> str:
        """What a dropped file is taken for, see `desktop.voices.draft`."""
        raise NotImplementedError

    def accept_intake(self, intake: Intake) -> None:
        """Use what was dropped."""
        raise NotImplementedError

    def ask_for_link(self, link: str = "") -> None:
        """Show what a link offers."""
        raise NotImplementedError

    def take(self, paths: Sequence[Path]) -> None:
        """Accept paths as if they were dropped."""
        if paths:
            self._gatherer.gather(paths)

    def take_no_more(self) -> None:
        """Stop accepting; what is still being gathered goes to the next window."""
        self._gatherer.gathered.disconnect(self.accept_intake)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Show what dropping would do."""
        paths, link = paths_of(event.mimeData()), link_of(event.mimeData())
        if event.source() is not None:  # rows of our own queue
            return
        if not paths:
            if link:
                self.overlay.offer_link(link)
                event.acceptProposedAction()
            return
        intake = peek(paths)
        self.overlay.offer(intake, self.voice_name(), self.file_kind())
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(not intake.is_empty)

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:  # noqa: N802 - Qt's name
        """Hide the overlay."""
        self.overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Accept the drop."""
        self.overlay.hide()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        paths, link = paths_of(event.mimeData()), link_of(event.mimeData())
        if link and not paths:
            self.ask_for_link(link)
        self.take(paths)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep the overlay's size."""
        super().resizeEvent(event)
        self.overlay.setGeometry(self.rect())
