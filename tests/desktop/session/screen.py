"""A screen of one's own: Xvfb with a window manager, a panel where wanted, mouse and keyboard."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

SIZE = (1400, 900)
PROGRAMS = ("Xvfb", "xdotool", "openbox")
PANEL = "tint2"
PATIENCE_S = 240.0
"""For a state to come about on a machine that has much else to do; no state is timed by it."""

_DRAG_STEPS = 6
_PANEL_SETTINGS = """
panel_items = S
panel_size = 100% 30
panel_position = bottom center horizontal
panel_background_id = 0
systray_icon_size = 22
"""


def missing_programs(*more: str) -> list[str]:
    """Programs that are needed here and not installed."""
    return [name for name in (*PROGRAMS, *more) if shutil.which(name) is None]


def wait_until(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for a state, however long it takes within reason."""
    end_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end_s, f"still not: {what}"
        time.sleep(0.03)


class Screen:
    """Use as a context manager; everything on it ends with it.

    Parameters
    ----------
    panel : with a status area
    scale : pixels for each point; places and sizes are in points all the same
    """

    def __init__(self, *, panel: bool = False, scale: int = 1) -> None:
        self._wants_panel = panel
        self._scale = scale
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="screen")
        self.display = ""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait(10)
        self._folder.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """For programs that shall show their windows here."""
        left_out = ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "SESSION_MANAGER")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        own = {"DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb", "LC_ALL": "C.UTF-8"}
        return {**kept, **own, "QT_SCALE_FACTOR": str(self._scale)}

    def picture(self, path: Path, window: int, frame: tuple[int, int]) -> None:
        """What is seen where a window is, also of others above it (needs ImageMagick).

        Parameters
        ----------
        frame : width of the window's frame at the left and the top; xdotool counts it twice
        """
        asked = ("xdotool", "getwindowgeometry", "--shell", str(window))
        told = subprocess.run(
            asked, env=self.environment, check=True, timeout=PATIENCE_S, capture_output=True
        )
        place = dict(line.split("=") for line in told.stdout.decode().split())
        left, top = (int(place[k]) - w * self._scale for k, w in zip("XY", frame, strict=True))
        part = f"{place['WIDTH']}x{place['HEIGHT']}+{left}+{top}"
        self._run("import", "-window", "root", "-crop", part, "+repage", str(path))

    def settle(self) -> None:
        """Give windows the time to paint; for pictures, no test depends on it."""
        time.sleep(0.6)

    # --- mouse and keyboard --------------------------------------------------------------------

    def click(self, place: tuple[int, int], button: int = 1) -> None:
        """Click there."""
        self.move_to(place)
        self._xdotool("click", str(button))

    def scroll(self, place: tuple[int, int], turns: int) -> None:
        """Turn the wheel there; negative is down."""
        self.move_to(place)
        self._xdotool("click", "--repeat", str(abs(turns)), "4" if turns > 0 else "5")

    def key(self, *keys: str) -> None:
        """Press keys or chords, e.g. ``ctrl+q``, where the focus is."""
        self._xdotool("key", "--clearmodifiers", *keys)

    def press_and_drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press there, move here as a hand would, keep the button down."""
        self.move_to(start)
        self._xdotool("mousedown", "1")
        for step in range(1, _DRAG_STEPS + 1):
            share = step / _DRAG_STEPS
            x, y = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
            self.move_to((x, y))
            time.sleep(0.05)

    def move_to(self, place: tuple[int, int]) -> None:
        """Move the mouse there at once."""
        self._xdotool("mousemove", *(str(each * self._scale) for each in place))

    def release(self) -> None:
        """Let the button go."""
        self._xdotool("mouseup", "1")

    # --- inside --------------------------------------------------------------------------------

    def _start(self) -> None:
        reading, writing = os.pipe()
        width, height = (self._scale * each for each in SIZE)
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24",
             "-nolisten", "tcp", "-noreset", "-dpi", "96"],
            pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._processes.append(server)
        os.close(writing)
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        self.display = f":{number}"
        self._spawn("openbox")
        wait_until(self._is_managed, "a window manager")
        if self._wants_panel:
            settings = Path(self._folder.name, "panel")
            settings.write_text(_PANEL_SETTINGS)
            self._spawn(PANEL, "-c", str(settings))

    def _is_managed(self) -> bool:
        asked = ("xdotool", "get_num_desktops")  # answered by window managers only
        done = subprocess.run(asked, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0

    def _spawn(self, *command: str) -> None:
        quiet = subprocess.DEVNULL
        self._processes.append(
            subprocess.Popen(command, env=self.environment, stdout=quiet, stderr=quiet)
        )

    def _xdotool(self, *words: str) -> None:
        self._run("xdotool", *words)

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, env=self.environment, check=True, timeout=PATIENCE_S, capture_output=True
        )
