"""The table of all settings; see `desktop.settings` for their values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from PySide6.QtCore import QCoreApplication

from engine.optimization import VARIABLES, OptimizationConfig

if TYPE_CHECKING:

    def QT_TRANSLATE_NOOP(context: str, source: str) -> str:  # noqa: N802 - Qt's name, typed
        """Mark a text for translation."""
        del context
        return source

else:
    from PySide6.QtCore import QT_TRANSLATE_NOOP

T = TypeVar("T")
Kind = Literal["bool", "choice", "int", "float", "text", "folder"]
OPTIMIZATION_PREFIX = "optimization."


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One row of the table.

    Attributes
    ----------
    key : its name in the file
    page : ``general``, ``optimization`` or ``advanced``
    label, help : English; show them through `text`
    choices : value and label of each, for the kind ``choice``
    minimum, maximum, step, unit : for the kinds ``int`` and ``float``
    variable : environment variable that overrides it
    """

    key: str
    default: T
    page: str
    kind: Kind
    label: str
    help: str
    choices: tuple[tuple[T, str], ...] = ()
    minimum: float = 0
    maximum: float = 0
    step: float = 1
    unit: str = ""
    variable: str | None = None


def text(source: str) -> str:
    """A label of the table in the user's language."""
    return QCoreApplication.translate("settings", source)


OUTPUT_PLACE = Setting(
    "output_place", "beside", "general", "choice",
    QT_TRANSLATE_NOOP("settings", "Save results"),
    QT_TRANSLATE_NOOP("settings", "Results never replace another file."),
    choices=(
        ("beside", QT_TRANSLATE_NOOP("settings", "Beside the source")),
        ("folder", QT_TRANSLATE_NOOP("settings", "In one folder")),
    ),
)  # fmt: skip
OUTPUT_FOLDER = Setting(
    "output_folder", "", "general", "folder",
    QT_TRANSLATE_NOOP("settings", "Folder for results"),
    QT_TRANSLATE_NOOP("settings", "Used when results go into one folder."),
)  # fmt: skip
NOTIFY = Setting(
    "notify", True, "general", "bool",  # noqa: FBT003
    QT_TRANSLATE_NOOP("settings", "Notify when finished"),
    QT_TRANSLATE_NOOP("settings", "Only while the window is not in front."),
)  # fmt: skip
SHOW_MENU_BAR = Setting(
    "show_menu_bar", True, "general", "bool",  # noqa: FBT003
    QT_TRANSLATE_NOOP("settings", "Show in the menu bar"),
    QT_TRANSLATE_NOOP("settings", "Quick Convert and progress without opening the window."),
)  # fmt: skip
START_AT_LOGIN = Setting(
    "start_at_login", False, "general", "bool",  # noqa: FBT003
    QT_TRANSLATE_NOOP("settings", "Start at login"),
    QT_TRANSLATE_NOOP("settings", "The app waits in the menu bar, without a window."),
)  # fmt: skip
LANGUAGE = Setting(
    "language", "system", "general", "choice",
    QT_TRANSLATE_NOOP("settings", "Language"),
    QT_TRANSLATE_NOOP("settings", "Changes at once; a conversion that runs goes on."),
    choices=(
        ("system", QT_TRANSLATE_NOOP("settings", "As the system")),
        ("en", "English"),
        ("zh_TW", "繁體中文"),
    ),
)  # fmt: skip
LEVEL_MATCH = Setting(
    "level_match", True, "general", "bool",  # noqa: FBT003
    QT_TRANSLATE_NOOP("settings", "Match loudness when comparing"),
    QT_TRANSLATE_NOOP("settings", "Source and result play equally loud; files are not changed."),
)  # fmt: skip
IDLE_MINUTES = Setting(
    "idle_minutes", 10, "advanced", "int",
    QT_TRANSLATE_NOOP("settings", "Give memory back after"),
    QT_TRANSLATE_NOOP("settings", "Minutes without work; the next conversion loads again."),
    minimum=1, maximum=240, unit=QT_TRANSLATE_NOOP("settings", "min"),
)  # fmt: skip
MIRROR = Setting(
    "mirror", "", "models", "text",
    QT_TRANSLATE_NOOP("settings", "Mirror"),
    QT_TRANSLATE_NOOP("settings", "Address to download from instead of huggingface.co."),
    unit="https://…", variable="URVC_MIRROR",
)  # fmt: skip

