"""How the engine is to work here: options over environment over tuning over the preset."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from engine.device import DEVICE_NAMES
from engine.optimization import OptimizationConfig, resolve


def add_machine_options(group: argparse._ArgumentGroup) -> None:
    """``--device`` and ``--retrieval``; all other flags are environment variables."""
    group.add_argument("--device", choices=DEVICE_NAMES, help="default: Metal, CUDA, CPU")
    group.add_argument(
        "--retrieval",
        choices=("exact", "faiss"),
        help="exact search on the device, or faiss on the CPU with the index as it is stored",
    )


def machine_config(given: argparse.Namespace) -> OptimizationConfig:
    """What the command line, the environment, tuning and the device's preset say together.

    Raises
    ------
    OptionError : an environment variable holds nonsense
    DeviceError : the device is not there
    """
    asked: dict[str, object] = {}
    if given.device is not None:
        asked["device"] = given.device
    if given.retrieval is not None:
        asked["use_gpu_retrieval"] = given.retrieval == "exact"
    return resolve(asked, tuned=_tuned)


def _tuned(device: str) -> Mapping[str, Any]:
    """What tuning found for the device; a tuning that does not count any more is told of once."""
    from engine.measure.tuning_record import TuningRecord

    record = TuningRecord()
    changed = record.stale_news(device)
    if changed is not None:
        print(
            f"urvc: this machine was tuned before it had {changed}; what was measured is not used "
            "any more, tune again (urvc tune).",
            file=sys.stderr,
        )
    return record.flags(device)
