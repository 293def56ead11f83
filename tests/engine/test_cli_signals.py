"""A signal ends a command with the documented code, whenever it comes, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from engine.files import atomic_file, remove_stale_parts, scratch_folder
from tests.sound import starter_speech

SENDER = """
import os, signal, sys

def send():
    os.kill(os.getpid(), signal.{name})

class Importing:
    def find_spec(self, name, path=None, target=None):
        if name == {moment!r}:
            {moment!r} in sent or (sent.add(name), send())

sent = set()
sys.meta_path.insert(0, Importing())
from engine.cli import program
if {moment!r} == "writing":
    from engine.audio import writer
    original = writer.Sink.write
    def write(self, data):  # libsndfile's callback, which swallows exceptions
        {moment!r} in sent or (sent.add("writing"), send())
        return original(self, data)
    writer.Sink.write = write
if {moment!r} == "leaving":
    leave = os._exit
    os._exit = lambda code: (send(), leave(code))
program(sys.argv[1:])
"""


def run_and_send(
    moment: str, number: signal.Signals, folder: Path, *arguments: str
) -> tuple[int, str, str]:
    """Run a command that sends itself a signal at that moment."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", SENDER.format(name=number.name, moment=moment), *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        # A test run in the background ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def short(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "short.wav", starter_speech()[16_000:24_000], 16_000)
    return tmp_path / "short.wav"


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("engine.cli.command", signal.SIGTERM),  # while the program is imported
        ("torch", signal.SIGHUP),
        ("writing", signal.SIGINT),
    ],
)
def test_a_signal_at_any_moment_stops_with_130(
    short: Path, moment: str, number: signal.Signals
) -> None:
    code, out, err = run_and_send(moment, number, short.parent, "convert", "short.wav")
    assert (code, out) == (130, "")
    assert err.endswith("urvc: stopped; nothing unfinished was written.\n")
    assert "Traceback" not in err or moment == "writing"  # what the callback prints
    assert list(short.parent.iterdir()) == [short]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_end_changes_nothing(tmp_path: Path, number: signal.Signals) -> None:
    code, out, err = run_and_send("leaving", number, tmp_path, "voices", "list")
    assert (code, err) == (0, "")
    assert out.startswith("Starter")
    assert run_and_send("leaving", number, tmp_path, "voices", "show", "nobody")[0] == 2


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    script = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    script += SENDER.format(name="SIGHUP", moment="engine.cli.command")
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "voices", "list"], capture_output=True, check=False
    )
    assert done.returncode == 0


KILLED = """
import os, sys, time
from pathlib import Path
from engine.files import atomic_file, scratch_folder
with atomic_file(Path(sys.argv[1]), overwrite=False), scratch_folder() as scratch:
    (scratch / "large").write_bytes(b"x")
    print(scratch, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_command_left_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, results = tmp_path / "tmp", tmp_path / "results"
    temporary.mkdir()
    results.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, results / "a.wav"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    scratch = Path(process.stdout.readline().strip())
    assert scratch.is_relative_to(temporary)
    theirs = [results / ".hidden", results / "song.part", temporary / "urvc-notes"]
    for each in theirs:
        each.write_text("x")
    remove_stale_parts(results)  # while they are in use, nothing goes
    with scratch_folder():
        assert scratch.is_dir()
    assert len(list(results.glob(".*.part"))) == 1
    process.kill()
    process.wait(30)
    process.stdout.close()
    with atomic_file(results / "b.wav", overwrite=False), scratch_folder():
        assert len(list(results.glob(".*.part"))) == 1
        assert not scratch.exists()
    left = {*results.iterdir(), *temporary.iterdir()}
    assert left == {*theirs, results / "b.wav"}


def test_a_second_signal_does_not_disturb_the_end(tmp_path: Path) -> None:
    script = SENDER.format(name="SIGINT", moment="none").replace(
        "program(sys", "import engine.cli.voices as v\nv._list = lambda _: slow()\nprogram(sys"
    )
    script = script.replace(
        "sent = set()",
        "sent = set()\ndef slow():\n    try:\n        send()\n        import time; time.sleep(9)\n"
        "    finally:\n        send(); send(); print('tidied up', flush=True)",
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "voices", "list"], capture_output=True, text=True,
        check=False, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "tidied up\n")


def test_a_library_that_swallows_the_signal_cannot_keep_the_process(tmp_path: Path) -> None:
    script = SENDER.format(name="SIGTERM", moment="none").replace(
        "program(sys",
        "import time, engine.cli.stop, engine.cli.voices as v\nengine.cli.stop._GRACE_S = 0.1\n"
        "def endless():\n    while True:\n        try: send(); time.sleep(9)\n"
        "        except KeyboardInterrupt: pass\nv._list = lambda _: endless()\nprogram(sys",
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "voices", "list"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "urvc: stopped; nothing unfinished was written.\n"
