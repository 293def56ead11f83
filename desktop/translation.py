"""The app's and the engine's words in other languages, and Qt's own with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "translations"

_ENGLISH = "en"


def available_languages() -> tuple[str, ...]:
    """Those that there are words for, e.g. ``("en", "zh_TW")``."""
    found = sorted(path.stem.removeprefix("desktop_") for path in FOLDER.glob("desktop_*.qm"))
    return (_ENGLISH, *found)


def chosen_language(setting: str, system: list[str] | None = None) -> str:
    """The language to show.

    Parameters
    ----------
    setting : ``system``, or a language
    system : what the user's system prefers, best first; None asks it
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
    """Show the app in that language from now on; widgets made before keep their words.

    Translators of another language, which were installed before, are taken away.

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


SENTENCE = "{what}: {why}; {advice}."
"""How a `UserError` puts its three parts together."""

_GAP = re.compile(r"\{(\w+)\}")


class EngineWords:
    """The engine's texts in one language.

    Parameters
    ----------
    words : template and translation, the same gaps in both
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._plain = {text: said for text, said in words.items() if not _GAP.search(text)}
        gapped = [text for text in words if _GAP.search(text) and text != SENTENCE]
        gapped.sort(key=lambda text: -len(_GAP.sub("", text)))  # the most definite first
        self._gapped = [(_GAP.split(text), words[text]) for text in gapped]
        self._sentence = words.get(SENTENCE, SENTENCE)

    def say(self, text: str) -> str:
        """Sentences or a part of one, each line by itself; unknown text is given back."""
        return "\n".join(self._say_line(line) for line in text.split("\n"))

    def _say_line(self, line: str) -> str:
        if line in self._plain:
            return self._plain[line]
        ends = line.endswith(".")
        whole = self._part(line, ends=ends)
        best, known = line, 0
        for parts in _three_parts(line):
            said = [self._part(part) for part in parts]
            n_known = len(said) - said.count(None)
            if n_known > known:
                known = n_known
                shown = [new or old for new, old in zip(said, parts, strict=True)]
                best = self._sentence.format(what=shown[0], why=shown[1], advice=shown[2])
        return best if whole is None or known == len(_GAP.findall(SENTENCE)) else whole

    def _part(self, text: str, *, ends: bool = False) -> str | None:
        """A part of a sentence, or a whole one, which ``ends`` in a full stop."""
        if text in self._plain:
            return self._plain[text]
        for pieces, translation in self._gapped:
            if ends != pieces[-1].endswith("."):
                continue
            values = _values(pieces, text)
            if values is not None:
                told = {name: self._value(value) for name, value in values.items()}
                return _GAP.sub(lambda gap, told=told: told[gap[1]], translation)  # type: ignore[misc]
        return None

    def _value(self, text: str) -> str:
        """What stands in a gap: a text of the engine too, or a name, which stays as it is."""
        said = self._part(text) if " " in text else None
        return text if said is None else said


@lru_cache(maxsize=4)
def engine_words(language: str) -> EngineWords:
    """Of a language; of one without words, English."""
    file = FOLDER / f"engine_{language}.json"
    return EngineWords(json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {})


def _three_parts(line: str) -> Iterator[tuple[str, str, str]]:
    """Every way to read a line as `SENTENCE`; a file's name may hold the same signs."""
    if not line.endswith("."):
        return
    body = line[:-1]
    colons = [found.start() for found in re.finditer(": ", body)]
    semicolons = [found.start() for found in re.finditer("; ", body)]
    for colon in colons[:8]:
        for semicolon in semicolons[-8:]:
            if colon < semicolon:
                yield body[:colon], body[colon + 2 : semicolon], body[semicolon + 2 :]


def _values(pieces: list[str], text: str) -> dict[str, str] | None:
    """What stands in the gaps between every other piece; None where the text is another."""
    first, last = pieces[0], pieces[-1]
    if not text.startswith(first) or not text.endswith(last):
        return None
    values: dict[str, str] = {}
    at, end = len(first), len(text) - len(last)
    for name, piece in zip(pieces[1:-2:2], pieces[2:-1:2], strict=True):
        found = text.find(piece, at + 1, end) if piece else end
        if found < 0:
            return None
        if values.setdefault(name, text[at:found]) != text[at:found]:
            return None
        at = found + len(piece)
    if at > end:
        return None
    name = pieces[-2]
    return values if values.setdefault(name, text[at:end]) == text[at:end] else None


@lru_cache(maxsize=512)
def _said(language: str, text: str) -> str:
    return engine_words(language).say(text)


def spoken(text: str) -> str:
    """A text of the engine in the language that the app is shown in; of any thread."""
    # The translators that are installed say which: here stands the name of their own language.
    return _said(QCoreApplication.translate("engine_words", "en"), text)
