"""A second device where there is none: ``cpu:0`` has another name than ``cpu``, and its memory."""

from __future__ import annotations

import pytest
import torch

from engine import device as devices

SECOND = "cpu:0"


def give_second_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converters made from now on find their device to be the second one."""
    monkeypatch.setattr(devices, "choose_device", lambda _: torch.device(SECOND))
