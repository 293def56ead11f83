"""Pictures of every state of the app, to be looked at.

``python -m tests.desktop.session.pictures FOLDER [--language zh_TW] [--scale 2] [--looks dark]``
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import soundfile

from desktop.settings.table import LANGUAGE
from desktop.storage import write_text
from engine.library.separation_networks import KARAOKE
from engine.library.voice_library import VoiceLibrary
from engine.paths import starter_dir
from tests.desktop.session.look import LOOKS
from tests.desktop.session.screen import SIZE, Screen
from tests.desktop.session.session import Session, states_of
from tests.desktop.session.sound_files import broken, long_song, silent, song, video
from tests.engine.loading import zoo
from tests.engine.separation.small_networks import song_samples, write_network

SMALLEST, USUAL = (900, 600), (1040, 700)
PANES = ("general", "optimization", "voices", "models", "advanced")
VOICES = ("Aria", "Baritone 2 (live)", "小鈴")

_SHOWN_FRACTION = 0.11
_PATIENCE_S = 1200.0
"""For a conversion on a machine that has much else to do."""
_PAGE, _PAGES = 7, 4
"""Turns of the wheel to the next part of the side panel, and how many parts are shown."""

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include>/etc/fonts/fonts.conf</include>
  <match target="pattern">
    <test name="family"><string>sans-serif</string></test>
    <edit name="family" mode="prepend" binding="strong">
      <string>Inter</string><string>Noto Sans CJK TC</string>
    </edit>
  </match>
</fontconfig>
"""
"""The fonts that are next to those of a Mac, where they are installed."""


class Album:
    """Takes pictures of one session in one look."""

    def __init__(self, session: Session, folder: Path, look: str) -> None:
        self._session, self._folder, self._look = session, folder, look

    def take(self, name: str, *, rest: bool = True) -> None:
        """What is on the screen once all is painted; ``rest`` takes the mouse out of the way."""
        screen = self._session.screen
        if rest:
            screen.move_to((5, SIZE[1] - 5))
        screen.settle()
        kind = "settings" if name.startswith("settings") else "main"
        number, *frame = self._session.ask("window", kind)
        screen.picture(self._folder / f"{name}-{self._look}.png", number, (frame[0], frame[1]))


def first_start(session: Session, album: Album) -> None:
    """The app as it is on its first day, with the starter voice alone."""
    session.start()
    session.ask("resize", *SMALLEST)
    album.take("empty")
    session.screen.key("ctrl+comma")
    session.until(lambda now: now["settings"], "the settings")
    session.screen.key(f"ctrl+{1 + PANES.index('voices')}")
    album.take("settings-no-voices")
    session.kill()


def drags(session: Session, album: Album, files: list[Path], refused: Path) -> None:
    """What is promised while something is over the window."""

    def picture(name: str) -> Callable[[], None]:
        def take() -> None:
            session.until(lambda now: now["overlay"], "the promise")
            album.take(name, rest=False)

        return take

    session.start()
    session.ask("resize", *USUAL)
    session.drag_in([refused], let_go=picture("refused"))
    session.drag_in(files, let_go=picture("drop"))


def conversions(session: Session, album: Album) -> None:
    """Busy, finished, failed, and one of them put into question."""
    begun = lambda now: _fraction(now, "Interview.flac") > _SHOWN_FRACTION  # noqa: E731
    session.until(begun, "a tenth is done", patience_s=_PATIENCE_S)
    session.click("row", "Interview.flac")
    album.take("busy")
    session.click("row", "Verse 1 – lead vocal.wav")
    session.until(lambda now: all(now["listen"]["ready"]), "both waveforms")
    album.take("finished")
    session.click("row", "silence.wav")
    album.take("note")
    session.click("row", "broken take.wav")
    album.take("failed")
    session.screen.key("ctrl+a")
    album.take("all-selected")
    session.screen.key("F1")
    session.until(lambda now: now["question"], "the keys")
    album.take("keys")
    session.screen.key("Escape")
    session.until(lambda now: not now["question"], "no keys")
    session.screen.key("ctrl+shift+l")
    album.take("link")
    session.screen.key("Escape")
    session.screen.settle()
    session.screen.key("ctrl+q")
    session.until(lambda now: now["question"], "the question")
    album.take("question")
    session.screen.key("Escape")
    session.until(lambda now: not now["question"], "no question")


