"""Runs this program's own Python in other processes, which may crash without ending this one.

`Child.output` runs any code to its end. `Child.ask` sends one request as a line of JSON to
``python -m engine.child`` and reads its answer, which is a line of JSON too.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any, cast

from engine.device import prepare_environment
from engine.errors import Text, UserError
from engine.lean_torch import import_torch_lean
from engine.progress import CancelToken

LIMIT_S = 120.0
"""Loading PyTorch from a cold disk can take half a minute."""

_EXIT_LIMIT_S = 60.0
_POLL_S = 0.1


class ChildError(Exception):
    """The process ended, or was stopped, without a result; the text says how."""


class Child:
    """Starts a process for each request and waits for it.

    Parameters
    ----------
    environment : variables of the process, beside those of this one
    cancel : stops the process when it is set
    limit_s : stops a process that takes longer; None for no limit
    tasks : module with the table ``TASKS`` of what can be asked for
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        cancel: CancelToken | None = None,
        limit_s: float | None = LIMIT_S,
        tasks: str = "",
    ) -> None:
        self._environment = {**_environment(), **(environment or {})}
        self._cancel = cancel or CancelToken()
        self._limit_s = limit_s
        self._tasks = tasks

    def output(self, *arguments: str, listener: Callable[[str], None] | None = None) -> list[str]:
        """What this Python prints when it is run with these arguments: at least one line.

        Parameters
        ----------
        listener : receives each line as soon as it is printed

        Raises
        ------
        ChildError : it crashed, failed, took too long or printed nothing
        ConversionCancelled : ``cancel`` was set; the process is stopped
        """
        with contextlib.closing(self._lines(arguments)) as lines:
            printed = []
            for line in lines:
                printed.append(line.rstrip("\n"))
                if listener is not None:
                    listener(printed[-1])
        if not printed:
            raise ChildError("the process ended without an answer")
        return printed

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one of the tasks.

        Raises
        ------
        ChildError : it crashed, failed, took too long or did not answer
        ConversionCancelled : ``cancel`` was set; the process is stopped
        UserError : the task raised it
        """
        command = ("-m", "engine.child")
        written = json.dumps({"tasks": self._tasks, **request}) + "\n"
        with contextlib.closing(self._lines(command, written)) as lines:
            for line in lines:
                answer = _object(line)  # a library may print lines too
                if "refused" in answer:
                    raise UserError(*map(Text.from_record, answer["refused"]))
                if "done" in answer:
                    return dict(answer["done"])
        raise ChildError("the process ended without an answer")

    def _lines(self, arguments: tuple[str, ...], request: str = "") -> Generator[str, None, None]:
        """Each line that the process prints; raises `ChildError` if it fails in the end."""
        self._cancel.raise_if_cancelled()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = subprocess.Popen(  # noqa: S603 - our own Python, no shell
                [sys.executable, "-P", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                encoding="utf-8",
                errors="replace",
            )
            stdin, stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
            try:
                # A process that has ended takes no request; the code of its end says more.
                with contextlib.suppress(BrokenPipeError):
                    stdin.write(request)
                    stdin.flush()  # left open: its end would tell the process to stop
                yield from self._received(stdout)
                code = process.wait(_EXIT_LIMIT_S)
            except subprocess.TimeoutExpired as error:
                raise ChildError("the process does not end") from error
            finally:
                process.kill()
                process.wait()
                with contextlib.suppress(BrokenPipeError):  # what was not sent is flushed again
                    stdin.close()
            if code:
                raise ChildError(_how_it_ended(code, errors))

    def _received(self, stdout: IO[str]) -> Iterator[str]:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_pump, args=(stdout, lines), daemon=True).start()
        ends_s = math.inf if self._limit_s is None else time.monotonic() + self._limit_s
        while True:
            self._cancel.raise_if_cancelled()
            try:
                line = lines.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() > ends_s:
                    raise ChildError(f"no answer within {self._limit_s:g} s") from None
                continue
            if not line:
                return
            yield line


def _environment() -> dict[str, str]:
    """Lets a process import this program wherever it is started, and print any name."""
    root, others = str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")
    path = root if not others else os.pathsep.join((root, others))
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


def _pump(pipe: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Pass on each line, and "" at the end."""
    try:
        with pipe:
            for line in pipe:
                lines.put(line)
    finally:
        lines.put("")


def _object(line: str) -> dict[str, Any]:
    """The JSON object of a line; empty for any other line."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _how_it_ended(code: int, errors: IO[str]) -> str:
    if code == -signal.SIGKILL:
        return "the process was ended by SIGKILL, which the system sends when memory runs out"
    if code < 0:
        known = -code in set(signal.Signals)
        name = signal.Signals(-code).name if known else f"signal {-code}"
        return f"the process was ended by {name}"
    errors.seek(0)
    printed = [line.strip() for line in errors if line.strip()]
    return printed[-1] if printed else f"the process ended with code {code}"


def _serve() -> int:
    """Do what the first line of stdin asks for; stop when stdin ends."""
    prepare_environment()
    import_torch_lean()
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    tasks = import_module(request["tasks"]).TASKS
    try:
        answer: dict[str, Any] = {"done": tasks[request["do"]](request)}
    except UserError as error:
        parts = (error.what, error.why, error.advice)
        answer = {"refused": [part.to_record() for part in parts]}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _stop_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(_serve())
