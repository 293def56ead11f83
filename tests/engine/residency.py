"""Records what the device part of a conversion asks of its device."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_CONVOLUTIONS = ("aten::convolution", "aten::conv1d", "aten::conv2d", "aten::_convolution")
_READS = ("aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero")


class Recorder(TorchDispatchMode):  # type: ignore[misc, no-untyped-call, unused-ignore]
    """Everything that runs on the ``meta`` device, which stands for a GPU.

    Attributes
    ----------
    operators : how often each ran
    reads : operators that bring numbers to the host
    doubles : operators that made float64 or complex128 on the device
    longest_conv : the largest extent of a convolution's input or output, samples or channels
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.operators: Counter[str] = Counter()
        self.reads: list[str] = []
        self.doubles: list[str] = []
        self.longest_conv = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = str(func.name())
        given = _tensors([*args, *(kwargs or {}).values()])
        on_device = [tensor for tensor in given if tensor.is_meta]
        if on_device and name in _READS:
            self.reads.append(name)
        result = func(*args, **(kwargs or {}))
        made = _tensors([result])
        if not on_device and not any(tensor.is_meta for tensor in made):
            return result  # on the host alone
        self.operators[name] += 1
        if on_device and any(not tensor.is_meta for tensor in made):
            self.reads.append(name)
        for tensor in made:
            if tensor.is_meta and tensor.dtype in (torch.float64, torch.complex128):
                self.doubles.append(name)
        if name in _CONVOLUTIONS:
            extents = [extent for tensor in [given[0], *made] for extent in tensor.shape]
            self.longest_conv = max(self.longest_conv, *extents)
        return result


def _tensors(values: list[Any] | tuple[Any, ...]) -> list[Tensor]:
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(_tensors(value))
    return found