def restart(session: Session, memory: dict[str, object]) -> None:
    """A new start, at which the app remembers this, too."""
    session.kill()
    file = session.data / "settings.json"
    kept = json.loads(file.read_text())
    kept["memory"] |= memory
    write_text(file, json.dumps(kept))
    session.start()


def takes(session: Session, album: Album, name: str) -> None:
    """Three takes of one source, a loop in a part that is zoomed into; then without timings."""
    session.ask("resize", *USUAL)
    session.click("row", name)
    for _ in range(2):
        session.screen.key("ctrl+Return")
    session.until(
        lambda now: len(now["listen"]["ready"]) == 4, "three takes", patience_s=_PATIENCE_S
    )
    session.until(lambda now: all(now["listen"]["ready"]), "all waveforms", patience_s=_PATIENCE_S)
    album.take("takes")
    left, y, width = session.ask("lane", 1)
    session.screen.press_and_drag((left + width // 4, y), (left + width // 2, y))
    session.screen.release()
    session.until(lambda now: now["listen"]["note"], "a loop")
    session.screen.key("Tab")
    album.take("loop")


def key_and_pitch(session: Session, album: Album, name: str) -> None:
    """The suggested key; an audition; then the pitch line of source and result."""
    restart(session, {"voice_panel.key": True})
    session.ask("resize", *SMALLEST)
    session.click("row", name)
    session.until(
        lambda now: now["listen"]["pitch"], "the pitch of the source", patience_s=_PATIENCE_S
    )
    album.take("key")
    session.click("audition")
    session.until(
        lambda now: now["audition"]["heard"], "the audition is heard", patience_s=_PATIENCE_S
    )
    album.take("audition")
    restart(session, {"voice_panel.key": False, "listen.pitch": True})
    session.ask("resize", *USUAL)  # in the smallest window the row may lie below the others
    session.click("row", name)
    session.ask("resize", *SMALLEST)
    session.until(
        lambda now: now["listen"]["pitch"], "the pitch of the source", patience_s=_PATIENCE_S
    )
    session.until(lambda now: all(now["listen"]["ready"]), "all waveforms")
    album.take("pitch-line")
    session.ask("resize", *USUAL)
    album.take("pitch-line-large")


def more(session: Session, album: Album) -> None:
    """The side panel with every option, page by page; one of them keeps the picture of a video."""
    restart(session, {"voice_panel.more": True, "listen.pitch": False})
    session.ask("resize", *SMALLEST)
    for number in range(1, _PAGES + 1):
        session.screen.scroll(session.place("side"), -_PAGE)
        album.take(f"more-{number}", rest=False)


def mixer(session: Session, album: Album, folder: Path) -> None:
    """A song with small networks and another backing voice, and its mixer."""
    install_networks(session.models)
    source = folder / "月亮代表我的心.wav"
    soundfile.write(source, 0.3 * song_samples(3 * 44_100), 44_100)
    chosen = {"karaoke": "on", "backing": "convert"}
    restart(session, {
        "voice_panel.more": False, "draft.file_kind": "song", "draft.song": chosen,
        "listen.mixer": True,
    })  # fmt: skip
    session.ask("resize", *SMALLEST)
    session.open_with(source)
    done = lambda now: states_of(now).get(source.name) == "finished"  # noqa: E731
    session.until(done, "the cover", patience_s=_PATIENCE_S)
    session.until(lambda now: len(now["listen"]["ready"]) > 3, "its parts")
    session.until(lambda now: all(now["listen"]["ready"]), "all waveforms")
    album.take("mixer")
    session.ask("resize", *USUAL)
    session.click("mute", "backing")
    album.take("mixed")
    session.click("save_mix")
    saved = lambda now: [r["state"] for r in now["rows"] if r["name"] == source.name][1:]  # noqa: E731
    session.until(lambda now: saved(now) == ["finished"], "another take")
    session.click("row", source.name, 2)
    album.take("saved-mix")


def install_networks(models: Path) -> None:
    """Small ones with random weights, under the names of those that songs need."""
    folder = models / "separation"
    folder.mkdir(parents=True, exist_ok=True)
    write_network("htdemucs", folder).rename(folder / "04573f0d.safetensors")
    made = write_network("mel", folder)
    lead = KARAOKE.variants[1][0].path(models)
    made.with_suffix(".yaml").rename(lead.with_suffix(".yaml"))
    made.rename(lead)


def settings(session: Session, album: Album) -> None:
    """Every pane."""
    session.screen.key("ctrl+comma")
    session.until(lambda now: now["settings"], "the settings")
    for number, pane in enumerate(PANES, 1):
        session.screen.key(f"ctrl+{number}")
        album.take(f"settings-{pane}")
    session.screen.key("ctrl+w")
    session.until(lambda now: not now["settings"], "no settings")


def lacking_networks(session: Session, album: Album, source: Path) -> None:
    """A voice of the community whose networks were never downloaded."""
    weights = source.with_name("Stella.pth")
    weights.write_bytes(zoo.voice(0))
    report = VoiceLibrary(session.data / "voices").import_files([weights])
    restart(session, {"draft.voice": report.imported[0].voice.id})
    session.ask("resize", *SMALLEST)
    session.open_with(source)
    session.until(lambda now: "needs networks" in states_of(now).values(), "it waits")
    album.take("needs-networks")


def after_a_crash(session: Session, album: Album) -> None:
    """The next start offers what was undone; then the largest window."""
    session.kill()
    session.start()
    session.ask("resize", *USUAL)
    album.take("unfinished")
    session.ask("resize", SIZE[0] - 80, SIZE[1] - 100)
    album.take("large")


def prepare(session: Session, sounds: Path) -> list[Path]:
    """Voices and files as a person has them."""
    library = VoiceLibrary(session.data / "voices")
    for name in VOICES:
        copied = Path(shutil.copy(starter_dir() / "voice.pth", sounds / f"{name}.pth"))
        index = Path(shutil.copy(starter_dir() / "starter.index", sounds / f"{name}.index"))
        library.import_files((copied, index))
        copied.unlink()
        index.unlink()
    return [
        broken(sounds, "broken take.wav"),
        silent(sounds, "silence.wav"),
        video(sounds, "rehearsal 2024-11-03.mp4"),
        song(sounds, "Verse 1 – lead vocal.wav"),
        long_song(sounds, "Interview.flac", times=12),
        song(sounds, "副歌 – chorus 🎤.wav"),
        long_song(sounds, "Second set.flac", times=300),
    ]


def _fraction(state: dict[str, object], name: str) -> float:
    rows = {row["name"]: row for row in state["rows"]}  # type: ignore[attr-defined]
    if states_of(state).get(name) == "running":
        return float(rows[name]["fraction"])
    return 0.0


def walk(language: str, scale: int, target: Path, look: str) -> None:
    """Through the whole app, in one look."""
    with tempfile.TemporaryDirectory(prefix="urvc") as made, Screen(scale=scale) as screen:
        folder = Path(made)
        session = Session(screen, folder, look=look)
        sounds = folder / "Songs"
        sounds.mkdir()
        values = {"values": {LANGUAGE.key: language}, "memory": {}}
        write_text(session.data / "settings.json", json.dumps(values))
        refused = sounds / "lyrics.txt"
        refused.write_text("la la la")
        album = Album(session, target, look)
        try:
            first_start(session, album)
            files = prepare(session, sounds)
            drags(session, album, files, refused)
            conversions(session, album)
            settings(session, album)
            after_a_crash(session, album)
            takes(session, album, "Verse 1 – lead vocal.wav")
            key_and_pitch(session, album, "Verse 1 – lead vocal.wav")
            more(session, album)
            mixer(session, album, sounds)
            lacking_networks(session, album, song(sounds, "Bridge.wav"))
        finally:
            session.close()


def main() -> None:
    """All looks that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.desktop.session.pictures")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", default="en")
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--looks", nargs="*", default=list(LOOKS), choices=list(LOOKS))
    given = parser.parse_args()
    target = given.folder.absolute()
    target.mkdir(parents=True, exist_ok=True)
    fonts = target / "fonts.conf"
    fonts.write_text(_FONTS)
    os.environ["FONTCONFIG_FILE"] = str(fonts)
    for look in given.looks:
        walk(given.language, given.scale, target, look)


if __name__ == "__main__":
    main()
