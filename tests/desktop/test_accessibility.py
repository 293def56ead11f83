"""Everything can be read, named, and reached without a mouse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QColor, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QToolBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop import style
from desktop.app import App
from desktop.listen.waveform_view import WaveformView
from desktop.storage import AppPaths
from desktop.style import SHAPE_CONTRAST, TEXT_CONTRAST, blend, contrast
from engine.stages import STAGES
from tests.desktop.fake_engine import FakeEngine

WAIT_MS = 15_000
Role = QPalette.ColorRole

# Window, base, text, highlight of macOS' windows as they are without a tint from behind.
LOOKS = {
    "light": ("#ececec", "#ffffff", "#262626", "#0064e1"),
    "dark": ("#323232", "#1e1e1e", "#dfdfdf", "#0059d1"),
    "light, more contrast": ("#ffffff", "#ffffff", "#000000", "#0040a0"),
    "dark, more contrast": ("#1a1a1a", "#000000", "#ffffff", "#0a5ad4"),
}
ACCENTS = {
    "blue": "#007aff", "purple": "#953d96", "pink": "#f74f9e", "red": "#e0383e",
    "orange": "#f7821b", "yellow": "#ffc726", "green": "#62ba46", "graphite": "#8c8c8c",
}  # fmt: skip
CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, WaveformView)
PANES = ("general", "optimization", "voices", "models", "advanced")


@pytest.fixture(params=[(look, accent) for look in LOOKS for accent in ACCENTS], ids="-".join)
def palette(request: pytest.FixtureRequest, qapp: QApplication) -> QPalette:
    look, accent = request.param
    window, base, text, highlight = LOOKS[look]
    palette = QPalette()
    for role, colour in (
        (Role.Window, window), (Role.Base, base), (Role.Text, text), (Role.WindowText, text),
        (Role.Highlight, highlight), (Role.HighlightedText, "#ffffff"),
        (Role.Accent, ACCENTS[accent]),
    ):  # fmt: skip
        palette.setColor(role, QColor(colour))
    return palette


def test_contrast_is_computed_as_in_the_guidelines() -> None:
    assert contrast(QColor("black"), QColor("white")) == pytest.approx(21)
    assert contrast(QColor("#777777"), QColor("white")) == pytest.approx(4.48, abs=0.01)
    assert contrast(QColor("white"), QColor("#777777")) == pytest.approx(4.48, abs=0.01)


def test_text_has_enough_contrast(palette: QPalette) -> None:
    grounds = [palette.color(Role.Base), palette.color(Role.Window), style.sidebar(palette)]
    for ground in grounds[:2]:
        assert contrast(style.secondary_text(palette), ground) >= TEXT_CONTRAST
        assert contrast(style.bad(palette), ground) >= TEXT_CONTRAST
    for ground in grounds:
        assert contrast(palette.color(Role.WindowText), ground) >= TEXT_CONTRAST
    row, quiet_row = style.selection(palette), style.selection(palette, focused=False)
    assert contrast(palette.color(Role.HighlightedText), row) >= TEXT_CONTRAST
    for colour in (palette.color(Role.Text), style.secondary_text(palette), style.bad(palette)):
        assert contrast(colour, quiet_row) >= TEXT_CONTRAST
    for quiet in (False, True):
        assert contrast(style.selected_text(palette, quiet=quiet), row) >= TEXT_CONTRAST
    for colour in (style.caution(palette), style.accent(palette)):  # the line of notices
        tinted = blend(colour, style.sidebar(palette), 0.14)
        assert contrast(palette.color(Role.WindowText), tinted) >= TEXT_CONTRAST


def test_bars_frames_and_marks_have_enough_contrast(palette: QPalette) -> None:
    base, window = palette.color(Role.Base), palette.color(Role.Window)
    for shape in (style.accent(palette), style.good(palette), style.caution(palette)):
        assert min(contrast(shape, base), contrast(shape, window)) >= SHAPE_CONTRAST
    for stage in STAGES:
        assert contrast(style.stage_colour(stage.name, palette), base) >= SHAPE_CONTRAST, stage


def test_a_colour_with_enough_contrast_is_unchanged(palette: QPalette) -> None:
    text = palette.color(Role.Text)
    assert style.legible(text, [palette.color(Role.Base)], TEXT_CONTRAST) == text


@pytest.mark.parametrize("scheme", [Qt.ColorScheme.Light, Qt.ColorScheme.Dark])
def test_the_colours_of_this_system_have_enough_contrast(
    qapp: QApplication, scheme: Qt.ColorScheme
) -> None:
    hints = qapp.styleHints()
    hints.setColorScheme(scheme)
    try:
        now = qapp.palette()
        assert contrast(now.color(Role.Text), now.color(Role.Base)) >= TEXT_CONTRAST
        test_text_has_enough_contrast(now)
        test_bars_frames_and_marks_have_enough_contrast(now)
    finally:
        hints.unsetColorScheme()


@pytest.fixture
def app(app_paths: AppPaths, qtbot: QtBot) -> Iterator[App]:
    app = App(app_paths, FakeEngine, lambda *_: True, leave=lambda _code: None)
    app.start()
    qtbot.waitExposed(app.window)
    yield app
    app.close()


def controls(window: QWidget) -> list[QWidget]:
    inside = [each for kind in CONTROLS for each in window.findChildren(kind)]
    own = [each for each in inside if not isinstance(each, QScrollBar)]
    return [each for each in own if each.isVisibleTo(window)]


def nameless(window: QWidget) -> list[str]:
    found = []
    for control in controls(window):
        interface = QAccessible.queryAccessibleInterface(control)
        name = interface.text(QAccessible.Text.Name)
        role = interface.role()
        if isinstance(control.parentWidget(), QComboBox | QAbstractSpinBox):
            continue  # the field inside of a control, which is named itself
        if not name or role in (QAccessible.Role.NoRole, QAccessible.Role.Client):
            found.append(f"{type(control).__name__} {name!r} {role}")
    return found


def test_every_control_of_every_window_has_a_name_and_a_role(
    app: App, qtbot: QtBot, tmp_path: Path
) -> None:
    assert nameless(app.window) == []
    (tmp_path / "a.wav").touch()
    app.take([tmp_path / "a.wav"])
    qtbot.waitUntil(lambda: app.queue.rowCount() == 1 and not app.queue.is_busy, timeout=WAIT_MS)
    assert nameless(app.window) == []
    app.show_settings()
    assert app.settings_window is not None
    for pane in PANES:
        app.settings_window.show_pane(pane)
        assert nameless(app.settings_window) == [], pane


def is_reached_by_arrows(control: QWidget) -> bool:
    """Of a group of which one is chosen, the Tab key comes to that one only, as everywhere."""
    group = control.group() if isinstance(control, QAbstractButton) else None
    return group is not None and group.exclusive() and not control.isChecked()


def focusable(window: QWidget) -> set[QWidget]:
    return {
        each
        for each in controls(window)
        if each.isEnabled()
        and each.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not isinstance(each.parentWidget(), QToolBar | QComboBox | QAbstractSpinBox)
        and not is_reached_by_arrows(each)
    }


def walk(window: QWidget, steps: int) -> set[QWidget]:
    """What the Tab key comes to; in a waveform, where Tab flips, Control-Tab goes on."""
    window.activateWindow()
    reached = set()
    for _ in range(steps):
        here = QApplication.focusWidget()
        held = Qt.KeyboardModifier.NoModifier
        if isinstance(here, WaveformView):
            held = Qt.KeyboardModifier.ControlModifier
        QTest.keyClick(here or window, Qt.Key.Key_Tab, held)
        here = QApplication.focusWidget()
        if here is not None:
            reached.add(here)
    return reached


def test_the_tab_key_reaches_every_control(app: App, qtbot: QtBot, tmp_path: Path) -> None:
    assert focusable(app.window) - walk(app.window, 60) == set()
    (tmp_path / "a.wav").touch()
    app.take([tmp_path / "a.wav"])
    qtbot.waitUntil(lambda: app.queue.rowCount() == 1 and not app.queue.is_busy, timeout=WAIT_MS)
    app.window.queue_view.select_job(app.queue.jobs()[0].id)
    wanted = focusable(app.window) | {app.window.queue_view}
    assert wanted - walk(app.window, 80) == set()


def test_custom_painted_controls_show_the_focus(app: App, qtbot: QtBot) -> None:
    panel = app.listen_panel
    for control in [each for row in panel.lanes.rows for each in (row.button, row.view)]:
        control.setEnabled(True)
        panel.setFocus()
        app.window.areas.pages.setCurrentIndex(1)
        without = control.grab().toImage()
        control.setFocus(Qt.FocusReason.TabFocusReason)
        assert control.hasFocus()
        assert control.grab().toImage() != without, control.accessibleName()
