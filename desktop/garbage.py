"""Keeps Python's garbage collector on the GUI thread.

It runs on whichever thread happens to allocate; on the worker thread it would destroy widgets
and timers from there, which Qt does not bear.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer, Slot

_EVERY_MS = 100
_OLDER_EVERY = 100
_ALL_EVERY = 1200

MANY_OBJECTS = 20_000
"""New since the last look: a library is being imported. Looking at all of them would hold up the
window, and they stay as long as the app does; so they are set apart for good."""


class GarbageTimer(QObject):
    """Collects on the thread that made it, often, so that each time takes a millisecond or two."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._count = 0
        self._busy = False
        gc.disable()
        self._timer = QTimer(self, interval=_EVERY_MS)
        self._timer.timeout.connect(self._collect)
        self._timer.start()

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """While a conversion runs the long collection, of all objects, is put off."""
        self._busy = busy

    def close(self) -> None:
        """Leave it to Python again."""
        self._timer.stop()
        gc.enable()

    @Slot()
    def _collect(self) -> None:
        self._count += 1
        if gc.get_count()[0] > MANY_OBJECTS:
            gc.freeze()
        elif self._count % _ALL_EVERY == 0 and not self._busy:
            gc.collect()
        else:
            gc.collect(1 if self._count % _OLDER_EVERY == 0 else 0)
