"""Named settings, which can be exported and imported as a file.

A preset holds every option but those that belong to one file or one voice: a pitch curve, a sound
track, and where the voice sounds best. They stay as they are when a preset is applied.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from desktop.settings.store import Settings
from desktop.storage import write_text
from engine.errors import OptionError, Text, UserError
from engine.files import read_small_file
from engine.options import ConversionOptions, all_options
from engine.plain_text import plain

SUFFIX = ".rvcpreset"
_FORMAT = "Ultimate RVC preset"
_VERSION = 1
_MOST_BYTES = 1 << 20
_LONGEST_NAME = 60
_PRESETS = "presets"
_CHOSEN = "presets.chosen"
_NOT_IN_PRESETS = frozenset({"f0_file", "track", "voice_pitch_hz", "overwrite"})


class PresetError(UserError):
    """A file cannot be imported as a preset."""


class Presets(QObject):
    """The user's presets, kept in the settings.

    Signals
    -------
    changed : there are others, or another one is chosen
    """

    changed = Signal()

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings

    def names(self) -> list[str]:
        """All of them, sorted."""
        return sorted(self._records(), key=str.casefold)

    @property
    def chosen(self) -> str:
        """The one that was saved or applied last; "" for none."""
        name = self._settings.memory(_CHOSEN)
        return name if isinstance(name, str) and name in self._records() else ""

    def choose(self, name: str) -> None:
        """Remember which one was applied; "" for none."""
        self._settings.remember(_CHOSEN, name)
        self.changed.emit()

    def applied(self, name: str, to: ConversionOptions) -> ConversionOptions:
        """The options with those of a preset."""
        kept = {each: to.value(each) for each in _NOT_IN_PRESETS}
        return ConversionOptions.from_record(self._records().get(name)).with_values(kept)

    def matches(self, name: str, options: ConversionOptions) -> bool:
        """Whether the options are those of a preset."""
        return not self.applied(name, options).changes(options)

    def save(self, name: str, options: ConversionOptions) -> str:
        """Save options under a name, replacing a preset of that name; returns the name as kept."""
        name = _tidy(name)
        self._keep({**self._records(), name: _record(options)}, name)
        return name

    def delete(self, name: str) -> None:
        """Delete a preset."""
        self._keep({key: each for key, each in self._records().items() if key != name}, "")

    def export(self, name: str, path: Path) -> None:
        """Write a preset to a file.

        Raises
        ------
        PresetError : the file cannot be written
        """
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "name": name,
            "options": self._records().get(name, {}),
        }
        try:
            write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            raise PresetError(
                Text('Cannot save the preset "{name}"', name=name),
                Text("{reason}", reason=error.strerror or type(error).__name__),
                "choose another folder",
            ) from error

    def import_file(self, path: Path) -> str:
        """Add the preset of a file, under a name that is free; returns the name.

        Raises
        ------
        PresetError : it is not a preset, or one with settings that this version does not know
        """
        content = _read(path)
        record = content.get("options")
        try:
            if not isinstance(record, dict):
                raise _refused(path, "it holds no settings")
            known = {each.name for each in all_options()} - _NOT_IN_PRESETS
            unknown = sorted(plain(str(name)) for name in record if name not in known)
            if unknown:
                raise _refused(path, Text('it has the unknown setting "{name}"', name=unknown[0]))
            options = ConversionOptions().with_values(record)
        except OptionError as error:
            raise _refused(path, error.why) from error
        wanted = content.get("name")
        name = _tidy(wanted if isinstance(wanted, str) and wanted.strip() else path.stem)
        free, number = name, 2
        while free in self._records():
            free, number = f"{name} {number}", number + 1
        return self.save(free, options)

    def _records(self) -> dict[str, Any]:
        kept = self._settings.memory(_PRESETS)
        return dict(kept) if isinstance(kept, dict) else {}

    def _keep(self, records: dict[str, Any], chosen: str) -> None:
        self._settings.remember(_PRESETS, records)
        self.choose(chosen)


def _record(options: ConversionOptions) -> dict[str, Any]:
    return {
        name: value for name, value in options.to_record().items() if name not in _NOT_IN_PRESETS
    }


def _tidy(name: str) -> str:
    return plain(name).strip()[:_LONGEST_NAME].strip() or "?"


def _read(path: Path) -> dict[str, Any]:
    """The content of a preset's file."""
    try:
        content = json.loads(read_small_file(path, _MOST_BYTES).decode("utf-8"))
    except OSError as error:
        reason = Text("{reason}", reason=error.strerror or type(error).__name__)
        raise _refused(path, reason) from error
    except (ValueError, RecursionError) as error:
        raise _refused(path, "it is not the file of a preset") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise _refused(path, "it is not the file of a preset")
    if content.get("version") != _VERSION:
        raise _refused(path, "it was made by a newer version of this program")
    return content


def _refused(path: Path, why: Text | str) -> PresetError:
    return PresetError(
        Text('Cannot import "{name}"', name=plain(path.name)),
        why,
        "choose a file that was exported as a preset",
    )
