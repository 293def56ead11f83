"""The table of all settings; `desktop.settings.store` keeps their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from PySide6.QtCore import QCoreApplication

from desktop.translation import translate
from engine.errors import Message, Text
from engine.optimization import FLAGS
from engine.option import Option

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
    needs : has no effect unless that other setting has this value
    """

    key: str
    default: T
    page: str
    kind: Kind
    label: Message
    help: Message
    choices: tuple[tuple[T, Message], ...] = ()
    minimum: float = 0
    maximum: float = 0
    step: float = 1
    unit: str = ""
    variable: str | None = None
    needs: tuple[Setting[Any], Any] | None = None


def text(source: Message) -> str:
    """A label of the table in the user's language; those of the engine's flags are a `Text`."""
    if isinstance(source, Text):
        return translate(source)
    return QCoreApplication.translate("settings", source)


OUTPUT_PLACE = Setting(
    "output_place", "beside", "general", "choice",
    QT_TRANSLATE_NOOP("settings", "Save results"),
    QT_TRANSLATE_NOOP("settings", "Results never replace another file."),
    choices=(
        ("beside", QT_TRANSLATE_NOOP("settings", "Next to the source")),
        ("folder", QT_TRANSLATE_NOOP("settings", "In one folder")),
    ),
)  # fmt: skip
OUTPUT_FOLDER = Setting(
    "output_folder", "", "general", "folder",
    QT_TRANSLATE_NOOP("settings", "Folder for results"),
    QT_TRANSLATE_NOOP("settings", "Used when results go into one folder."),
    needs=(OUTPUT_PLACE, "folder"),
)  # fmt: skip
NOTIFY = Setting(
    "notify", True, "general", "bool",  # noqa: FBT003
    QT_TRANSLATE_NOOP("settings", "Notify when finished"),
    QT_TRANSLATE_NOOP("settings", "Only while the window isn't in front."),
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
    QT_TRANSLATE_NOOP("settings", "Changes immediately; a running conversion continues."),
    choices=(
        ("system", QT_TRANSLATE_NOOP("settings", "Same as system")),
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
    QT_TRANSLATE_NOOP("settings", "Free memory after"),
    QT_TRANSLATE_NOOP("settings", "Minutes idle; the next conversion loads the networks again."),
    minimum=1, maximum=240, unit=QT_TRANSLATE_NOOP("settings", "min"),
)  # fmt: skip
MIRROR = Setting(
    "mirror", "", "models", "text",
    QT_TRANSLATE_NOOP("settings", "Mirror"),
    QT_TRANSLATE_NOOP("settings", "Address to use instead of huggingface.co."),
    unit="https://…", variable="URVC_MIRROR",
)  # fmt: skip


def _optimization_setting(flag: Option) -> Setting[Any]:
    kinds: dict[str, Kind] = {
        "switch": "bool",
        "choice": "choice",
        "whole number": "int",
        "number": "float",
    }
    extra = [each.value for each in flag.also if flag.kind == "whole number"]
    return Setting(
        OPTIMIZATION_PREFIX + flag.name,
        flag.default,
        "optimization",
        kinds.get(flag.kind, "text"),
        flag.title,
        flag.help,
        tuple((each.value, each.title) for each in flag.choices()),
        minimum=min([flag.low, *extra]),
        maximum=flag.high,
        step=flag.step,
        variable=flag.variable,
    )


SETTINGS: tuple[Setting[Any], ...] = (
    OUTPUT_PLACE,
    OUTPUT_FOLDER,
    NOTIFY,
    SHOW_MENU_BAR,
    START_AT_LOGIN,
    LANGUAGE,
    LEVEL_MATCH,
    *map(_optimization_setting, FLAGS),
    IDLE_MINUTES,
    MIRROR,
)

PROFILING: Setting[bool] = next(
    each for each in SETTINGS if each.key == f"{OPTIMIZATION_PREFIX}enable_profiling"
)
