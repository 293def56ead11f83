"""Loads large libraries while the window goes on.

Python opens a library with its lock held: no other thread runs meanwhile, and torch's takes a
sixth of a second. The system's own function, called as a foreign one, is called without the lock;
when torch is imported after that, its library is there already.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

OPENING = threading.Lock()
"""Whoever imports other native libraries meanwhile would wait with Python's lock in its hands: the
system opens one at a time. It waits here instead, without."""

_IMPORTING = threading.Lock()

_NAMES = {"darwin": ("libtorch_cpu.dylib",), "linux": ("libtorch_cpu.so",)}


def open_torch_libraries() -> int:
    """Open what there is to be opened; how many libraries were. Failing is left to the import."""
    if "torch" in sys.modules:
        return 0
    found = find_spec("torch")
    if found is None or found.origin is None:
        return 0
    try:
        dlopen = ctypes.CDLL(None).dlopen
    except (OSError, AttributeError, TypeError):  # a system that opens its libraries otherwise
        return 0
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    folder = Path(found.origin).parent / "lib"
    mode = os.RTLD_LAZY | os.RTLD_LOCAL
    files = [folder / name for name in _NAMES.get(sys.platform, ())]
    with OPENING:
        return sum(bool(dlopen(os.fsencode(file), mode)) for file in files if file.is_file())


def import_signal_processing() -> None:
    """Import ``scipy.signal`` whole, whichever thread asks first.

    Its packages import each other in circles; of two threads that import them at the same time,
    Python lets one see a package that is not complete, which fails.
    """
    with _IMPORTING:
        import scipy.signal  # noqa: F401 - imported for its effect
