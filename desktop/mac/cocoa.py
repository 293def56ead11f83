"""Calls into macOS' own classes, which the app can do without."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def on_mac(call: Callable[[], T]) -> T | None:
    """What the call returns; None on other systems, and where macOS refuses or has changed."""
    if sys.platform != "darwin":
        return None
    try:
        return call()
    except Exception:  # noqa: BLE001 - whatever a framework raises, the app goes on without it
        return None
