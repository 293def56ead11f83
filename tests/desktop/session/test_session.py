"""A person's session: real windows, a real mouse, the real engine with the starter voice."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from desktop.settings.table import LEVEL_MATCH
from tests.desktop.session.screen import wait_until
from tests.desktop.session.session import Session, State, states_of
from tests.desktop.session.sound_files import broken, long_song, song, video


def partial_files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.part")]


def nothing_undone(state: State) -> bool:
    return bool(state["rows"]) and not {"waiting", "running"} & set(states_of(state).values())


def running(state: State) -> bool:
    return any(row["state"] == "running" and row["fraction"] > 0 for row in state["rows"])


def finish(session: Session) -> State:
    """Wait for the end of the queue; timings must have moved on the way."""
    seen: set[tuple[str, str, int]] = set()

    def over(state: State) -> bool:
        for row in state["rows"]:
            if row["state"] == "running":
                seen.update((row["name"], k, round(s * 1e4)) for k, s in row["stages"].items())
        return nothing_undone(state)

    state = session.until(over, "all conversions are over")
    assert len(seen) > 5, "the timings stood still"
    return state


def test_three_dragged_files_are_converted_played_and_saved(
    session: Session, tmp_path: Path
) -> None:
    files = [broken(tmp_path), video(tmp_path), song(tmp_path, "a song 歌.wav")]
    session.start()

    def promised() -> None:
        session.until(
            lambda now: now["overlay"] == "Convert 3 Files with Starter", "the window says so"
        )

    assert session.drag_in(files, let_go=promised) == "CopyAction"
    state = finish(session)
    assert state["overlay"] == ""
    assert states_of(state) == {
        "broken.wav": "failed", "video.mp4": "finished", "a song 歌.wav": "finished",
    }  # fmt: skip
    assert state["rows"][0]["message"].startswith('Cannot read "broken.wav"')
    result = tmp_path / "a song 歌 (Starter).wav"
    assert {path.name for path in tmp_path.iterdir()} == {
        *(path.name for path in files), result.name, "video (Starter).wav",
    }  # fmt: skip
    length_s = soundfile.info(files[2]).duration
    assert abs(soundfile.info(result).duration - length_s) < 1e-3
    listen(session)
    change_settings(session)
    session.screen.key("ctrl+q")  # nothing is being done: no question
    assert session.ended() == 0
    session.start()
    assert states_of(session.state()) == states_of(state)


def listen(session: Session) -> None:
    """Both waveforms are there; a click seeks, Tab flips at the same instant."""
    session.click("row", "a song 歌.wav")
    session.until(lambda now: all(now["listen"]["ready"]), "both waveforms")
    session.click("button", "Waveform of the result")
    sought = session.until(lambda now: now["listen"]["position_s"] > 2.5, "sought")["listen"]
    assert sought["side"] == 1
    session.screen.key("Tab")
    flipped = session.until(lambda now: now["listen"]["side"] == 0, "flipped")["listen"]
    assert flipped["position_s"] == sought["position_s"]
    session.screen.key("Tab")
    session.until(lambda now: now["listen"]["side"] == 1, "flipped back")


def change_settings(session: Session) -> None:
    """⌘, opens them; a click on a switch is on the disk without any OK."""
    file = session.data / "settings.json"

    def level_match() -> object:
        kept = json.loads(file.read_text()) if file.exists() else {"values": {}}
        return kept["values"].get(LEVEL_MATCH.key)

    session.screen.key("ctrl+comma")
    session.until(lambda now: now["settings"], "the settings' window")
    before = level_match()
    session.click("button", LEVEL_MATCH.label)
    wait_until(lambda: level_match() != before, "the setting is on the disk")
    session.screen.key("ctrl+w")
    session.until(lambda now: not now["settings"], "the settings' window is closed")
    assert session.state()["visible"]


def test_quitting_while_busy_asks_and_unfinished_jobs_come_back(
    session: Session, tmp_path: Path
) -> None:
    session.start()
    session.open_with(long_song(tmp_path), song(tmp_path))
    session.until(running, "the conversion has begun")
    session.screen.key("ctrl+q")
    asked = session.until(lambda now: now["question"], "the question")
    assert asked["question"].startswith("Quit while converting?")
    session.screen.key("Escape")
    session.until(lambda now: not now["question"], "the question is gone")
    assert running(session.state())
    session.screen.key("ctrl+q")
    session.until(lambda now: now["question"], "the question again")
    session.click("button", "Quit")
    assert session.ended() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.flac", "song.wav"]
    session.start()
    state = session.state()
    assert states_of(state) == {"long.flac": "interrupted", "song.wav": "interrupted"}
    assert state["notice"] == "2 conversions were not finished when the app quit"
    session.click("button", "Continue")
    session.until(running, "it goes on")


def test_a_killed_app_loses_no_jobs_and_leaves_no_partial_files(
    session: Session, tmp_path: Path
) -> None:
    done, long_one = song(tmp_path), long_song(tmp_path)
    session.start(done, long_one)
    session.until(
        lambda now: states_of(now) == {"song.wav": "finished", "long.flac": "running"},
        "one is done, the next is being converted",
    )
    on_disk = session.data / "queue.json"
    wait_until(lambda: '"finished"' in on_disk.read_text(), "a moment later the disk knows")
    session.kill()
    # What the engine's `atomic_file` leaves when the kill comes while it writes.
    (tmp_path / ".0123456789abcdef.part").write_bytes(b"RIFF")
    session.start()
    state = session.state()
    assert states_of(state) == {"song.wav": "finished", "long.flac": "interrupted"}
    wait_until(lambda: not partial_files(tmp_path), "the half-written file is gone")
    names = {"long.flac", "song.wav", "song (Starter).wav"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert soundfile.info(tmp_path / "song (Starter).wav").duration > 5
    session.click("button", "Remove")
    session.until(lambda now: states_of(now) == {"song.wav": "finished"}, "it is forgotten")
