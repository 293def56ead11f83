"""A process that crashes, hangs or is stopped is reported in one sentence and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.child import Child, ChildError
from engine.errors import ConversionCancelled, DeviceError, UserError
from engine.measure import trial
from engine.progress import CancelToken

ROOT = Path(__file__).parents[2]
HANG = "import time; time.sleep(600)"


class Scripted(Child):
    """Runs a script in place of the engine's process."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, code: str, *, ended: bool = False, **named: Any
    ) -> None:
        super().__init__(**named)
        plain = subprocess.Popen
        self.processes: list[subprocess.Popen[str]] = []

        def popen(command: list[str], **named: Any) -> subprocess.Popen[str]:
            process = plain([command[0], "-c", code], **named)
            self.processes.append(process)
            if ended:
                process.wait()
            return process

        monkeypatch.setattr(subprocess, "Popen", popen)


def test_the_lines_that_a_process_prints_are_returned() -> None:
    assert Child().output("-c", "print('模型'); print(2)") == ["模型", "2"]


def test_each_line_is_heard_as_soon_as_it_is_printed() -> None:
    heard: list[str] = []
    cancel = CancelToken()

    def hear(line: str) -> None:
        heard.append(line)
        cancel.cancel()  # the process would never end

    with pytest.raises(ConversionCancelled):
        Child(cancel=cancel).output("-c", f"print(1, flush=True); {HANG}", listener=hear)
    assert heard == ["1"]


def test_a_process_has_the_given_variables_and_finds_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "import engine, os; print(os.environ['RVC_BATCH_SIZE'])"
    assert Child({"RVC_BATCH_SIZE": "3"}).output("-c", code) == ["3"]


ENDS = [
    ("import os; os.abort()", "ended by SIGABRT"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL.*memory"),
    ("import sys; print(1); sys.exit('no room')", "no room"),
    ("import sys; sys.exit(3)", "code 3"),
    ("pass", "without an answer"),
]


@pytest.mark.parametrize(("code", "words"), ENDS)
def test_a_process_that_fails_says_how(code: str, words: str) -> None:
    with pytest.raises(ChildError, match=words):
        Child().output("-c", code)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(("code", "words"), ENDS)
def test_a_process_that_ends_without_an_answer_says_how_even_if_it_never_read_the_request(
    monkeypatch: pytest.MonkeyPatch, code: str, words: str, *, ended: bool
) -> None:
    """One that has ended before it is written to used to raise BrokenPipeError instead."""
    child = Scripted(monkeypatch, code, ended=ended)
    with pytest.raises(ChildError, match=words):
        child.ask({"do": "x"})


def test_an_answer_among_other_lines_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "print('a warning'); print(3); print('{\"done\": {\"x\": 2}}')"
    assert Scripted(monkeypatch, code).ask({}) == {"x": 2}


def test_an_answer_counts_even_if_the_process_then_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    code = 'import os; print(\'{"done": {"x": 2}}\', flush=True); os.abort()'
    assert Scripted(monkeypatch, code).ask({}) == {"x": 2}


def test_an_error_of_the_task_arrives_with_its_parts() -> None:
    with pytest.raises(UserError) as here:
        trial.TASKS["device"]({"device": "warp"})
    with pytest.raises(UserError) as there:
        Child(tasks="engine.measure.trial").ask({"do": "device", "device": "warp"})
    assert not isinstance(there.value, DeviceError)
    assert there.value.text == here.value.text


def test_a_cancel_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    token = CancelToken()
    child = Scripted(monkeypatch, HANG, cancel=token)
    threading.Timer(0.3, token.cancel).start()
    with pytest.raises(ConversionCancelled):
        child.ask({})
    assert child.processes[0].returncode is not None
    with pytest.raises(ConversionCancelled):
        child.ask({})
    assert len(child.processes) == 1


def test_a_process_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Scripted(monkeypatch, HANG, limit_s=0.2)
    with pytest.raises(ChildError, match="no answer within"):
        child.ask({})
    assert child.processes[0].returncode is not None


def test_a_process_whose_parent_is_killed_ends(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(HANG)  # so it is busy for as long as it lives
    parent = (
        "import json, subprocess, sys, time\n"
        "process = subprocess.Popen([sys.executable, '-P', '-m', 'engine.child'],"
        " stdin=subprocess.PIPE, text=True)\n"
        "request = {'tasks': 'engine.measure.trial', 'do': 'device'}\n"
        "process.stdin.write(json.dumps(request) + '\\n'); process.stdin.flush()\n"
        "print(process.pid, flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    assert process.stdout is not None
    child_pid = int(process.stdout.readline())
    assert _is_alive(child_pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline_s = time.monotonic() + 60
    while _is_alive(child_pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not _is_alive(child_pid)
    process.stdout.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
