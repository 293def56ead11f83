"""On a screen of two pixels a point everything is where it is clicked."""

from __future__ import annotations

from pathlib import Path

import soundfile

from tests.desktop.session.conftest import needs
from tests.desktop.session.screen import Screen
from tests.desktop.session.session import Session, states_of
from tests.desktop.session.sound_files import song
from tests.desktop.session.test_session import finish


def test_a_file_is_dropped_converted_and_played(folder: Path, tmp_path: Path) -> None:
    needs()
    with Screen(scale=2) as screen:
        session = Session(screen, folder)
        try:
            session.start()
            source = song(tmp_path)
            assert session.drag_in([source], let_go=lambda: None) == "CopyAction"
            session.until(lambda now: now["rows"], "the file is in the queue")
            assert states_of(finish(session)) == {"song.wav": "finished"}
            session.click("row", "song.wav")
            session.until(lambda now: all(now["listen"]["ready"]), "both waveforms")
            session.click("button", "Waveform of the source")
            middle_s = soundfile.info(source).duration / 2
            state = session.until(
                lambda now: now["listen"]["position_s"] > middle_s - 0.5, "sought"
            )
            heard = state["listen"]
            assert abs(heard["position_s"] - middle_s) < 0.2
            assert heard["side"] == 0
        finally:
            session.close()
