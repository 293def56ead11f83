"""Full speed while there is work, also behind other windows.

macOS slows a program down whose windows are hidden (App Nap). One that has told it of an activity
which the user asked for is left alone until that ends.
"""

from __future__ import annotations

import ctypes

from PySide6.QtCore import QObject, Slot

from desktop.macos.objc import Pointer, Runtime, system_runtime

USER_INITIATED = 0x00FFFFFF
"""NSActivityUserInitiated (NSProcessInfo.h); it holds off idle sleep, too."""

_REASON = "Converting"


class NapGuard(QObject):
    """Holds App Nap off between `set_busy` True and False.

    Parameters
    ----------
    runtime : None, where there is no such thing, does nothing
    """

    def __init__(self, parent: QObject | None = None, runtime: Runtime | None = None) -> None:
        super().__init__(parent)
        self._runtime = runtime if runtime is not None else system_runtime()
        self._activity = 0

    @property
    def is_held(self) -> bool:
        """Whether it is held off."""
        return self._activity != 0

    @Slot(bool)
    def set_busy(self, busy: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        """Hold it off, or no longer; saying the same twice changes nothing."""
        if self._runtime is None or busy == self.is_held:
            return
        if busy:
            self._begin(self._runtime)
        else:
            self._end(self._runtime)

    def _begin(self, runtime: Runtime) -> None:
        activity = runtime.send(
            _process(runtime),
            "beginActivityWithOptions:reason:",
            (ctypes.c_uint64, USER_INITIATED),
            (Pointer, runtime.text(_REASON)),
        )
        self._activity = int(runtime.send(activity, "retain"))

    def _end(self, runtime: Runtime) -> None:
        activity, self._activity = self._activity, 0
        runtime.send(_process(runtime), "endActivity:", (Pointer, activity), result=None)
        runtime.send(activity, "release", result=None)


def _process(runtime: Runtime) -> int:
    return int(runtime.send(runtime.named("NSProcessInfo"), "processInfo"))
