"""Signals that stop a command; imports nothing heavy, so that they are handled from the start."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from engine.progress import CancelToken

EXIT_INTERRUPTED = 130
STOPPED = "urvc: stopped; nothing unfinished was written."

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE_S = 10.0
"""After this long without an end the process leaves; the next command removes what is left."""


class Stop:
    """Ctrl-C, SIGTERM and SIGHUP (a closed terminal) stop the command inside the ``with`` block.

    The first signal cancels `token` and raises `KeyboardInterrupt`; later ones change nothing, so
    that unfinished files are removed in peace. Signals that the caller ignores (``nohup``) stay
    ignored. Outside the main thread, where Python handles no signals, it does nothing.

    Attributes
    ----------
    asked : whether a signal has come
    token : of the work that can be cancelled; a library may swallow the exception
    """

    def __init__(self) -> None:
        self.asked = False
        self.token: CancelToken | None = None
        self._raises = False
        self._over = threading.Event()
        self._before: dict[int, object] = {}
        self._pipe: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handled = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
            self._before = {each: signal.signal(each, self._on_signal) for each in handled}
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
            signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
            threading.Thread(target=self._watch, args=(self._pipe[0],), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what `signal` returned
        self._over.set()
        if self._pipe is not None:
            signal.set_wakeup_fd(-1)
            os.close(self._pipe[1])

    def begin(self) -> None:
        """The command begins: from now on a signal raises, and one that came already does now."""
        self._raises = True
        if self.asked:
            raise KeyboardInterrupt

    def finish(self) -> None:
        """The command has ended: from now on a signal raises no more."""
        self._raises = False

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if self.token is not None:
            self.token.cancel()
        if first and self._raises:
            raise KeyboardInterrupt

    def _watch(self, pipe: int) -> None:
        """End the process where Python gets no chance to: in a library that does not return."""
        with os.fdopen(pipe, "rb", buffering=0) as signals:
            while (number := signals.read(1)) and number[0] not in self._before:
                pass
            if not number:
                return
        if not self._over.wait(_GRACE_S):
            with suppress(OSError):
                os.write(2, f"{STOPPED}\n".encode())
            os._exit(EXIT_INTERRUPTED)


def open_missing_streams() -> None:
    """Open the standard streams that the caller closed: the next file must not get their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            stream = os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
