"""By what a part of a conversion runs: torch on any device, or another framework.

A new accelerator is a module with the functions of `engine.accelerators.torch_parts` that it needs
(``offers`` and ``build``) and a row of `ACCELERATORS`. Where one offers a part, it is examined
before its first use: it keeps the part if its result is that of torch on the CPU and not slower.

What ``build(part, source, config, device)`` is given and has to return:

========== ===================== ==========================================================
part       source (CPU, float32) result: a callable, the same contract for every accelerator
========== ===================== ==========================================================
content    `ContentEncoder`      ``(audio [B, n], layer, *, project)`` -> features [B, T, W]
latent     `Synthesizer`         `Latent`: the methods ``prior`` and ``latent`` of the source
vocoder    `Synthesizer`         ``(z [B, C, T], source, speaker [B], context)`` -> sound [B, n]
retrieval  `RetrievalIndex`      `Search`: ``blend(features [T, d])`` -> [T, d]
pitch      the method's network  the network that the method's tracker calls, with ``to(device)``
========== ===================== ==========================================================

Tensors are float32 (numbers of speakers and coarse pitch: int64). Between parts they lie on the
device where both sides are torch, and on the CPU where one side is another accelerator. Only the
vocoder's ``speaker`` lies where the latent part runs. The filter is always torch or scipy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from torch import Tensor

from engine.stages import Part

TORCH = "torch"
_BUILT_PARTS = ("content", "latent", "vocoder", "retrieval", "pitch")


@dataclass(frozen=True)
class Accelerator:
    """One row of the table.

    Attributes
    ----------
    name : in placements, records and sentences
    module : with ``offers(part, device) -> bool`` and ``build``; imported on first use
    """

    name: str
    module: str

    def load(self) -> ModuleType:
        """The module."""
        return import_module(self.module)


@dataclass(frozen=True)
class Latent:
    """From features to what the vocoder is given; see `engine.models.synthesizer.Synthesizer`."""

    prior: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]
    flow: Callable[[Tensor, Tensor, Tensor | None, Tensor], Tensor]


ACCELERATORS: list[Accelerator] = [Accelerator(TORCH, "engine.accelerators.torch_parts")]
"""The first that offers a part is tried first; torch, which runs every part, is the last."""


def register(accelerator: Accelerator) -> None:
    """Add a row before torch, or replace that of the same name."""
    ACCELERATORS[:] = [accelerator, *(row for row in ACCELERATORS if row.name != accelerator.name)]


def find(name: str) -> Accelerator:
    """The row of a name."""
    return next(row for row in ACCELERATORS if row.name == name)


def offered(part: Part, device: str) -> str:
    """The accelerator to try for a part, where torch would use this device."""
    if part not in _BUILT_PARTS:
        return TORCH
    return next(row.name for row in ACCELERATORS if row.load().offers(part, device))
