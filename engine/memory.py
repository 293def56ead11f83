"""The one answer to a device that runs out of memory: smaller work, then the CPU.

A part whose accelerator fails is run by torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from engine import device as devices
from engine.accelerators import AcceleratorFailed
from engine.networks import Models, fall_back_to_cpu, fall_back_to_torch
from engine.run import Run
from engine.stages import CPU, Part

Work = TypeVar("Work")
Made = TypeVar("Made")


def fit_into_memory(
    work: Work,
    do: Callable[[Work], Made],
    part: Callable[[], Part],
    models: Models,
    run: Run,
    halves: Callable[[Work], Sequence[Work] | None] = lambda _: None,
) -> Iterator[tuple[Work, Made]]:
    """Do the work; if memory is short, free the device's cache and do it in halves.

    Work that cannot be halved any more moves its part to the CPU for the rest of the conversion.

    Parameters
    ----------
    do : does the work where ``run.placement`` says
    part : which part was running last
    halves : the work in two; None where it cannot be cut

    Yields
    ------
    the work, or each of its parts, with what was made of it

    Raises
    ------
    RuntimeError, MemoryError : the CPU has too little memory for the smallest work, too
    """
    try:
        made = do(work)
    except AcceleratorFailed as error:
        fall_back_to_torch(part(), error, run)
        yield from fit_into_memory(work, do, part, models, run, halves)
        return
    except (RuntimeError, MemoryError) as error:
        device, smaller = run.placement.device_of(part()), halves(work)
        if not devices.is_out_of_memory(error) or (smaller is None and device == CPU):
            raise
    else:
        yield work, made
        return
    if smaller is None:
        fall_back_to_cpu(part(), models, run)
        smaller = [work]
    else:
        devices.empty_cache(torch.device(device))
        run.note("not enough memory; the work was cut into smaller parts and continued")
    for each in smaller:
        yield from fit_into_memory(each, do, part, models, run, halves)
