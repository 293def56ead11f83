"""How the engine works, as opposed to what it computes: device and the ways that are faster."""

from __future__ import annotations

from dataclasses import dataclass

from engine.device import DEVICE_NAMES, DeviceName
from engine.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """Choices of the engine that change speed and memory.

    Attributes
    ----------
    device : ``auto`` takes Metal, then CUDA, then the CPU
    use_gpu_retrieval : exact search on the device, rows resident there; False is faiss on the
        CPU with the index as it is stored (which looks into one list only)
    enable_profiling : wait for the device around each stage, so that its time is its own
    """

    device: DeviceName = "auto"
    use_gpu_retrieval: bool = True
    enable_profiling: bool = False

    def __post_init__(self) -> None:
        if self.device not in DEVICE_NAMES:
            raise OptionError(
                f'Cannot run on "{self.device}"',
                "it is not a device this program knows",
                f"choose {', '.join(DEVICE_NAMES)}",
            )
