"""How the engine works, as opposed to what it computes: device, and every way that is faster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from engine.device import DEVICE_NAMES, DeviceName
from engine.errors import Message, OptionError
from engine.stages import parse_parts

Compilation = Literal["none", "torchscript"]
COMPILATIONS: tuple[Compilation, ...] = get_args(Compilation)
Weighting = Literal["inverse_square", "inverse"]
"""Of a row by its squared distance s: (1/s)², which every RVC voice is tuned to, or 1/s."""
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)

MAX_BATCH = 64
MAX_TILE_FRAMES = 4600
DEFAULT_TILE_FRAMES = 400
"""Four seconds: under Metal's limit of 65,536 per dimension only at the inner stages, so that the
device code cuts further there; in the cache of a CPU; and a cancel is heard soon."""


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """Choices of the engine that change speed and memory, each with its slow twin.

    Attributes
    ----------
    device : ``auto`` takes Metal, then CUDA, then the CPU
    use_gpu_retrieval : exact search on the device, rows resident there between jobs; False is
        faiss on the CPU with the index as it is stored (which looks into one list only)
    use_gpu_filter : the 48 Hz high-pass on the device, to within 1e-4; False is scipy's filtfilt
    use_fp16 : half precision where it is borne; phase, norms, softmax and distances stay float32.
        float16 on a GPU; bfloat16 on a CPU that has instructions for it. Never for the pitch
    use_channels_last : convolutions in the memory layout in which they run fastest; it also keeps
        each under Metal's limit of 65,536 per dimension
    compile : record the vocoder's graph once per length (``torchscript``), or not (``none``)
    batch_size : pieces of equal length (of one source or of several) that go through together
    use_shape_buckets : round the lengths of pieces up to a few, so that a GPU compiles each
        kernel once and batches come about; the longer context changes features slightly
    tile_frames : frames of 10 ms that the vocoder makes at a time; 0 is the whole piece
    skip_silence : do not synthesise where the source is silent
    retrieval_weighting : of a row by its squared distance s: 1/s², which every voice is tuned
        to, or 1/s
    enable_profiling : wait for the device around each stage, so that its time is its own
    cpu_parts : parts that run on the CPU whatever the device is, e.g. ``pitch,vocoder``; see
        `engine.stages.PARTS`
    """

    device: DeviceName = "auto"
    use_gpu_retrieval: bool = True
    use_gpu_filter: bool = False
    use_fp16: bool = False
    use_channels_last: bool = True
    compile: Compilation = "none"
    batch_size: int = 1
    use_shape_buckets: bool = False
    tile_frames: int = DEFAULT_TILE_FRAMES
    skip_silence: bool = True
    retrieval_weighting: Weighting = "inverse_square"
    enable_profiling: bool = False
    cpu_parts: str = ""

    def __post_init__(self) -> None:
        _require("device", self.device, self.device in DEVICE_NAMES, ", ".join(DEVICE_NAMES))
        _require("compile", self.compile, self.compile in COMPILATIONS, ", ".join(COMPILATIONS))
        _require(
            "batch size", self.batch_size, 1 <= self.batch_size <= MAX_BATCH, f"1 to {MAX_BATCH}"
        )
        _require(
            "tile length in frames",
            self.tile_frames,
            self.tile_frames == 0 or 50 <= self.tile_frames <= MAX_TILE_FRAMES,
            f"0 (the whole piece) or 50 to {MAX_TILE_FRAMES}",
        )
        _require(
            "retrieval weighting",
            self.retrieval_weighting,
            self.retrieval_weighting in WEIGHTINGS,
            ", ".join(WEIGHTINGS),
        )
        parse_parts(self.cpu_parts)

    @classmethod
    def baseline(cls) -> OptimizationConfig:
        """Everything off: the plain way, as the reference implementations go."""
        return cls(
            device="cpu",
            use_gpu_retrieval=False,
            use_channels_last=False,
            tile_frames=0,
            skip_silence=False,
        )

    @classmethod
    def for_apple_silicon(cls) -> OptimizationConfig:
        """Metal, before anything was measured on the machine."""
        return cls(device="mps", use_gpu_filter=True, use_shape_buckets=True)

    @classmethod
    def for_nvidia_gpu(cls) -> OptimizationConfig:
        """CUDA; its plain convolutions are the faster ones."""
        return cls(
            device="cuda",
            use_gpu_filter=True,
            use_fp16=True,
            use_channels_last=False,
            use_shape_buckets=True,
            batch_size=4,
        )

    @classmethod
    def for_cpu(cls) -> OptimizationConfig:
        """A processor alone; shorter tiles, because its memory is everybody's.

        Exact search costs it six times what faiss takes for the one list that it looks into. Not
        so on a Mac: faiss brings an OpenMP of its own, and two of them in a process may crash.
        """
        return cls(device="cpu", use_gpu_retrieval=sys.platform == "darwin", tile_frames=250)

    @classmethod
    def for_this_machine(cls, device: DeviceName = "auto") -> OptimizationConfig:
        """The preset of a device, or of the best there is (imports torch).

        Raises
        ------
        DeviceError : the device is not there
        """
        from engine.device import choose_device

        return cls.preset(choose_device(device).type)

    @classmethod
    def preset(cls, device: str) -> OptimizationConfig:
        """What should pay on a device (``mps``, ``cuda``, ``cpu``), before it was measured."""
        presets = {"mps": cls.for_apple_silicon, "cuda": cls.for_nvidia_gpu, "cpu": cls.for_cpu}
        return presets[device]()

    @classmethod
    def from_env(
        cls,
        base: OptimizationConfig | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> OptimizationConfig:
        """``base`` (or the defaults) changed by what the environment says.

        Raises
        ------
        OptionError : a variable holds nonsense; the sentence names it
        """
        return replace(base or cls(), **overrides_from_env(environment))


VARIABLES: dict[str, str] = {
    "RVC_DEVICE": "device",
    "RVC_GPU_RETRIEVAL": "use_gpu_retrieval",
    "RVC_GPU_FILTER": "use_gpu_filter",
    "RVC_USE_FP16": "use_fp16",
    "RVC_CHANNELS_LAST": "use_channels_last",
    "RVC_COMPILE": "compile",
    "RVC_BATCH_SIZE": "batch_size",
    "RVC_SHAPE_BUCKETS": "use_shape_buckets",
    "RVC_TILE_FRAMES": "tile_frames",
    "RVC_SKIP_SILENCE": "skip_silence",
    "RVC_RETRIEVAL_WEIGHTING": "retrieval_weighting",
    "RVC_PROFILING": "enable_profiling",
    "RVC_CPU_PARTS": "cpu_parts",
}
"""Environment variables and the fields they set."""

_SWITCH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def overrides_from_env(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The fields that the environment sets; empty variables count as unset.

    Raises
    ------
    OptionError : a variable holds nonsense; the sentence names it
    """
    found: dict[str, Any] = {}
    for variable, name in VARIABLES.items():
        text = environment.get(variable, "").strip()
        if not text:
            continue
        found[name] = _parsed(variable, name, text)
        try:
            OptimizationConfig(**{name: found[name]})
        except OptionError as cause:
            raise _nonsense(variable, text, cause.why) from cause
    return found


