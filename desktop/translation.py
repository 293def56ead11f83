"""The app's and the engine's words in other languages, and Qt's own with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from engine.errors import Message, as_text

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "translations"

_ENGLISH = "en"


def available_languages() -> tuple[str, ...]:
    """Languages with a translation, e.g. ``("en", "zh_TW")``."""
    found = sorted(path.stem.removeprefix("desktop_") for path in FOLDER.glob("desktop_*.qm"))
    return (_ENGLISH, *found)


def chosen_language(setting: str, system: list[str] | None = None) -> str:
    """The language to show.

    Parameters
    ----------
    setting : ``system``, or a language
    system : the system's preferred languages, best first; None asks the system
    """
    languages = available_languages()
    if setting in languages:
        return setting
    for name in QLocale.system().uiLanguages() if system is None else system:
        plain = name.replace("-", "_")
        # Hong Kong and Macau write Traditional Chinese too; their tags need not say so.
        if plain.startswith("zh") and any(part in plain for part in ("Hant", "TW", "HK", "MO")):
            plain = "zh_TW"
        for language in languages:
            if plain == language or plain.split("_")[0] == language:
                return language
    return _ENGLISH


def install_translators(app: QCoreApplication, language: str) -> tuple[QTranslator, ...]:
    """Use this language from now on; existing widgets keep their texts.

    Removes the translators of another language.

    Returns
    -------
    The translators; Qt uses them as long as they live (they are the app's children).
    """
    for before in app.findChildren(QTranslator):
        app.removeTranslator(before)
        before.deleteLater()
    installed = []
    qt_folder = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath))
    for name, folder in ((f"qtbase_{language}", qt_folder), (f"desktop_{language}", FOLDER)):
        translator = QTranslator(app)
        if language != _ENGLISH and translator.load(name, str(folder)):
            app.installTranslator(translator)
            installed.append(translator)
    return tuple(installed)


def translate(message: Message) -> str:
    """A message of the engine in the language that the app is shown in; from any thread."""
    # The installed translators say which: their translation of "en" is their language's name.
    language = QCoreApplication.translate("engine_words", "en")
    return as_text(message).translated(catalogue(language))


def says(message: Message | None, words: str) -> bool:
    """Whether a message reads like this in the language that the app is shown in."""
    return message is not None and words == translate(message)


@lru_cache(maxsize=4)
def catalogue(language: str) -> Callable[[str], str]:
    """Gives the translation of a template, or the template itself where there is none."""
    file = FOLDER / f"engine_{language}.json"
    words: dict[str, str] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return lambda template: words.get(template) or template
