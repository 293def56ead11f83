"""Colours and sizes derived from the system's palette, so that they follow it live."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from PySide6.QtCore import QEvent
from PySide6.QtGui import QColor, QFont, QPalette, Qt
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from engine.plain_text import plain, plain_lines
from engine.stages import stage_of

MARGIN = 16
GAP = 8
SMALL_RADIUS = 4.0
RADIUS = 8.0
TEXT_CONTRAST = 4.5
SHAPE_CONTRAST = 3.0
"""Required by WCAG 2.2 (level AA) for text, and for bars, frames and marks."""

_STEPS = 20
_QUIET_SELECTION = 0.10


def _is_dark(palette: QPalette) -> bool:
    """Whether text is lighter than its background."""
    text = palette.color(QPalette.ColorRole.WindowText)
    return text.lightness() > palette.color(QPalette.ColorRole.Window).lightness()


def blend(front: QColor, back: QColor, share: float) -> QColor:
    """Mix two colours; ``share`` is the part of the front."""
    mixed = [
        round(a * share + b * (1 - share))
        for a, b in zip(front.getRgb()[:3], back.getRgb()[:3], strict=True)  # type: ignore[index]
    ]
    return QColor(*mixed)


def contrast(first: QColor, second: QColor) -> float:
    """1..21, as the guidelines for accessible content (WCAG 2.2) define it."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@lru_cache(maxsize=512)
def _legible(colour: int, backs: tuple[int, ...], least: float) -> int:
    grounds = [QColor.fromRgb(back) for back in backs]
    extremes = QColor("black"), QColor("white")
    end = max(extremes, key=lambda pure: contrast(pure, grounds[0]))
    front = QColor.fromRgb(colour)
    for step in range(_STEPS + 1):
        mixed = blend(end, front, step / _STEPS)
        if min(contrast(mixed, back) for back in grounds) >= least:
            break
    return mixed.rgb()


def legible(colour: QColor, backs: Iterable[QColor], least: float) -> QColor:
    """The colour, made darker or lighter until it has enough contrast with its backgrounds.

    Parameters
    ----------
    least : `TEXT_CONTRAST` or `SHAPE_CONTRAST`
    """
    return QColor.fromRgb(_legible(colour.rgb(), tuple(back.rgb() for back in backs), least))


def secondary_text(palette: QPalette) -> QColor:
    """Colour of explanations."""
    base, text = (palette.color(r) for r in (QPalette.ColorRole.Base, QPalette.ColorRole.Text))
    return _on_grounds(QColor.fromRgb(_quiet_text(text.rgb(), base.rgb())), palette, TEXT_CONTRAST)


def selection(palette: QPalette, *, focused: bool = True) -> QColor:
    """Background of a selected row: the system's colour, adjusted so that text on it is readable.

    Without the focus it is grey, as in Finder, with normal text.
    """
    if not focused:
        text, base = (palette.color(r) for r in (QPalette.ColorRole.Text, QPalette.ColorRole.Base))
        return QColor.fromRgb(_quiet_selection(text.rgb(), base.rgb()))
    colour = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.Highlight)
    text = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.HighlightedText)
    return legible(colour, [text], TEXT_CONTRAST)


def selected_text(palette: QPalette, *, quiet: bool = False) -> QColor:
    """Text on a selected row that has the focus; ``quiet`` for explanations."""
    back = selection(palette)
    front = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.HighlightedText)
    return legible(blend(front, back, 0.85 if quiet else 1.0), [back], TEXT_CONTRAST)


def hairline(palette: QPalette) -> QColor:
    """Colour of lines between areas."""
    window = palette.color(QPalette.ColorRole.Window)
    return blend(palette.color(QPalette.ColorRole.WindowText), window, 0.14)


def track(palette: QPalette) -> QColor:
    """Background of a bar."""
    base = palette.color(QPalette.ColorRole.Base)
    return blend(palette.color(QPalette.ColorRole.Text), base, 0.11)


def sidebar(palette: QPalette) -> QColor:
    """Background of the side panel."""
    window = palette.color(QPalette.ColorRole.Window)
    return blend(palette.color(QPalette.ColorRole.WindowText), window, 0.03)


def accent(palette: QPalette) -> QColor:
    """The user's accent colour, with enough contrast for bars and frames."""
    return _on_grounds(palette.color(QPalette.ColorRole.Accent), palette, SHAPE_CONTRAST)