def resolve(
    command_line: Mapping[str, Any],
    saved: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
    tuned: Callable[[DeviceName], Mapping[str, Any]] = lambda _: {},
) -> OptimizationConfig:
    """Command line over environment over saved settings over what tuning found over the preset.

    Parameters
    ----------
    tuned : gives the flags that were measured to pay on a device of this machine

    Raises
    ------
    OptionError : nonsense in one of them
    DeviceError : the device that one of them asks for is not there
    """
    asked = {**(saved or {}), **overrides_from_env(environment), **command_line}
    preset = OptimizationConfig.for_this_machine(asked.pop("device", "auto"))
    return replace(preset, **{**tuned(preset.device), **asked})


def _parsed(variable: str, name: str, text: str) -> object:
    default = getattr(OptimizationConfig(), name)
    if isinstance(default, bool):
        if text.lower() not in _SWITCH:
            raise _nonsense(variable, text, "it must be true, false, 1, 0, yes or no")
        return _SWITCH[text.lower()]
    if isinstance(default, int):
        if not text.isascii() or not text.isdigit():
            raise _nonsense(variable, text, "it must be a whole number")
        return int(text.lstrip("0")[:9] or 0)
    return text.lower()


def _nonsense(variable: str, text: str, why: Message) -> OptionError:
    return OptionError(
        f'Cannot use "{text}" in the environment variable {variable}',
        why,
        f"correct or unset {variable}",
    )


def _require(name: str, value: object, fits: bool, choices: str) -> None:  # noqa: FBT001
    if not fits:
        raise OptionError(
            f'Cannot use "{value}" as {name}', f"it must be {choices}", "choose one of these"
        )
