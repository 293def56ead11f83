import functools
import os
import subprocess
import sys
from pathlib import Path

from PySide6.QtNetwork import QLocalSocket
from pytestqt.qtbot import QtBot

from desktop.shell.single_instance import SingleInstance, claim, hand_over, server_name

ROOT = Path(__file__).parents[3]
SECOND = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from desktop.shell.single_instance import hand_over
app = QCoreApplication([])
sys.exit(0 if hand_over(sys.argv[1], [Path(each) for each in sys.argv[2:]]) else 1)
"""


def test_a_second_start_hands_over_its_files_and_knows_it(qtbot: QtBot, tmp_path: Path) -> None:
    name = server_name(tmp_path)
    first = SingleInstance(name)
    files = [tmp_path / "a b.wav", tmp_path / "歌 🎵.wav"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with qtbot.waitSignal(first.received, timeout=10_000) as told:
        second = subprocess.Popen([sys.executable, "-c", SECOND, name, *files], env=environment)
    assert second.wait(60) == 0
    assert told.args == [files]
    first.close()


def test_without_a_running_app_nothing_is_handed_over(qapp: object, tmp_path: Path) -> None:
    assert not hand_over(server_name(tmp_path), [])


def test_the_socket_of_a_killed_app_is_replaced(qtbot: QtBot, tmp_path: Path) -> None:
    name = server_name(tmp_path)
    left = (
        "import os\nfrom PySide6.QtCore import QCoreApplication\n"
        "from desktop.shell.single_instance import SingleInstance\n"
        f"app = QCoreApplication([])\nserver = SingleInstance({name!r})\nos._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", left], env=environment, check=True, timeout=60)
    assert not hand_over(name, [])
    first = SingleInstance(name)
    socket = QLocalSocket()
    with qtbot.waitSignal(first.received, timeout=5000):
        socket.connectToServer(name)
        socket.write(b"[]\n")
    first.close()


LOCKED = """
import sys, time
from pathlib import Path
from desktop.shell.single_instance import claim
lock = claim(Path(sys.argv[1]))
print("alone" if lock else "not alone", flush=True)
time.sleep(60)
"""


def test_only_one_of_two_starts_gets_the_data_folder_and_a_killed_one_releases_it(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    start = functools.partial(
        subprocess.Popen,
        [sys.executable, "-c", LOCKED, data],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with start() as first, start() as second:
        said = [each.stdout.readline().strip() for each in (first, second)]
        assert sorted(said) == ["alone", "not alone"]
        assert claim(data) is None
        first.kill()
        second.kill()
    lock = claim(data)
    assert lock is not None
    assert lock.is_locked
    lock.release()


def test_a_folder_that_cannot_be_locked_is_used_without(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    lock = claim(tmp_path / "data")
    assert lock is not None
    assert not lock.is_locked


def test_an_app_that_is_only_starting_is_waited_for(qtbot: QtBot, tmp_path: Path) -> None:
    late = (
        "import sys, time\nfrom PySide6.QtCore import QCoreApplication\n"
        "from desktop.shell.single_instance import SingleInstance\n"
        "app = QCoreApplication([])\ntime.sleep(0.5)\nserver = SingleInstance(sys.argv[1])\n"
        "server.received.connect(lambda paths: app.exit(len(paths)))\nsys.exit(app.exec())\n"
    )
    name = server_name(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", late, name], env=environment) as first:
        assert hand_over(name, [tmp_path / "a", tmp_path / "b"], patience_ms=20_000)
        assert first.wait(60) == 2


def test_invalid_messages_on_the_socket_are_ignored(qtbot: QtBot, tmp_path: Path) -> None:
    first = SingleInstance(server_name(tmp_path))
    for line in (b"{}\n", b"[1]\n", b"\xff\xff\n", b"[[]]\n"):
        socket = QLocalSocket()
        state = QLocalSocket.LocalSocketState.UnconnectedState
        with qtbot.assertNotEmitted(first.received):
            socket.connectToServer(server_name(tmp_path))
            socket.write(line)
            qtbot.waitUntil(lambda: socket.state() == state)  # noqa: B023 - it was looked at
    first.close()
