"""Cancelling between two operations of torch, whatever code calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from engine.errors import ConversionCancelled

_SET_GRAD = torch._C._set_grad_enabled  # noqa: SLF001 - what leaving `torch.no_grad` calls


class StopBetweenOperations(TorchFunctionMode):
    """A context in which a cancel stops this thread before its next operation of torch.

    A network's layer or the reading of its weights may take seconds beside other busy programs.
    Asking costs about a microsecond for each operation: nothing on the CPU, but on a GPU, where an
    operation only starts work, as much as a tenth of the time.

    Parameters
    ----------
    cancelled : whether the user has cancelled

    Raises
    ------
    ConversionCancelled : the user has cancelled
    """

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        super().__init__()
        self._cancelled = cancelled
        self._stopped = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        _types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        # Raised once: code that cleans up on the way out, or restores a mode, must still run.
        if not self._stopped and func is not _SET_GRAD and self._cancelled():
            self._stopped = True
            raise ConversionCancelled
        return func(*args, **(kwargs or {}))
