"""How the engine works, as opposed to what it computes: the device and the optimizations."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.device import DeviceName
from engine.errors import OptionError, Text
from engine.option import Choice, Option, choices, option, options_of
from engine.stages import PARTS, parse_parts

Compilation = Literal["none", "torchscript"]
Weighting = Literal["inverse_square", "inverse"]
"""Of a row by its squared distance s: (1/s)², which every RVC voice is tuned to, or 1/s."""

Retrieval = Literal["ivf", "exact", "faiss"]
CoreML = Literal["off", "auto", "on"]

Backend = Literal["auto", "torch", "mlx"]
"""By what the networks run. ``auto`` is torch, unless tuning found another one to be faster."""

MAX_BATCH = 64
MAX_TILE_FRAMES = 4600
DEFAULT_TILE_FRAMES = 400
"""Four seconds: under Metal's limit of 65,536 per dimension except in the innermost stages, which
the device code splits further; fits the cache of a CPU; and a cancel takes effect soon."""


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """How the engine works: flags that change speed and memory, each with its plain alternative.

    Each field carries its row of the table (`engine.option`): environment variable, title, help
    and range. A new flag is a field here and the code that uses it.
    """

    # fmt: off
    device: DeviceName = option(
        "auto", title=Text("Compute device"),
        help=Text("Automatic uses the GPU if there is one."),
        variable="RVC_DEVICE", flag="--device", cli_help="default: Metal, else CUDA, else CPU",
        choices=choices(
            ("auto", Text("Automatic")), ("mps", Text("Metal")), ("cuda", Text("CUDA")),
            ("cpu", Text("Processor (CPU)")),
        ),
    )
    backend: Backend = option(
        "auto", title=Text("Framework"),
        help=Text(
            "Automatic uses PyTorch, or MLX where it is installed and tuning found it to be faster."
        ),
        variable="RVC_BACKEND",
        choices=choices(
            ("auto", Text("Automatic")), ("torch", Text("PyTorch")), ("mlx", Text("MLX")),
        ),
    )
    retrieval: Retrieval = option(
        "ivf", title=Text("Voice index search"),
        help=Text(
            "ivf: in the lists of the index, as its maker chose; the same on every device. "
            "exact: among all rows. faiss: as ivf, with the faiss library on the CPU."
        ),
        variable="RVC_RETRIEVAL", flag="--retrieval",
        choices=choices(
            ("ivf", Text("As the index was made (ivf)")), ("exact", Text("All rows (exact)")),
            ("faiss", Text("faiss library")),
        ),
    )
    use_gpu_retrieval: bool = option(
        default=True, title=Text("Search the voice index on the device"),
        help=Text("Keeps the rows in the device's memory; finds the same rows as on the CPU."),
        variable="RVC_GPU_RETRIEVAL",
    )
    use_gpu_filter: bool = option(
        default=False, title=Text("Filter on the device"),
        help=Text("Removes rumble below 48 Hz on the device; differs by 0.0001 at most."),
        variable="RVC_GPU_FILTER",
    )
    use_fp16: bool = option(
        default=False, title=Text("Half precision"),
        help=Text(
            "16-bit numbers where numerically safe: half the memory; the sound differs slightly."
        ),
        variable="RVC_USE_FP16",
    )
    use_channels_last: bool = option(
        default=True, title=Text("Fast memory layout"),
        help=Text("Stores tensors in the order in which convolutions run fastest."),
        variable="RVC_CHANNELS_LAST",
    )
    compile: Compilation = option(
        "none", title=Text("Compile the vocoder"),
        help=Text("Takes time once for each chunk length, then runs faster."),
        variable="RVC_COMPILE",
        choices=choices(("none", Text("Do not compile")), ("torchscript", Text("TorchScript"))),
    )
    batch_size: int = option(
        1, title=Text("Batch size"),
        help=Text("Converts several chunks together; needs more memory."),
        variable="RVC_BATCH_SIZE", low=1, high=MAX_BATCH,
    )
    use_shape_buckets: bool = option(
        default=False, title=Text("Fixed chunk lengths"),
        help=Text("Avoids recompiling GPU kernels for every length."),
        variable="RVC_SHAPE_BUCKETS",
    )
    tile_frames: int = option(
        DEFAULT_TILE_FRAMES, title=Text("Tile size"),
        help=Text(
            "Frames of 10 ms; smaller tiles need less memory, 0 converts a chunk in one pass."
        ),
        variable="RVC_TILE_FRAMES", low=50, high=MAX_TILE_FRAMES,
        also=(Choice(0, Text("whole chunk")),),
    )
    skip_silence: bool = option(
        default=True, title=Text("Skip silence"),
        help=Text("Skips silent parts of the source."),
        variable="RVC_SKIP_SILENCE",
    )
    retrieval_weighting: Weighting = option(
        "inverse_square", title=Text("Weighting in the index"),
        help=Text("By squared distance s; every RVC voice is tuned to 1/s²."),
        variable="RVC_RETRIEVAL_WEIGHTING",
        choices=choices(("inverse_square", Text("1/s²")), ("inverse", Text("1/s"))),
    )
    enable_profiling: bool = option(
        default=False, title=Text("Exact stage timings"),
        help=Text("Waits for the device after each stage; slightly slower."),
        variable="RVC_PROFILING",
    )
    cpu_parts: str = option(
        "", title=Text("Parts on the CPU"),
        help=Text(
            "These run on the CPU whatever the device is, separated by commas: {parts}.",
            parts=", ".join(PARTS),
        ),
        variable="RVC_CPU_PARTS", check=parse_parts,
    )
    coreml_content: CoreML = option(
        "off", title=Text("Content encoder with Core ML"),
        help=Text(
            "On a Mac it runs on the Neural Engine, beside the GPU. Automatic: where it is ready; "
            "on: also says why where it is not."
        ),
        variable="RVC_COREML_CONTENT",
        choices=choices(
            ("off", Text("Off")), ("auto", Text("Automatic")), ("on", Text("On")),
        ),
    )
    # fmt: on

    def __post_init__(self) -> None:
        for each in FLAGS:
            each.require(getattr(self, each.name))

    @property
    def searches_on_device(self) -> bool:
        """Whether the voice index is searched on the device."""
        return self.use_gpu_retrieval and self.retrieval != "faiss"

    @classmethod
    def baseline(cls) -> OptimizationConfig:
        """Everything off, as in the reference implementations."""
        return cls(
            device="cpu",
            use_gpu_retrieval=False,
            use_channels_last=False,
            tile_frames=0,
            skip_silence=False,
        )

    @classmethod
    def for_apple_silicon(cls) -> OptimizationConfig:
        """Metal preset."""
        return cls(device="mps", use_gpu_filter=True, use_shape_buckets=True)

    @classmethod
    def for_nvidia_gpu(cls) -> OptimizationConfig:
        """CUDA, where the plain memory layout is faster."""
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
        """CPU preset; short tiles keep memory use low."""
        return cls(device="cpu", use_gpu_retrieval=False, tile_frames=250)

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
        """The preset of a device (``mps``, ``cuda``, ``cpu``)."""
        presets = {"mps": cls.for_apple_silicon, "cuda": cls.for_nvidia_gpu, "cpu": cls.for_cpu}
        return presets[device]()

    @classmethod
    def from_env(
        cls,
        base: OptimizationConfig | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> OptimizationConfig:
        """``base`` (or the defaults) with the variables of the environment applied."""
        return replace(base or cls(), **overrides_from_env(environment))

    def to_env(self) -> dict[str, str]:
        """Variables that give another process this configuration, whatever was saved or tuned."""
        # An empty variable would count as unset.
        return {flag.variable: str(getattr(self, flag.name)).lower() or "none" for flag in FLAGS}


FLAGS: tuple[Option, ...] = options_of(OptimizationConfig)
VARIABLES: dict[str, str] = {each.variable: each.name for each in FLAGS}
"""Environment variables and the fields they set."""


def overrides_from_env(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The fields that the environment sets; empty variables count as unset.

    Raises
    ------
    OptionError : a variable has a value that makes no sense; the sentence names it
    """
    found: dict[str, Any] = {}
    for flag in FLAGS:
        text = environment.get(flag.variable, "").strip()
        if not text:
            continue
        try:
            found[flag.name] = flag.parse(text)
        except OptionError as cause:
            raise OptionError(
                Text(
                    'Cannot use "{value}" in the environment variable {variable}',
                    value=text,
                    variable=flag.variable,
                ),
                cause.why,
                Text("correct or unset {variable}", variable=flag.variable),
            ) from cause
    return found


def resolve(
    command_line: Mapping[str, Any],
    saved: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
    tuned: Callable[[DeviceName], Mapping[str, Any]] = lambda _: {},
) -> OptimizationConfig:
    """The flags in force: command line, environment, saved settings, tuning, preset, in that order.

    Parameters
    ----------
    tuned : gives the flags that tuning found for a device of this machine

    Raises
    ------
    OptionError : a value that makes no sense
    DeviceError : the device asked for is not there
    """
    asked = {**(saved or {}), **overrides_from_env(environment), **command_line}
    if asked.get("backend") == "auto":
        del asked["backend"]  # tuning decides
    preset = OptimizationConfig.for_this_machine(asked.pop("device", "auto"))
    return replace(preset, **{**tuned(preset.device), **asked})
