"""A process that may die without taking this one with it; it is asked, and answers in JSON."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from engine.errors import Text, UserError
from engine.measure.interpreter import child_environment
from engine.progress import CancelToken
from engine.tuning_file import TUNING_VARIABLE

LIMIT_S = 1200.0
"""A device that hangs does not answer at all; nothing that is asked for takes so long."""

_LOOK_EVERY_S = 0.1

Answer = dict[str, Any]
Ask = Callable[[Mapping[str, Any], Callable[[Answer], None]], Answer]
"""Ask for one piece of work; each answer before the last is handed over as it comes."""


class ChildDiedError(Exception):
    """The process ended, or was ended, without an answer; the text says how."""


class Child:
    """Asks processes of the engine's own, one for each piece of work.

    Parameters
    ----------
    cancel : ends the running one
    tuning_dir : where they find and keep what is known about devices; None is the user's own
    """

    def __init__(self, cancel: CancelToken, tuning_dir: Path | None = None) -> None:
        self._cancel = cancel
        self._environment = child_environment()
        if tuning_dir is not None:
            self._environment[TUNING_VARIABLE] = str(tuning_dir)

    def ask(self, work: Mapping[str, Any], hear: Callable[[Answer], None]) -> Answer:
        """See `Ask`.

        Raises
        ------
        ConversionCancelled : the user wants to stop; the process is gone
        ChildDiedError : it crashed, or took too long
        UserError : the work itself is refused; with its sentence
        """
        self._cancel.raise_if_cancelled()
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.measure.tuning"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                text=True,
            )
            try:
                return self._converse(process, work, hear, errors)
            finally:
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()

    def _converse(
        self,
        process: subprocess.Popen[str],
        work: Mapping[str, Any],
        hear: Callable[[Answer], None],
        errors: IO[str],
    ) -> Answer:
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise ChildDiedError("it has no pipes")
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_pump, args=(stdout, lines), daemon=True).start()
        try:
            stdin.write(json.dumps(work) + "\n")
            stdin.flush()  # left open: its end tells the process that we are gone
        except OSError as cause:
            raise ChildDiedError(str(cause)) from cause
        ends_s = time.monotonic() + LIMIT_S
        while True:
            self._cancel.raise_if_cancelled()
            try:
                line = lines.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                if time.monotonic() > ends_s:
                    raise ChildDiedError(f"no answer within {LIMIT_S:.0f} s") from None
                continue
            if not line:
                raise ChildDiedError(_how_it_ended(process.wait(), errors))
            answer = _answer(line)
            if "refused" in answer:
                raise UserError(*map(Text.from_record, answer["refused"]))
            if "done" in answer:
                done: Answer = answer["done"]
                return done
            hear(answer)


def _pump(pipe: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Hand on each line, and "" at the end; waits on a thread of its own."""
    try:
        for line in pipe:
            lines.put(line)
    except ValueError:  # closed on our side: nobody listens any more
        return
    finally:
        lines.put("")


def _answer(line: str) -> Answer:
    """The object of a line; libraries may print lines of their own, which say nothing to us."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _how_it_ended(code: int, errors: IO[str]) -> str:
    if code < 0:
        try:
            return f"the process was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"the process was ended by signal {-code}"
    errors.seek(0)
    said = [line.strip() for line in errors.read().splitlines() if line.strip()]
    return said[-1] if said else f"the process ended with code {code}"
