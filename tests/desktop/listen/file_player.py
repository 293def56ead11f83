"""Plays source and result on the system's default output: ``python -m … SOURCE RESULT FLIP_S``.

The listen panel and PortAudio are the real ones. Played is from the start to the end; the lanes
are flipped once at least `FLIP_S` has been heard. What the panel says is printed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PySide6.QtWidgets import QApplication

from desktop.listen.listen_panel import ListenPanel
from desktop.listen.output_device import EndCallback, FillCallback, OutputStream, PortAudioDevice
from desktop.listen.player import Player
from desktop.queue.job import Job, JobState, Voice
from desktop.settings.store import Settings

_PACE = 8
"""Times as fast as a sound card; a file takes sound as fast as it comes, and reading cannot."""


@dataclass
class PacedDevice:
    """A device that asks for sound about as a sound card would, and can be pulled out."""

    device: PortAudioDevice
    unplug_s: float | None = None

    def open(self, fill: FillCallback, ended: EndCallback) -> OutputStream:
        played_s = 0.0

        def paced(out) -> bool:  # type: ignore[no-untyped-def]
            nonlocal played_s
            seconds = len(out) / stream.rate_hz
            time.sleep(seconds / _PACE)
            played_s += seconds
            more = fill(out)
            return more and (self.unplug_s is None or played_s < self.unplug_s)

        stream = self.device.open(paced, ended)
        return stream


def main() -> None:
    source, result = Path(sys.argv[1]), Path(sys.argv[2])
    flip_s = float(sys.argv[3])
    unplug_s = float(sys.argv[4]) if len(sys.argv) > 4 else None
    application = QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder, "settings.json"), {})
        device = PacedDevice(PortAudioDevice(), unplug_s)
        panel = ListenPanel(settings, Path(folder, "cache"), lambda: Player(device))
        voice = Voice("Aria", Path("aria.pth"))
        panel.set_job(Job(source=source, voice=voice, state=JobState.FINISHED, output=result))
        player = panel.playback.player
        assert player is not None

        def run_until(condition) -> None:  # type: ignore[no-untyped-def]
            end_s = time.monotonic() + 30
            while not condition():
                assert time.monotonic() < end_s
                application.processEvents()
                time.sleep(0.002)

        run_until(lambda: panel.is_read)
        panel.choose(0)
        panel.toggle_play()
        run_until(lambda: player.position_s >= flip_s or not player.is_playing)
        panel.flip()
        run_until(lambda: not player.is_playing)
        application.processEvents()
        print(panel.note or f"Result {panel.lanes.rows[1].level.text()}")
        panel.close_sound()


if __name__ == "__main__":
    main()
