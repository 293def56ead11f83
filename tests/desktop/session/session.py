"""The app on a screen, driven by mouse and keyboard, and asked what it shows."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from desktop.storage import DATA_VARIABLE
from engine.paths import MODELS_VARIABLE
from tests.desktop.session.screen import PATIENCE_S, SIZE, Screen, wait_until
from tests.desktop.session.small_window import SIDE
from tests.desktop.session.witness import LOOK_VARIABLE, SOCKET_VARIABLE

ROOT = Path(__file__).parents[3]
_BESIDE = (SIZE[0] - SIDE - 10, 10)

Place = tuple[int, int]
State = dict[str, Any]


class Session:
    """One app after the other over the same data.

    Parameters
    ----------
    folder : of the app's data and of the sockets; its path must be short
    """

    def __init__(self, screen: Screen, folder: Path, *, look: str = "") -> None:
        self.screen = screen
        self.data = folder / "data"
        self._folder = folder
        self._look = look
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self.data.mkdir(parents=True, exist_ok=True)
        self._sound = folder / "asound.conf"  # there is a sound card, and nobody hears it
        self._sound.write_text("pcm.!default { type null }\nctl.!default { type null }\n")

    @property
    def models(self) -> Path:
        """The folder of the networks."""
        return self._folder / "models"

    @property
    def environment(self) -> dict[str, str]:
        """Of the app."""
        return {
            **self.screen.environment,
            "PYTHONPATH": str(ROOT),
            DATA_VARIABLE: str(self.data),
            MODELS_VARIABLE: str(self.models),
            "LANGUAGE": "en",
            "ALSA_CONFIG_PATH": str(self._sound),
        }

    # --- the app as a process ------------------------------------------------------------------

    def start(self, *files: Path) -> None:
        """Start it and wait for its window."""
        self._count += 1
        name = str(self._folder / f"w{self._count}")
        more = {SOCKET_VARIABLE: name, LOOK_VARIABLE: self._look}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.desktop.session.witness", *map(str, files)],
            env={**self.environment, **more}, cwd=self._folder,
        )  # fmt: skip
        wait_until(Path(name).exists, "the app is there")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(name)
        self.until(lambda now: now["visible"] and now["active"], "the window is there")

    def open_with(self, *files: Path) -> None:
        """What Finder does: a second start, which hands its files over and ends well."""
        command = [sys.executable, "-P", "-m", "desktop", *map(str, files)]
        subprocess.run(command, env=self.environment, check=True, timeout=PATIENCE_S)

    def kill(self) -> None:
        """As a crash or a loss of power would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self.ended()

    def ended(self) -> int:
        """Wait until the app has ended by itself; its exit code."""
        assert self._process is not None
        assert self._socket is not None
        code = self._process.wait(PATIENCE_S)
        self._socket.close()
        self._process = None
        return code

    def close(self) -> None:
        """Leave nothing running."""
        if self._process is not None:
            self.kill()

    # --- what is seen --------------------------------------------------------------------------

    def ask(self, *words: object) -> Any:
        """Ask the witness."""
        assert self._socket is not None
        self._socket.sendall(json.dumps(words).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            part = self._socket.recv(1 << 16)
            assert part, "the app went away"
            answer += part
        return json.loads(answer)

    def state(self) -> State:
        """What the user sees now."""
        found: State = self.ask("state")
        return found

    def until(
        self, condition: Callable[[State], object], what: str, patience_s: float = PATIENCE_S
    ) -> State:
        """Wait for a state; it is returned."""
        last: State = {}

        def holds() -> bool:
            nonlocal last
            last = self.state()
            return bool(condition(last))

        try:
            wait_until(holds, what, patience_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}") from None
        return last

    def states(self) -> dict[str, str]:
        """State of each row by its name."""
        return states_of(self.state())

    # --- what is done --------------------------------------------------------------------------

    def place(self, kind: str, *names: object) -> Place:
        """Where something is on the screen, once it is there."""
        found: list[int] = []

        def there() -> bool:
            found[:] = self.ask(kind, *names) or []
            return bool(found)

        wait_until(there, f"{kind} {names}")
        return found[0], found[1]

    def click(self, kind: str, *names: object) -> None:
        """Click on it, once it stays where it is: a window that has just opened is still moved."""
        place = self.place(kind, *names)
        for _ in range(50):
            time.sleep(0.2)
            before, place = place, self.place(kind, *names)
            if place == before:
                break
        self.screen.click(place)

    def drag_out(self, start: Place) -> list[str]:
        """Drag from the window to another program; the paths of the files that it was given."""
        x, y = _BESIDE
        end = x + SIDE // 2, y + SIDE // 2
        with self._beside("drop_target") as told:
            self.screen.press_and_drag(start, end)
            self.screen.move_to((end[0] + 5, end[1] + 5))
            assert told.readline() == "over\n"
            self.screen.release()
            return told.readline().strip().split("\t")

    def drag_in(self, files: Sequence[Path], *, let_go: Callable[[], object]) -> str:
        """Drag files from another program over the window; drop once `let_go` returns.

        Returns
        -------
        What the other program was told: ``CopyAction``, or ``IgnoreAction`` where refused
        """
        x, y = _BESIDE
        with self._beside("drag_source", *map(str, files)) as told:
            middle = self.place("middle")
            self.screen.press_and_drag((x + SIDE // 2, y + SIDE // 2), middle)
            assert told.readline() == "dragging\n"
            self.screen.move_to((middle[0] + 5, middle[1] + 5))
            self.screen.move_to(middle)
            let_go()
            self.screen.release()
            action = told.readline().strip()
            self.until(lambda now: not now["overlay"], "the window has let the drag go")
            return action

    @contextmanager
    def _beside(self, program: str, *arguments: str) -> Iterator[IO[str]]:
        """What another program prints, once its window is there; it ends with the block."""
        place = map(str, _BESIDE)
        module = f"tests.desktop.session.{program}"
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *place, *arguments],
            env=self.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        with process:
            try:
                assert process.stdout.readline() == "there\n"
                yield process.stdout
            finally:
                process.kill()


def states_of(state: State) -> dict[str, str]:
    """State of each row by its name."""
    return {row["name"]: row["state"] for row in state["rows"]}