OPTIMIZATION_TEXT: dict[str, tuple[str, str]] = {
    "device": (
        QT_TRANSLATE_NOOP("settings", "Compute device"),
        QT_TRANSLATE_NOOP("settings", "Automatic takes the GPU where there is one."),
    ),
    "use_gpu_retrieval": (
        QT_TRANSLATE_NOOP("settings", "Exact voice index search"),
        QT_TRANSLATE_NOOP("settings", "Looks at every row of the index, on the compute device."),
    ),
    "use_gpu_filter": (
        QT_TRANSLATE_NOOP("settings", "Filter on the device"),
        QT_TRANSLATE_NOOP("settings", "Takes out the rumble there; differs by 0.0001 at most."),
    ),
    "use_fp16": (
        QT_TRANSLATE_NOOP("settings", "Half precision"),
        QT_TRANSLATE_NOOP("settings", "Needs half the memory; the sound differs a little."),
    ),
    "use_channels_last": (
        QT_TRANSLATE_NOOP("settings", "Fast memory layout"),
        QT_TRANSLATE_NOOP("settings", "Keeps convolutions in the order they run fastest in."),
    ),
    "compile": (
        QT_TRANSLATE_NOOP("settings", "Compile the vocoder"),
        QT_TRANSLATE_NOOP("settings", "Takes time once for each length, then runs faster."),
    ),
    "batch_size": (
        QT_TRANSLATE_NOOP("settings", "Pieces at a time"),
        QT_TRANSLATE_NOOP("settings", "Converts several pieces together; takes more memory."),
    ),
    "use_shape_buckets": (
        QT_TRANSLATE_NOOP("settings", "Few lengths of pieces"),
        QT_TRANSLATE_NOOP("settings", "Spares the GPU from preparing itself for every length."),
    ),
    "tile_frames": (
        QT_TRANSLATE_NOOP("settings", "Frames made at a time"),
        QT_TRANSLATE_NOOP("settings", "Smaller parts need less memory; 0 makes a piece at once."),
    ),
    "skip_silence": (
        QT_TRANSLATE_NOOP("settings", "Skip silence"),
        QT_TRANSLATE_NOOP("settings", "Makes nothing where the source is silent."),
    ),
    "retrieval_weighting": (
        QT_TRANSLATE_NOOP("settings", "Weighting in the index"),
        QT_TRANSLATE_NOOP("settings", "1/s² is what every voice was tuned to."),
    ),
    "enable_profiling": (
        QT_TRANSLATE_NOOP("settings", "Exact stage timings"),
        QT_TRANSLATE_NOOP("settings", "Waits for the device at each stage; a little slower."),
    ),
    "cpu_parts": (
        QT_TRANSLATE_NOOP("settings", "Parts on the processor"),
        QT_TRANSLATE_NOOP(
            "settings",
            "Run on the CPU whatever the device is: filter, content, pitch, retrieval, latent, "
            "vocoder; with commas between them.",
        ),
    ),
}
"""Words for the engine's flags; one without words shows its own name."""

CHOICE_TEXT: dict[str, str] = {
    "auto": QT_TRANSLATE_NOOP("settings", "Automatic"),
    "mps": "Metal",
    "cuda": "CUDA",
    "cpu": QT_TRANSLATE_NOOP("settings", "Processor (CPU)"),
    "none": QT_TRANSLATE_NOOP("settings", "Do not compile"),
    "torchscript": "TorchScript",
    "inverse_square": "1/s²",
    "inverse": "1/s",
}
"""Words for the values of choices; one without words shows itself."""

_VARIABLE_OF = {name: variable for variable, name in VARIABLES.items()}


def _optimization_settings() -> tuple[Setting[Any], ...]:
    types = get_type_hints(OptimizationConfig)
    made = []
    for field in dataclasses.fields(OptimizationConfig):
        kind = types[field.name]
        label, meaning = OPTIMIZATION_TEXT.get(field.name, (field.name.replace("_", " "), ""))
        choices: tuple[tuple[Any, str], ...] = ()
        shown: Kind = "text"
        if kind is bool:
            shown = "bool"
        elif get_origin(kind) is Literal:
            shown, choices = "choice", _labelled(get_args(kind))
        elif kind in (int, float):
            shown = "int" if kind is int else "float"
        made.append(
            Setting(
                OPTIMIZATION_PREFIX + field.name, field.default, "optimization", shown, label,
                meaning, choices, maximum=10**6, variable=_VARIABLE_OF[field.name],
            )
        )  # fmt: skip
    return tuple(made)


def _labelled(values: tuple[Any, ...]) -> tuple[tuple[Any, str], ...]:
    return tuple((each, CHOICE_TEXT.get(str(each), str(each))) for each in values)


SETTINGS: tuple[Setting[Any], ...] = (
    OUTPUT_PLACE,
    OUTPUT_FOLDER,
    NOTIFY,
    SHOW_MENU_BAR,
    START_AT_LOGIN,
    LANGUAGE,
    LEVEL_MATCH,
    *_optimization_settings(),
    IDLE_MINUTES,
    MIRROR,
)

PROFILING: Setting[bool] = next(
    each for each in SETTINGS if each.key == f"{OPTIMIZATION_PREFIX}enable_profiling"
)
