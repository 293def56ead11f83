"""A person's session: real windows, a real mouse, the real engine with the starter voice."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from desktop.settings.table import LEVEL_MATCH
from desktop.storage import sample_file
from tests.desktop.session.screen import wait_until
from tests.desktop.session.session import Session, State, states_of
from tests.desktop.session.sound_files import broken, long_song, song, video

SONG = "a song 歌.wav"
SONG_S = soundfile.info(sample_file()).duration


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


def test_files_dragged_at_the_first_start_are_converted_compared_and_kept_whatever_comes(
    session: Session, tmp_path: Path
) -> None:
    files = [broken(tmp_path), video(tmp_path), song(tmp_path, SONG)]
    session.start()
    assert session.state()["question"] == session.state()["notice"] == ""  # of the very first start

    def promised() -> None:
        session.until(
            lambda now: now["overlay"] == "Convert 3 Files with Starter", "the window says so"
        )

    assert session.drag_in(files, let_go=promised) == "CopyAction"
    state = finish(session)
    assert state["overlay"] == ""
    assert states_of(state) == {
        "broken.wav": "failed", "video.mp4": "finished", SONG: "finished",
    }  # fmt: skip
    assert state["rows"][0]["message"].startswith('Cannot read "broken.wav"')
    result = tmp_path / "a song 歌 (Starter).wav"
    assert {path.name for path in tmp_path.iterdir()} == {
        *(path.name for path in files), result.name, "video (Starter).wav",
    }  # fmt: skip
    assert abs(soundfile.info(result).duration - SONG_S) < 1e-3
    listen(session)
    change_settings(session)
    audition(session)
    best = compare_takes(session)
    assert session.drag_out(session.place("row", SONG, 3)) == [best["output"]]
    before = session.state()["rows"]
    quit_while_busy(session, tmp_path)
    session.start()
    state = session.state()
    assert state["rows"][: len(before)] == before
    assert state["rows"][-1]["state"] == "interrupted"
    assert state["notice"] == "One conversion was not finished when the app quit"
    session.click("button", "Continue")
    session.until(running, "it goes on")


def audition(session: Session) -> None:
    """Heard without a new file; a new key is rendered while it is heard."""
    session.click("row", SONG)
    session.click("button", "Audition")
    session.until(lambda now: now["audition"]["heard"], "the audition is heard")
    choose_key(session, "5")
    session.until(lambda now: now["audition"]["rendering"], "it is rendered again")
    session.until(lambda now: not now["audition"]["rendering"], "the new key is heard")
    assert session.state()["audition"]["on"]
    session.click("button", "Stop Audition")
    session.until(lambda now: not now["audition"]["on"], "it is quiet")


def choose_key(session: Session, semitones: str) -> None:
    """Type it into its field."""
    session.click("field", "Key")
    session.screen.key("ctrl+a", *semitones, "Return")


def compare_takes(session: Session) -> State:
    """Two more takes, heard in turn at the same instant; the better one gets a star."""
    for number, semitones in ((2, "5"), (3, "12")):
        session.click("row", SONG)
        choose_key(session, semitones)
        session.screen.key("ctrl+Return")
        session.until(
            lambda now, number=number: (  # type: ignore[misc]
                len(takes(now)) == number and nothing_undone(now)
            ),
            f"take {number}",
        )
    assert [each["semitones"] for each in takes(session.state())] == [0.0, 5.0, 12.0]
    assert len({each["output"] for each in takes(session.state())}) == 3
    session.click("row", SONG, 3)
    session.until(lambda now: all(now["listen"]["ready"]), "all waveforms")
    session.click("button", "Waveform of Take 3")
    sought = seek(session)
    session.screen.key("Up")
    flipped = session.until(
        lambda now: now["listen"]["side"] != sought["side"], "the take before is heard"
    )
    assert flipped["listen"]["position_s"] == sought["position_s"]
    session.click("row", SONG, 3)
    session.screen.key("ctrl+d")
    state = session.until(lambda now: takes(now)[-1]["starred"], "the star")
    assert [each["starred"] for each in takes(state)] == [False, False, True]
    best: State = takes(state)[-1]
    return best


def seek(session: Session) -> State:
    """The middle of a waveform was clicked; what is heard once it plays from there."""
    state = session.until(lambda now: now["listen"]["position_s"] > SONG_S / 3, "sought")
    heard: State = state["listen"]
    return heard


def takes(state: State) -> list[State]:
    """The rows of the song."""
    return [row for row in state["rows"] if row["name"] == SONG]


def quit_while_busy(session: Session, folder: Path) -> None:
    """The app asks, goes on when that was a mistake, and leaves no half file when it was not."""
    before = {path.name for path in folder.iterdir()}
    session.open_with(long_song(folder))
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
    assert {path.name for path in folder.iterdir()} == {*before, "long.flac"}


def listen(session: Session) -> None:
    """Both waveforms are there; a click seeks, Tab flips at the same instant."""
    session.click("row", SONG)
    session.until(lambda now: all(now["listen"]["ready"]), "both waveforms")
    session.click("button", "Waveform of the result")
    sought = seek(session)
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
    assert abs(soundfile.info(tmp_path / "song (Starter).wav").duration - SONG_S) < 1e-3
    session.click("button", "Remove")
    session.until(lambda now: states_of(now) == {"song.wav": "finished"}, "it is forgotten")
