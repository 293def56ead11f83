"""The very first start: nothing is asked, and the first file is converted at once."""

from __future__ import annotations

from pathlib import Path

from tests.desktop.session.screen import Screen
from tests.desktop.session.session import Session, states_of
from tests.desktop.session.sound_files import song


def test_the_first_thing_a_user_sees_is_the_window(
    screen: Screen, folder: Path, tmp_path: Path
) -> None:
    session = Session(screen, folder)
    try:
        session.start()
        assert session.state()["question"] == ""
        assert session.state()["notice"] == ""

        def promised() -> None:
            session.until(
                lambda now: now["overlay"] == "Convert with Starter", "the window says so"
            )

        assert session.drag_in([song(tmp_path)], let_go=promised) == "CopyAction"
        session.until(
            lambda now: set(states_of(now).values()) == {"finished"}, "the file is converted"
        )
    finally:
        session.close()
