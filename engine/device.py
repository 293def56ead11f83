"""The device of torch: with `engine.accelerators` the only code that names Metal (MPS) or CUDA.

torch is imported inside the functions, so that importing this costs nothing.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from engine.errors import DeviceError, Text
from engine.paths import mlx_folder

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "mps", "cuda", "cpu"]
DEVICE_NAMES: tuple[DeviceName, ...] = get_args(DeviceName)

_SPINNING = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
"""How long an idle thread of OpenMP spins: rounds for GNU's library, milliseconds for LLVM's."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BLOCK_BYTES = 8 << 20
_HELD_BYTES = 1 << 30

OUT_OF_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "unable to allocate",  # MLX
    "maximum allowed buffer size",  # MLX, when one buffer is larger than Metal allows
    "invalid buffer size",  # Metal, when one buffer is larger than the device allows
)


def prepare_environment() -> None:
    """Set what torch and OpenMP read when they are loaded; call it before torch is imported.

    Operators without a Metal kernel run on the CPU. OpenMP's idle threads soon sleep: by default
    they spin for up to a fifth of a second, which beside other busy programs takes the cores from
    the thread that they wait for. Children inherit both. A value set by the user is kept.
    """
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    if "OMP_WAIT_POLICY" not in os.environ:  # ours would take precedence over it
        for variable, value in _SPINNING.items():
            os.environ.setdefault(variable, value)
    _part_large_blocks()


@cache
def _part_large_blocks() -> None:
    """Let glibc keep blocks of 8 MB and more apart from its heap, and hold on to the heap itself.

    Otherwise it raises that limit to 32 MB by itself, and because torch aligns its blocks, the
    hole that a freed weight leaves is too small for a weight of the same size: RMVPE needed 1.5
    times the memory. It also returns the end of the heap whenever it can, and the system zeroes it
    again for the next layer: attention took 1.7 times as long. `release_heap` returns it between
    the stages.
    """
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        ctypes.CDLL(None).mallopt(_M_TRIM_THRESHOLD, _HELD_BYTES)


def choose_device(name: DeviceName = "auto") -> torch.device:
    """The device of that name; ``auto`` takes the first there is of Metal, CUDA, CPU.

    Raises
    ------
    DeviceError : if the name is unknown, or the device is not there
    """
    if name not in DEVICE_NAMES:
        raise DeviceError(
            Text('Cannot use the device "{device}"', device=name),
            "no device has this name",
            Text("choose one of {devices}", devices=", ".join(DEVICE_NAMES)),
        )
    prepare_environment()
    import torch

    missing: dict[DeviceName, Callable[[], str | None]] = {
        "mps": _why_no_metal, "cuda": _why_no_cuda,
    }  # fmt: skip
    if name == "auto":
        name = next((each for each, why in missing.items() if why() is None), "cpu")
    reason = missing[name]() if name in missing else None
    if reason is not None:
        raise DeviceError(
            Text('Cannot use the device "{device}"', device=name),
            reason,
            'choose "cpu", or "auto" for the best device there is',
        )
    if name == "cuda":
        _compute_in_float32()
    return torch.device(name)


def _compute_in_float32() -> None:
    """Keep cuDNN from rounding what is float32 to 10 bits (TF32), as it would by itself."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def device_name(device: torch.device) -> DeviceName:
    """The name by which a device is asked for."""
    names: dict[str, DeviceName] = {"mps": "mps", "cuda": "cuda"}
    return names.get(device.type, "cpu")


def describe(device: torch.device) -> str:
    """Chip and interface, e.g. ``Apple M3 Max (Metal)``, ``NVIDIA H200 (CUDA)``."""
    import torch

    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (CUDA)"
    return f"{chip_name()} ({'Metal' if device.type == 'mps' else 'CPU'})"


def half_type(device: str) -> torch.dtype | None:
    """The 16-bit type with which a device computes faster; None if there is none."""
    import torch

    if device != "cpu":
        return torch.float16
    # A processor without such instructions rounds and widens every number: slower than float32.
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else None  # noqa: SLF001 - it has no public name


def recurrent_device(device: str) -> str:
    """Where a network on a device has its recurrent layers.

    Metal has no kernel for a GRU: torch launches a dozen for each of its steps, 18,000 in three
    minutes of sound. A processor takes a few microseconds a step.
    """
    return "cpu" if device.startswith("mps") else device


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work (timings need this)."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def empty_cache(device: torch.device) -> None:
    """Return memory that no tensor uses to the system."""
    import torch

    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def release_heap() -> None:
    """Return freed memory that the C library keeps: hundreds of MB with glibc, none on macOS."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def memory_bytes(device: torch.device) -> int:
    """Memory held now: on the device with torch's cache; for the CPU, by this whole process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return _resident_bytes()


def peak_memory_bytes(device: torch.device | None = None) -> int:
    """The most memory this process has held, plus what the device has.

    CUDA reports its own peak; for Metal, what is held now counts. The two peaks may have come at
    different times: the sum is an upper bound.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kB on Linux
    if device is None or device.type == "cpu":
        return peak
    import torch

    if device.type == "cuda":
        return peak + torch.cuda.max_memory_reserved(device)
    return peak + memory_bytes(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out (then smaller pieces may succeed)."""
    if isinstance(error, MemoryError):
        return True
    # torch.OutOfMemoryError is a RuntimeError; Metal and the CPU raise plain ones.
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in OUT_OF_MEMORY_WORDS)


def is_apple_silicon() -> bool:
    """Whether this is a Mac with Apple silicon, and this program does not run under Rosetta."""
    return sys.platform == "darwin" and platform.machine() == "arm64"


def has_mlx() -> bool:
    """Whether this is a Mac on which MLX is installed; does not load it."""
    reach_mlx()
    return sys.platform == "darwin" and find_spec("mlx") is not None


def reach_mlx() -> None:
    """Let Python find MLX where it is an add-on; one of Python's own packages comes first."""
    folder = mlx_folder()
    if str(folder) not in sys.path and folder.is_dir():
        sys.path.append(str(folder))
        invalidate_caches()


def _why_no_metal() -> str | None:
    """Why Metal cannot be used here; None where it can."""
    import torch

    if torch.backends.mps.is_available():
        return None
    if not is_apple_silicon():
        return "this is not a Mac with Apple silicon"
    if not torch.backends.mps.is_built():
        return "this PyTorch was built without Metal"
    return "Metal is not available to this program (macOS 14 or later is needed)"


def _why_no_cuda() -> str | None:
    """Why CUDA cannot be used here; None where it can."""
    import torch

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return "this PyTorch was built without CUDA"
    return "no NVIDIA GPU with a working driver was found"


@cache
def chip_name() -> str:
    """Name of the processor, e.g. ``Apple M3 Max``; does not load torch."""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        found = _first_line(command)
        if found:
            return found
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no /proc: macOS
        return int(_first_line(["/bin/ps", "-o", "rss=", "-p", str(os.getpid())]) or 0) * 1024


def _first_line(command: list[str]) -> str:
    """The first line that a system tool prints; empty if the tool is missing."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command of the system, no shell
            command, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


@contextmanager
def within_memory(device: torch.device) -> Iterator[None]:
    """Return unused memory of the device at the end, also after a failure.

    Raises
    ------
    DeviceError : it ran out of memory
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(
            "Cannot convert this",
            Text("not enough memory on {device}, even for small pieces", device=device.type),
            "close other programs, convert a shorter file, or use the device cpu",
        ) from error
    finally:
        empty_cache(device)
