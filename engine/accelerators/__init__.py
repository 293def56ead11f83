"""By what a part of a conversion runs: torch on any device, or another framework.

A new accelerator is a module with the functions of `engine.accelerators.torch_parts` (``offers``
and ``build``) and a row of `ACCELERATORS`. Where one offers a part, it is examined before its
first use: it keeps the part if its result is that of torch on the CPU and clearly faster; see
`engine.examination`. If it is rejected, the next one that offers the part is examined; which of
them is the fastest, `urvc tune` finds out (`engine.forms`). One that cannot build a part is not
asked for it again.

One that needs the GPU for itself has a function ``takes_gpu(config)``, too: where that is true,
torch runs on the CPU. If it has ``why_not_used(config)``, that says why it was asked for in vain.
If it has ``can_build(part, source)``, it offers only the networks for which that is true.

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
vocoder's ``speaker`` lies where the latent part runs. The filter is never theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

from engine.device import DeviceName, is_out_of_memory
from engine.errors import Text
from engine.optimization import OptimizationConfig
from engine.stages import PART_TITLES, Part

if TYPE_CHECKING:  # the app starts without torch
    from torch import Tensor

TORCH = "torch"
_BUILT_PARTS = ("content", "latent", "vocoder", "retrieval", "pitch")


@dataclass(frozen=True)
class Accelerator:
    """One row of the table.

    Attributes
    ----------
    name : in placements, records and sentences
    module : with ``offers(part, device, config) -> bool`` and ``build``; imported on first use
    any_thread : whether its parts may be called from another thread than the one that built them
    package : whose version matters for what is known about it; empty for this program itself
    trial_limit_s : after which a process that tries a part is stopped
    always_half : whether it computes in half precision whatever the flags say
    """

    name: str
    module: str
    any_thread: bool = True
    package: str = ""
    trial_limit_s: float = 60.0
    always_half: bool = False

    @property
    def version(self) -> str:
        """Of the package, as installed; "" if it is not."""
        try:
            return version(self.package) if self.package else ""
        except PackageNotFoundError:
            return ""

    def load(self) -> ModuleType:
        """The module."""
        return import_module(self.module)


@dataclass(frozen=True)
class Latent:
    """From features to what the vocoder is given; see `engine.models.synthesizer.Synthesizer`."""

    prior: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]
    flow: Callable[[Tensor, Tensor, Tensor | None, Tensor], Tensor]


ACCELERATORS: list[Accelerator] = [
    Accelerator("coreml", "engine.accelerators.coreml", trial_limit_s=300.0, always_half=True),
    Accelerator("mlx", "engine.accelerators.mlx", any_thread=False, package="mlx"),
    Accelerator(TORCH, "engine.accelerators.torch_parts"),
]
"""The first that offers a part is examined first; torch, which runs every part, is the last."""


def register(accelerator: Accelerator) -> None:
    """Add a row before torch, or replace that of the same name."""
    ACCELERATORS[:] = [accelerator, *(row for row in ACCELERATORS if row.name != accelerator.name)]


def find(name: str) -> Accelerator:
    """The row of a name."""
    return next(row for row in ACCELERATORS if row.name == name)


def offered(
    part: Part, device: str, config: OptimizationConfig, unable: Collection[str] = ()
) -> tuple[str, ...]:
    """The accelerators that can run a part, where torch would use this device; torch is the last.

    Parameters
    ----------
    unable : accelerators that cannot build the network in use, see `unable_to_build`
    """
    if part not in _BUILT_PARTS:
        return (TORCH,)
    return tuple(
        row.name
        for row in ACCELERATORS
        if row.name not in unable
        and (part, row.name) not in failures
        and row.load().offers(part, device, config)
    )


def unable_to_build(part: Part, source: Any) -> frozenset[str]:
    """The accelerators that have no such network."""
    functions = ((row.name, getattr(row.load(), "can_build", None)) for row in ACCELERATORS)
    return frozenset(
        name for name, can_build in functions if can_build and not can_build(part, source)
    )


class BuildError(RuntimeError):
    """Why an accelerator could not build a part; it does not offer it any more."""


class AcceleratorFailed(RuntimeError):  # noqa: N818 - the conversion goes on by torch
    """A part could not run by its accelerator, which worked when it was examined.

    Attributes
    ----------
    give_up : lets torch run the part from now on
    """

    def __init__(self, why: str, give_up: Callable[[], None] | None = None) -> None:
        super().__init__(why)
        self.give_up = give_up


failures: dict[tuple[Part, str], Text] = {}
"""Sentences about parts that an accelerator could not build or run since the program started."""


def build(part: Part, name: str, source: Any, config: OptimizationConfig, device: str) -> Any:
    """A part by the accelerator of that name; see above.

    Raises
    ------
    BuildError : it could not; torch's own errors, and lack of memory, are not changed
    """
    module = find(name).load()
    if name == TORCH:
        return module.build(part, source, config, device)
    try:
        return module.build(part, source, config, device)
    except (ImportError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        note_failure(part, name, error)
        raise BuildError(_reason(error)) from error


def note_failure(part: Part, name: str, error: Exception) -> Text:
    """Remember that an accelerator cannot run a part; the sentence for the user."""
    failures[part, name] = Text(
        "{part} runs on {place}, because {device} cannot run it ({reason})",
        part=PART_TITLES[part],
        place=Text("torch"),
        device=name,
        reason=_reason(error),
    )
    return failures[part, name]


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def torch_device(config: OptimizationConfig) -> DeviceName:
    """The device to ask for: the CPU where another accelerator has the GPU for itself."""
    functions = (getattr(row.load(), "takes_gpu", None) for row in ACCELERATORS)
    taken = any(takes is not None and takes(config) for takes in functions)
    return "cpu" if taken else config.device


def sentences(config: OptimizationConfig) -> list[Text]:
    """Why accelerators are not used though they were asked for, for the user."""
    functions = (getattr(row.load(), "why_not_used", None) for row in ACCELERATORS)
    reasons = [None if reason is None else reason(config) for reason in functions]
    failed = [
        sentence
        for (part, name), sentence in failures.items()
        if find(name).load().offers(part, config.device, config)
    ]
    return [*(reason for reason in reasons if reason is not None), *failed]
