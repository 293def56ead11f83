"""The very first start: the networks are offered, and nobody is kept from dropping a file."""

from __future__ import annotations

from pathlib import Path

from tests.desktop.session.screen import Screen
from tests.desktop.session.session import Session, states_of
from tests.desktop.session.sound_files import song


def test_the_offer_does_not_block_drops_and_appears_once(
    screen: Screen, folder: Path, tmp_path: Path
) -> None:
    session = Session(screen, folder, first=True)
    try:
        session.start()
        session.place("button", "Not Now")

        def promised() -> None:
            session.until(
                lambda now: now["overlay"] == "Convert with Starter", "the window says so"
            )

        assert session.drag_in([song(tmp_path)], let_go=promised) == "CopyAction"
        session.until(
            lambda now: set(states_of(now).values()) == {"finished"}, "the file is converted"
        )
        session.click("button", "Not Now")
        session.kill()
        session.start()
        session.place("row", song(tmp_path).name)
        assert session.ask("button", "Not Now") is None
    finally:
        session.close()
