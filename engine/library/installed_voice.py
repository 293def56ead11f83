"""One installed voice, and the card (``card.json``) in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import OptionError, Text
from engine.files import atomic_file, read_small_file
from engine.library.naming import clean_name
from engine.options import ConversionOptions, voice_options
from engine.paths import VOICE_INDEX_FILE, VOICE_WEIGHTS_FILE, data_folder, starter_dir

VOICES_VARIABLE = "URVC_VOICES_DIR"

Fact = str | int | float | bool | None

ORIGINAL_FILE = "original.pth"
CARD_FILE = "card.json"
PICTURE_FILES = ("picture.png", "picture.jpg", "picture.webp")

STARTER_ID = "starter"

_FORMAT = 1
_LONGEST_CARD = 2**20


def voices_dir(override: Path | None = None) -> Path:
    """The folder of the installed voices; it need not exist yet.

    Parameters
    ----------
    override : from ``--voices-dir``; else the environment's ``URVC_VOICES_DIR``, else the user's
        data folder of this system

    Returns
    -------
    An absolute path.
    """
    return data_folder("voices", VOICES_VARIABLE, override)


@dataclass(frozen=True)
class InstalledVoice:
    """A voice of the library.

    Attributes
    ----------
    id : never changes while the voice is installed; the first 16 digits of `content_sha256`
    weights : ``voice.safetensors``, or the starter's ``.pth``
    index, picture, original : None if it came without one
    source : the file or address it came from
    imported : when, ISO 8601 in UTC; "" for the starter
    defaults : values of `engine.options.voice_options` by name
    facts : what its checkpoint says, as in `engine.voice.VoiceCard`
    built_in : the starter voice, which cannot be changed
    """

    id: str
    name: str
    folder: Path
    weights: Path
    index: Path | None = None
    picture: Path | None = None
    original: Path | None = None
    source: str = ""
    imported: str = ""
    content_sha256: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Fact] = field(default_factory=dict)
    built_in: bool = False

    def options(self, **explicit: Any) -> ConversionOptions:
        """Options of a job with this voice; explicit values override its defaults."""
        return ConversionOptions().with_values({**self.defaults, **explicit})


def starter_voice() -> InstalledVoice:
    """The voice that comes with the program; its card says what reading its weights would tell."""
    folder = starter_dir()
    card = _read_card(folder / CARD_FILE)
    return InstalledVoice(
        id=STARTER_ID,
        name="Starter",
        folder=folder,
        weights=folder / "voice.pth",
        index=folder / "starter.index",
        content_sha256=_text(card, "content_sha256"),
        facts=_facts(card.get("facts")),
        built_in=True,
    )


def checked_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Valid defaults of a voice, without those that equal the program's own."""
    known = [each.name for each in voice_options()]
    for name in values:
        if name not in known:
            raise OptionError(
                Text('Cannot save "{option}" with a voice', option=name),
                "it is a setting of a job, not of a voice",
                Text("use one of {options}", options=", ".join(known)),
            )
    return ConversionOptions().with_values(values).changes()


def read_voice(folder: Path) -> InstalledVoice | None:
    """The voice in a folder; None if there is none. Damaged fields of its card are ignored."""
    weights = folder / VOICE_WEIGHTS_FILE
    if not weights.is_file():
        return None
    card = _read_card(folder / CARD_FILE)
    pictures = [folder / name for name in PICTURE_FILES]
    index, original = folder / VOICE_INDEX_FILE, folder / ORIGINAL_FILE
    return InstalledVoice(
        id=folder.name,
        name=clean_name(_text(card, "name")) or folder.name,
        folder=folder,
        weights=weights,
        index=index if index.is_file() else None,
        picture=next((picture for picture in pictures if picture.is_file()), None),
        original=original if original.is_file() else None,
        source=_text(card, "source"),
        imported=_text(card, "imported"),
        content_sha256=_text(card, "content_sha256"),
        defaults=_defaults(card.get("defaults")),
        facts=_facts(card.get("facts")),
    )


def write_card(voice: InstalledVoice, folder: Path) -> None:
    """Replace the card in one step."""
    card = {
        "format": _FORMAT,
        "name": voice.name,
        "source": voice.source,
        "imported": voice.imported,
        "content_sha256": voice.content_sha256,
        "defaults": dict(voice.defaults),
        "facts": dict(voice.facts),
    }
    with (
        atomic_file(folder / CARD_FILE, overwrite=True) as descriptor,
        os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file,
    ):
        json.dump(card, file, ensure_ascii=False, indent=1)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(read_small_file(path, _LONGEST_CARD))
    except (OSError, ValueError, RecursionError):
        return {}
    return card if isinstance(card, dict) else {}


def _text(card: Mapping[str, Any], key: str) -> str:
    value = card.get(key)
    return value if isinstance(value, str) else ""


def _defaults(values: object) -> dict[str, Any]:
    """Unknown ones (of a newer program) and invalid ones are left out."""
    if not isinstance(values, dict):
        return {}
    kept: dict[str, Any] = {}
    for name, value in values.items():
        try:
            kept = checked_defaults({**kept, name: value})
        except OptionError:
            continue
    return kept


def _facts(values: object) -> dict[str, Fact]:
    if not isinstance(values, dict):
        return {}
    return {
        name: value
        for name, value in values.items()
        if isinstance(name, str) and (value is None or isinstance(value, str | int | float | bool))
    }
