"""The app as a process of its own: how soon it is there, what it has loaded, how it is told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.storage import DATA_VARIABLE

ROOT = Path(__file__).parents[2]

SHOWN = """
import sys
from PySide6.QtCore import QTimer
import desktop.app as composition
class Watched(composition.App):
    def start(self, files=(), *, hidden=False):
        super().start(files, hidden=hidden)
        composition.QApplication.processEvents()
        heavy = [each for each in ("torch", "scipy", "faiss", "sounddevice") if each in sys.modules]
        print(self.window.isVisible(), heavy, flush=True)
        if "stay" not in sys.argv:
            QTimer.singleShot(0, composition.QApplication.quit)
composition.App = Watched
sys.exit(composition.main())
"""


def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "QT_QPA_PLATFORM": "offscreen",
        DATA_VARIABLE: str(tmp_path / "data"),
        "PYTHONFAULTHANDLER": "1",
    }


def test_the_window_is_shown_without_loading_large_libraries(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOWN], env=environment(tmp_path), capture_output=True, text=True,
        check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == "True []"


AHEAD = """
import sys, time
import desktop.app as composition
class Watched(composition.App):
    def start(self, files=(), *, hidden=False):
        super().start(files, hidden=hidden)
        wanted = {f"desktop.listen.{each}" for each in ("player", "waveform", "loop_player")}
        before = wanted <= sys.modules.keys()
        while not wanted <= sys.modules.keys():
            time.sleep(0.01)
        print(before, "torch" in sys.modules, flush=True)
        composition.QTimer.singleShot(0, composition.QApplication.quit)
composition.App = Watched
sys.exit(composition.main())
"""


def test_what_the_first_click_on_a_file_needs_is_loaded_while_the_app_is_idle(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AHEAD], env=environment(tmp_path), capture_output=True, text=True,
        check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == "False False"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SHOWN, "stay"], env=environment(tmp_path), stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("True")
    yield process
    process.kill()
    process.wait(10)
    process.stdout.close()


def test_a_killed_app_offers_its_unfinished_files_again(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    missing = tmp_path / "never there.wav"  # fails in the first app, without an engine
    second = subprocess.run(
        [sys.executable, "-P", "-m", "desktop", str(missing)], env=environment(tmp_path),
        check=False, timeout=120,
    )  # fmt: skip
    assert second.returncode == 0
    queue = tmp_path / "data" / "queue.json"
    end_s = time.monotonic() + 60
    while not (queue.exists() and "never there" in queue.read_text()):
        assert time.monotonic() < end_s
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait(10)
    from desktop.queue.queue_store import QueueStore

    store = QueueStore(queue)
    (job,) = store.load()
    store.close()
    assert job.source == missing


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS always has a display")
def test_without_a_display_one_sentence_says_so(tmp_path: Path) -> None:
    named = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    without = {name: value for name, value in environment(tmp_path).items() if name not in named}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "desktop"], env=without, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("urvc: Cannot open the window: there is no display here; ")
