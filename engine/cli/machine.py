"""How the engine is to work on this machine: options over environment over the device's preset."""

from __future__ import annotations

import argparse

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
    """What the command line, the environment and the device's preset say together.

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
    return resolve(asked)
