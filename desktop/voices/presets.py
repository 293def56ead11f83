"""Named settings, which can be exported and imported as a file.

A preset holds every option of conversions and of covers but those that belong to one file or one
voice: a pitch curve, a sound track, what the file is, its instrumental, and where the voice sounds
best. They stay as they are when a preset is applied; so do all options of covers with a preset
that has none, as they were written before there were covers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from desktop.settings.store import Settings
from desktop.storage import write_text
from engine.cover.options import COVER_OPTIONS, CoverOptions
from engine.errors import OptionError, Text, UserError
from engine.files import read_small_file
from engine.option import Option
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
_NOT_OF_SONGS = frozenset({"source_kind", "instrumental"})
_COVER = "cover"
"""Where a preset has the options of covers."""


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
        return ConversionOptions.from_record(self._kept(name)).with_values(kept)

    def applied_to_song(self, name: str, to: CoverOptions) -> CoverOptions:
        """The options of a cover with those of a preset."""
        record = self._kept(name)
        if _COVER not in record:
            return to
        kept = {each: to.value(each) for each in _NOT_OF_SONGS}
        return CoverOptions.from_record(record[_COVER]).with_values(kept)

    def matches(
        self, name: str, options: ConversionOptions, song: CoverOptions | None = None
    ) -> bool:
        """Whether the options, and those of a cover if there is one, are those of a preset."""
        if song is not None and self.applied_to_song(name, song) != song:
            return False
        return not self.applied(name, options).changes(options)

    def save(self, name: str, options: ConversionOptions, song: CoverOptions) -> str:
        """Save options under a name, replacing a preset of that name; returns the name as kept."""
        return self._add(name, {**_record(options), _COVER: _song_record(song)})

    def delete(self, name: str) -> None:
        """Delete a preset."""
        self._keep({key: each for key, each in self._records().items() if key != name}, "")

    def export(self, name: str, path: Path) -> None:
        """Write a preset to a file.

        Raises
        ------
        PresetError : the file cannot be written
        """
        record = self._kept(name)
        songs = {_COVER: record.pop(_COVER)} if _COVER in record else {}
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "name": name,
            "options": record,
            **songs,
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
        try:
            record = _settings(path, content.get("options"), all_options(), _NOT_IN_PRESETS)
            made = _record(ConversionOptions().with_values(record))
            if _COVER in content:
                record = _settings(path, content[_COVER], COVER_OPTIONS, _NOT_OF_SONGS)
                made[_COVER] = _song_record(CoverOptions().with_values(record))
        except OptionError as error:
            raise _refused(path, error.why) from error
        wanted = content.get("name")
        name = _tidy(wanted if isinstance(wanted, str) and wanted.strip() else path.stem)
        free, number = name, 2
        while free in self._records():
            free, number = f"{name} {number}", number + 1
        return self._add(free, made)

    def _records(self) -> dict[str, Any]:
        kept = self._settings.memory(_PRESETS)
        return dict(kept) if isinstance(kept, dict) else {}

    def _kept(self, name: str) -> dict[str, Any]:
        record = self._records().get(name)
        return dict(record) if isinstance(record, dict) else {}

    def _add(self, name: str, record: dict[str, Any]) -> str:
        name = _tidy(name)
        self._keep({**self._records(), name: record}, name)
        return name

    def _keep(self, records: dict[str, Any], chosen: str) -> None:
        self._settings.remember(_PRESETS, records)
        self.choose(chosen)


def _record(options: ConversionOptions) -> dict[str, Any]:
    return {
        name: value for name, value in options.to_record().items() if name not in _NOT_IN_PRESETS
    }


def _song_record(song: CoverOptions) -> dict[str, Any]:
    return {name: value for name, value in song.to_record().items() if name not in _NOT_OF_SONGS}


def _settings(
    path: Path, record: object, options: Iterable[Option], others: frozenset[str]
) -> dict[str, Any]:
    """The values of a file by option; those of ``others`` are never in a preset.

    Raises
    ------
    PresetError : there are none, or one of an unknown option
    """
    if not isinstance(record, dict):
        raise _refused(path, "it holds no settings")
    known = {each.name for each in options} - others
    unknown = sorted(plain(str(name)) for name in record if name not in known)
    if unknown:
        raise _refused(path, Text('it has the unknown setting "{name}"', name=unknown[0]))
    return record


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
