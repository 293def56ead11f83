"""The values of the settings, and the file that keeps them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from desktop.settings.table import (
    OPTIMIZATION_PREFIX,
    OUTPUT_FOLDER,
    OUTPUT_PLACE,
    SETTINGS,
    Setting,
)
from desktop.storage import read_json, write_text
from engine.errors import OptionError
from engine.optimization import OptimizationConfig
from engine.option import parse_switch

T = TypeVar("T")
VOICE_OPTIONS = "draft.options"
"""Memory key: the settings that each voice was last used with."""

_SAVE_AFTER_MS = 200
"""Dragging a slider writes once, not at every step."""


class Settings(QObject):
    """Values of the settings, kept in a file; emits every change.

    Parameters
    ----------
    file : if it is missing or damaged, the defaults apply
    environment : where overriding variables are looked up
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
        self._machine: dict[str, Any] = {}
        self._soon = QTimer(self, singleShot=True, interval=_SAVE_AFTER_MS)
        self._soon.timeout.connect(self.flush)

    def value(self, setting: Setting[T]) -> T:
        """The effective value: of the environment, the user, the tuning, or the default."""
        variable = self.overridden_by(setting)
        if variable is not None:
            given: T = _parsed(setting, self._environment[variable])
            return given
        usual = self._machine.get(setting.key, setting.default)
        stored = self._values.get(setting.key, usual)
        fitting: T = stored if _fits(setting, stored) else setting.default
        return fitting

    def set(self, setting: Setting[T], value: T) -> None:
        """Set a value; ignored if it is invalid or the setting is overridden."""
        same = self.value(setting) == value
        if same or self.overridden_by(setting) or not _fits(setting, value):
            return
        self._values[setting.key] = value
        self._save()
        self.changed.emit(setting.key)

    def reset(self, setting: Setting[Any]) -> None:
        """Reset to this machine's value, or the default."""
        if setting.key in self._values and not self.overridden_by(setting):
            before = self.value(setting)
            del self._values[setting.key]
            self._save()
            if self.value(setting) != before:
                self.changed.emit(setting.key)

    def use_machine_flags(self, flags: Mapping[str, Any]) -> None:
        """Set the engine flags that apply where the user chose nothing."""
        settings = {each.key: each for each in SETTINGS}
        before = {key: self.value(each) for key, each in settings.items()}
        self._machine = {OPTIMIZATION_PREFIX + name: value for name, value in flags.items()}
        for key, each in settings.items():
            if self.value(each) != before[key]:
                self.changed.emit(key)

    def reset_page(self, page: str) -> None:
        """Reset a page to its defaults."""
        for setting in SETTINGS:
            if setting.page == page:
                self.reset(setting)

    def reset_all(self) -> None:
        """Reset all settings, and those of each voice; keeps what the app remembers."""
        self._memory.pop(VOICE_OPTIONS, None)
        for setting in SETTINGS:
            self.reset(setting)
        self._save()
        self.changed.emit(VOICE_OPTIONS)

    def overridden_by(self, setting: Setting[Any]) -> str | None:
        """The environment variable that overrides the user's choice."""
        name = setting.variable
        given = None if name is None else self._environment.get(name)
        return name if given and _fits(setting, _parsed(setting, given)) else None

    def optimization(self) -> OptimizationConfig:
        """The optimization settings for the engine."""
        chosen = {
            setting.key.removeprefix(OPTIMIZATION_PREFIX): self.value(setting)
            for setting in SETTINGS
            if setting.key.startswith(OPTIMIZATION_PREFIX)
        }
        try:
            return OptimizationConfig(**chosen)
        except OptionError:  # values that contradict each other
            return OptimizationConfig()

    def output_dir(self) -> Path | None:
        """Folder for results; None for the source's folder."""
        folder = self.value(OUTPUT_FOLDER)
        return Path(folder) if folder and self.value(OUTPUT_PLACE) == "folder" else None

    def memory(self, key: str) -> Any:
        """Something the app remembers, e.g. where its window was."""
        return self._memory.get(key)

    def remember(self, key: str, value: Any) -> None:
        """Remember a value that JSON can hold."""
        if self._memory.get(key) != value:
            self._memory[key] = value
            self._save()

    def _save(self) -> None:
        self._soon.start()

    @Slot()
    def flush(self) -> None:
        """Write pending changes now; otherwise they are written a moment after each change."""
        self._soon.stop()
        content = {"values": self._values, "memory": self._memory}
        try:
            write_text(self._file, json.dumps(content, indent=1), durable=False)
        except OSError:
            return  # the value still applies to this session


def _dictionary(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _fits(setting: Setting[Any], value: object) -> bool:
    return _is_of_its_kind(setting, value) and _suits_the_engine(setting, value)


def _suits_the_engine(setting: Setting[Any], value: Any) -> bool:
    if not setting.key.startswith(OPTIMIZATION_PREFIX):
        return True
    try:
        OptimizationConfig(**{setting.key.removeprefix(OPTIMIZATION_PREFIX): value})
    except OptionError:
        return False
    return True


def _is_of_its_kind(setting: Setting[Any], value: object) -> bool:
    if setting.kind == "choice":
        return any(value == each for each, _ in setting.choices)
    if setting.kind in ("int", "float"):
        number = type(value) is int or (setting.kind == "float" and type(value) is float)
        return number and setting.minimum <= value <= setting.maximum  # type: ignore[operator]
    return type(value) is type(setting.default) or (
        setting.default is None and isinstance(value, str)
    )


def _parsed(setting: Setting[T], given: str) -> Any:
    """The value of a variable's text; the text itself if it cannot be parsed."""
    if setting.kind == "bool":
        try:
            return parse_switch(given)
        except ValueError:
            return None
    try:
        return {"int": int, "float": float}.get(setting.kind, str)(given)
    except ValueError:
        return given