def link(palette: QPalette) -> QColor:
    """The accent colour, with enough contrast for text."""
    return _on_grounds(palette.color(QPalette.ColorRole.Accent), palette, TEXT_CONTRAST)


def faded(colour: QColor, opacity: float) -> QColor:
    """The colour, partly transparent."""
    transparent = QColor(colour)
    transparent.setAlphaF(opacity)
    return transparent


def good(palette: QPalette) -> QColor:
    """Colour for success."""
    colour = QColor("#30c463") if _is_dark(palette) else QColor("#1b8a3f")
    return _on_grounds(colour, palette, SHAPE_CONTRAST)


def bad(palette: QPalette) -> QColor:
    """Colour for failures and their messages."""
    colour = QColor("#ff6b63") if _is_dark(palette) else QColor("#c4281c")
    return _on_grounds(colour, palette, TEXT_CONTRAST)


def caution(palette: QPalette) -> QColor:
    """Colour for warnings."""
    colour = QColor("#ffb340") if _is_dark(palette) else QColor("#a15c00")
    return _on_grounds(colour, palette, SHAPE_CONTRAST)


def stage_colour(stage: str, palette: QPalette) -> QColor:
    """A colour for each stage of a conversion."""
    row = stage_of(stage)
    hue, saturation = (0, 0.0) if row is None else (row.hue, row.saturation)
    colour = QColor.fromHsv(hue, round(255 * saturation), 230 if _is_dark(palette) else 200)
    return legible(colour, [palette.color(QPalette.ColorRole.Base)], SHAPE_CONTRAST)


def _on_grounds(colour: QColor, palette: QPalette, least: float) -> QColor:
    """The colour with enough contrast on the usual backgrounds; cached, as rows ask often."""
    base, window = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Window)
    text = palette.color(QPalette.ColorRole.Text)
    quiet = _quiet_selection(text.rgb(), base.rgb())
    return QColor.fromRgb(_legible(colour.rgb(), (base.rgb(), window.rgb(), quiet), least))


@lru_cache(maxsize=64)
def _quiet_text(text: int, base: int) -> int:
    return blend(QColor.fromRgb(text), QColor.fromRgb(base), 0.68).rgb()


@lru_cache(maxsize=64)
def _quiet_selection(text: int, base: int) -> int:
    return blend(QColor.fromRgb(text), QColor.fromRgb(base), _QUIET_SELECTION).rgb()


def _luminance(colour: QColor) -> float:
    """0..1, relative, of sRGB."""
    parts = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (colour.redF(), colour.greenF(), colour.blueF())
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def small_font(widget: QWidget) -> QFont:
    """Smaller font for explanations."""
    font = QFont(widget.font())
    font.setPointSizeF(max(8.0, QApplication.font().pointSizeF() * 0.88))
    return font


def smaller_font(font: QFont) -> QFont:
    """The same font, smaller, for what is second in a row."""
    small = QFont(font)
    small.setPointSizeF(font.pointSizeF() * 0.88)
    return small


def figures_font(font: QFont) -> QFont:
    """The same font with digits of equal width, so that changing numbers stay in place."""
    fixed = QFont(font)
    fixed.setFeature(QFont.Tag.fromString("tnum"), 1)
    return fixed


def heading_font(widget: QWidget, factor: float = 1.0) -> QFont:
    """Font for headings."""
    font = QFont(widget.font())
    font.setPointSizeF(QApplication.font().pointSizeF() * factor)
    font.setWeight(QFont.Weight.DemiBold)
    return font


class PlainLabel(QLabel):
    """A label that shows a text as it is, whatever tags a file's or a voice's name has.

    Invisible control characters, e.g. marks of direction, become "?".
    """

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Show a text."""
        super().setText(plain_lines(text))


def plain_tip(text: str) -> str:
    """The tool tip that shows a text as it is, tags included, as `PlainLabel` does."""
    text = plain_lines(text)
    return Qt.convertFromPlainText(text) if Qt.mightBeRichText(text) else text


def menu_text(name: str) -> str:
    """A name as the title of an action or a button, where "&" would mark a key."""
    return plain(name).replace("&", "&&")


class SecondaryLabel(PlainLabel):
    """A label in the colour of explanations; follows the theme."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setWordWrap(True)
        self.setFont(small_font(self))
        self._recolour()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ApplicationPaletteChange:
            self._recolour()

    def _recolour(self) -> None:
        palette = self.palette()
        for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text):
            palette.setColor(role, secondary_text(QApplication.palette()))
        self.setPalette(palette)
