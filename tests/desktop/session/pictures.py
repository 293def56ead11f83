"""Pictures of every state of the app, to be looked at: ``python -m … FOLDER [LANGUAGE]``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from desktop.json_file import write_text
from desktop.setting_table import LANGUAGE
from tests.desktop.session.screen import Screen
from tests.desktop.session.session import Session, states_of
from tests.desktop.session.sound_files import broken, long_song, song, video

SIZES = {"small": (900, 600), "usual": (1040, 700)}
PANES = 5


class Album:
    """Takes pictures of one session in one look."""

    def __init__(self, screen: Screen, folder: Path, look: str) -> None:
        self._screen, self._folder, self._look = screen, folder, look

    def take(self, name: str) -> None:
        """What is on the screen once all is painted."""
        self._screen.move_to((5, 895))
        self._screen.settle()
        self._screen.picture(self._folder / f"{name}-{self._look}.png")


def show_all(session: Session, sounds: Path, album: Album) -> None:
    """One walk through the app."""
    session.start()
    session.ask("resize", *SIZES["small"])
    album.take("empty")
    session.ask("resize", *SIZES["usual"])
    files = [broken(sounds), video(sounds), song(sounds), long_song(sounds)]

    def picture_of_promise() -> None:
        session.until(lambda now: now["overlay"], "the promise")
        session.screen.settle()
        session.screen.picture(album._folder / f"drop-{album._look}.png")

    session.drag_in(files, let_go=picture_of_promise)
    session.until(lambda now: _fraction(now, "long.flac") > 0.3, "a third is done")
    session.click("row", "long.flac")
    album.take("busy")
    session.click("row", "song.wav")
    session.until(lambda now: all(now["listen"]["ready"]), "both waveforms")
    album.take("finished")
    session.click("row", "broken.wav")
    album.take("failed")
    session.screen.key("ctrl+q")
    session.until(lambda now: now["question"], "the question")
    album.take("question")
    session.screen.key("Escape")
    session.until(lambda now: not now["question"], "no question")
    session.screen.key("ctrl+comma")
    session.until(lambda now: now["settings"], "the settings")
    for pane in range(1, PANES + 1):
        session.screen.key(f"ctrl+{pane}")
        album.take(f"settings-{pane}")
    session.screen.key("ctrl+w")
    session.kill()
    session.start()
    session.ask("resize", *SIZES["usual"])
    album.take("unfinished")


def _fraction(state: dict[str, object], name: str) -> float:
    rows = {row["name"]: row for row in state["rows"]}  # type: ignore[attr-defined]
    if states_of(state).get(name) == "running":
        return float(rows[name]["fraction"])
    return 0.0


def main() -> None:
    """Both looks."""
    target = Path(sys.argv[1]).absolute()
    target.mkdir(parents=True, exist_ok=True)
    language = sys.argv[2] if len(sys.argv) > 2 else "en"
    for look in ("light", "dark"):
        with tempfile.TemporaryDirectory(prefix="urvc") as made, Screen() as screen:
            folder = Path(made)
            session = Session(screen, folder, dark=look == "dark")
            settings = {"values": {LANGUAGE.key: language}, "memory": {}}
            write_text(session.data / "settings.json", json.dumps(settings))
            sounds = folder / "Songs"
            sounds.mkdir()
            try:
                show_all(session, sounds, Album(screen, target, look))
            finally:
                session.close()


if __name__ == "__main__":
    main()
