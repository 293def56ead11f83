"""The icon in a real status area, its menu opened by a real click; and life without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desktop.session.conftest import needs
from tests.desktop.session.screen import PANEL, Screen
from tests.desktop.session.session import Session
from tests.desktop.session.sound_files import song
from tests.desktop.session.test_session import finish


@pytest.fixture
def with_panel(folder: Path) -> Iterator[Session]:
    needs(PANEL)
    with Screen(panel=True) as screen:
        made = Session(screen, folder)
        yield made
        made.close()


def test_the_closed_window_comes_back_from_the_status_area(
    with_panel: Session, tmp_path: Path
) -> None:
    session = with_panel
    session.start()
    session.until(lambda now: now["tray"], "the icon is in the status area")
    session.open_with(song(tmp_path))
    finish(session)
    session.screen.key("ctrl+w")
    session.until(lambda now: not now["visible"], "the window is closed, the app goes on")
    session.screen.click(session.place("tray"), button=3)
    items = session.until(lambda now: now["menu"], "its menu")["menu"]
    assert {"Quick Convert…", "Voice: Starter", "Recent Results", "Settings…"} <= set(items)
    session.click("menu_item", "Open Ultimate RVC")
    session.until(lambda now: now["visible"], "the window is back")
    session.screen.click(session.place("tray"), button=3)
    session.click("menu_item", "Quit Ultimate RVC")
    assert session.ended() == 0


def test_without_a_status_area_closing_the_window_quits_the_app(session: Session) -> None:
    session.start()
    assert not session.state()["tray"]
    session.screen.key("ctrl+w")
    assert session.ended() == 0
