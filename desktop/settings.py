"""What the user can choose, declared once as a table; the pages of the window draw themselves."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QObject, QTimer, Signal

from desktop.json_file import read_json, write_text
from engine.errors import OptionError
from engine.optimization import VARIABLES, OptimizationConfig

T = TypeVar("T")
Kind = Literal["bool", "choice", "int", "float", "text", "folder"]
OPTIMIZATION_PREFIX = "optimization."
_SAVE_AFTER_MS = 200
"""A slider that is being dragged is written once, not at every step."""


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
    "notify", True, "general", "bool",
    QT_TRANSLATE_NOOP("settings", "Notify when finished"),
    QT_TRANSLATE_NOOP("settings", "Only while the window is not in front."),
)  # fmt: skip
SHOW_MENU_BAR = Setting(
    "show_menu_bar", True, "general", "bool",
    QT_TRANSLATE_NOOP("settings", "Show in the menu bar"),
    QT_TRANSLATE_NOOP("settings", "Quick Convert and progress without opening the window."),
)  # fmt: skip
START_AT_LOGIN = Setting(
    "start_at_login", False, "general", "bool",
    QT_TRANSLATE_NOOP("settings", "Start at login"),
    QT_TRANSLATE_NOOP("settings", "The app waits in the menu bar, without a window."),
)  # fmt: skip
LANGUAGE = Setting(
    "language", "system", "general", "choice",
    QT_TRANSLATE_NOOP("settings", "Language"),
    QT_TRANSLATE_NOOP("settings", "Takes effect at the next start."),
    choices=(
        ("system", QT_TRANSLATE_NOOP("settings", "As the system")),
        ("en", "English"),
        ("zh_TW", "繁體中文"),
    ),
)  # fmt: skip
LEVEL_MATCH = Setting(
    "level_match", True, "general", "bool",
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
        QT_TRANSLATE_NOOP("settings", "inverse_square is what every voice was tuned to."),
    ),
    "enable_profiling": (
        QT_TRANSLATE_NOOP("settings", "Exact stage timings"),
        QT_TRANSLATE_NOOP("settings", "Waits for the device at each stage; a little slower."),
    ),
}
"""Words for the engine's flags; one without words shows its own name."""

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
            shown, choices = "choice", tuple((each, str(each)) for each in get_args(kind))
        elif kind in (int, float):
            shown = "int" if kind is int else "float"
        made.append(
            Setting(
                OPTIMIZATION_PREFIX + field.name, field.default, "optimization", shown, label,
                meaning, choices, maximum=10**6, variable=_VARIABLE_OF[field.name],
            )
        )  # fmt: skip
    return tuple(made)


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


class Settings(QObject):
    """Values of the table, kept in a file; a change is told at once.

    Parameters
    ----------
    file : may be missing or damaged: then everything is as at first
    environment : where overriding variables are looked for
    """

    changed = Signal(str)

    def __init__(self, file: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._file = file
        self._environment = os.environ if environment is None else environment
        found = read_json(file)
        found = found if isinstance(found, dict) else {}
        self._values: dict[str, Any] = _dictionary(found.get("values"))
        self._memory: dict[str, Any] = _dictionary(found.get("memory"))
        self._soon = QTimer(self, singleShot=True, interval=_SAVE_AFTER_MS)
        self._soon.timeout.connect(self.flush)

    def value(self, setting: Setting[T]) -> T:
        """The value in force: the environment's, the user's, or the default."""
        variable = self.overridden_by(setting)
        if variable is not None:
            return _parsed(setting, self._environment[variable])
        stored = self._values.get(setting.key, setting.default)
        return stored if _fits(setting, stored) else setting.default

    def set(self, setting: Setting[T], value: T) -> None:
        """Choose a value; one that does not fit, or is overridden, is left as it is."""
        same = self.value(setting) == value
        if same or self.overridden_by(setting) or not _fits(setting, value):
            return
        self._values[setting.key] = value
        self._save()
        self.changed.emit(setting.key)

    def reset(self, setting: Setting[Any]) -> None:
        """Back to the default."""
        self.set(setting, setting.default)

    def reset_page(self, page: str) -> None:
        """Back to the defaults of a page."""
        for setting in SETTINGS:
            if setting.page == page:
                self.reset(setting)

    def overridden_by(self, setting: Setting[Any]) -> str | None:
        """The environment variable in force instead of the user's choice."""
        name = setting.variable
        given = None if name is None else self._environment.get(name)
        return name if given and _fits(setting, _parsed(setting, given)) else None

    def optimization(self) -> OptimizationConfig:
        """How the engine shall work."""
        chosen = {
            setting.key.removeprefix(OPTIMIZATION_PREFIX): self.value(setting)
            for setting in SETTINGS
            if setting.key.startswith(OPTIMIZATION_PREFIX)
        }
        try:
            return OptimizationConfig(**chosen)
        except OptionError:  # values that exclude one another
            return OptimizationConfig()

    def output_dir(self) -> Path | None:
        """Where results go; None is beside their source."""
        folder = self.value(OUTPUT_FOLDER)
        return Path(folder) if folder and self.value(OUTPUT_PLACE) == "folder" else None

    def memory(self, key: str) -> Any:
        """Something the app remembers by itself, e.g. where its window was."""
        return self._memory.get(key)

    def remember(self, key: str, value: Any) -> None:
        """Keep something that JSON can hold."""
        if self._memory.get(key) != value:
            self._memory[key] = value
            self._save()

    def _save(self) -> None:
        self._soon.start()

    def flush(self) -> None:
        """Write what has changed; by itself this happens a moment after each change."""
        self._soon.stop()
        content = {"values": self._values, "memory": self._memory}
        try:
            write_text(self._file, json.dumps(content, indent=1), durable=False)
        except OSError:
            return  # the choice holds for this session; a full disk is no reason to stop working


def _dictionary(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _fits(setting: Setting[Any], value: object) -> bool:
    if setting.kind == "choice":
        return any(value == each for each, _ in setting.choices)
    if setting.kind in ("int", "float"):
        number = type(value) is int or (setting.kind == "float" and type(value) is float)
        return number and setting.minimum <= value <= setting.maximum  # type: ignore[operator]
    return type(value) is type(setting.default) or (
        setting.default is None and isinstance(value, str)
    )


def _parsed(setting: Setting[T], given: str) -> Any:
    """The value that a variable's text means; the text itself where it means none."""
    if setting.kind == "bool":
        return {"1": True, "true": True, "yes": True, "on": True}.get(
            given.lower(),
            {"0": False, "false": False, "no": False, "off": False}.get(given.lower()),
        )
    try:
        return {"int": int, "float": float}.get(setting.kind, str)(given)
    except ValueError:
        return given
