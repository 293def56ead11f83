"""Finds out, in a process of its own, whether PortAudio can be started here at all.

On Linux PortAudio ends the whole program (a failed ``assert``) where ALSA names no default device,
e.g. on a server without any sound system; neither Python nor we are asked. On macOS it never does.
"""

from __future__ import annotations

import subprocess
import sys

_TRIAL = "import sounddevice; sounddevice._terminate(); sounddevice._initialize()"
_TIMEOUT_S = 15.0


class PortAudioTrial:
    """Tries until it has succeeded once; each failure is tried again next time."""

    def __init__(self) -> None:
        self._passed = sys.platform != "linux"

    def passes(self) -> bool:
        """Whether PortAudio starts, or at least says why not; takes a tenth of a second once."""
        if not self._passed:
            self._passed = _survives()
        return self._passed


def _survives() -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - this very Python, and a fixed text
            [sys.executable, "-c", _TRIAL],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode >= 0  # an exception is a number above; a signal one below
