from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QSize, QXmlStreamReader
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QImage, QPalette
from pytestqt.qtbot import QtBot

from desktop.icons import app_icon, menu_bar_icon, symbol

FOLDER = Path(__file__).parents[2] / "resources" / "icons"
NAMES = sorted(path.stem for path in FOLDER.glob("*.svg"))
SYMBOLS = [name for name in NAMES if name not in {"app", "menu-bar"}]


def colours(image: QImage) -> set[str]:
    """Of the pixels that are not transparent at all."""
    pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    return {pixel.name() for pixel in pixels if pixel.alpha() == 255}


@pytest.mark.parametrize("name", NAMES)
def test_every_drawing_is_xml_without_external_references(name: str) -> None:
    reader = QXmlStreamReader((FOLDER / f"{name}.svg").read_text())
    while not reader.atEnd():
        reader.readNext()
        assert not any("href" in each.qualifiedName() for each in reader.attributes())
    assert not reader.hasError(), reader.errorString()


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_symbol_has_the_colour_of_the_text_and_follows_the_theme(qtbot: QtBot, name: str) -> None:
    icon = symbol(name)
    before = QGuiApplication.palette()
    try:
        for colour in ("#123456", "#fedcba"):
            palette = QPalette(before)
            palette.setColor(QPalette.ColorRole.ButtonText, QColor(colour))
            QGuiApplication.setPalette(palette)
            found = colours(icon.pixmap(QSize(64, 64), 1.0).toImage())
            assert found
            for each in map(QColor, found):  # where strokes cross, rounding shows
                wanted = QColor(colour)
                assert abs(each.red() - wanted.red()) <= 2
                assert abs(each.blue() - wanted.blue()) <= 2
    finally:
        QGuiApplication.setPalette(before)


def test_symbols_are_sharp_on_retina_screens(qtbot: QtBot) -> None:
    pixmap = symbol("play").pixmap(QSize(16, 16), 2.0)
    assert pixmap.size() == QSize(32, 32)
    assert pixmap.devicePixelRatio() == 2.0


def test_a_disabled_symbol_looks_disabled(qtbot: QtBot) -> None:
    normal = symbol("play").pixmap(QSize(32, 32), 1.0).toImage()
    disabled = symbol("play").pixmap(QSize(32, 32), 1.0, QIcon.Mode.Disabled).toImage()
    assert colours(normal) != colours(disabled)


def test_the_menu_bar_icon_is_a_template_in_every_state(qtbot: QtBot) -> None:
    for fraction in (None, 0.0, 0.4, 1.0, 7.0):
        icon = menu_bar_icon(fraction)
        assert icon.isMask()
        image = icon.pixmap(QSize(18, 18), 2.0).toImage()
        assert image.size() == QSize(36, 36)
        assert colours(image) <= {"#000000"}


def test_progress_changes_the_menu_bar_icon(qtbot: QtBot) -> None:
    little, much = (menu_bar_icon(f).pixmap(QSize(18, 18), 1.0).toImage() for f in (0.1, 0.9))
    assert little != much


def test_the_app_icon_has_all_sizes(qtbot: QtBot) -> None:
    sizes = {size.width() for size in app_icon().availableSizes()}
    assert {16, 32, 128, 256, 512} <= sizes
    image = app_icon().pixmap(QSize(256, 256)).toImage()
    assert image.pixelColor(2, 2).alpha() == 0
    assert image.pixelColor(60, 60).alpha() == 255
