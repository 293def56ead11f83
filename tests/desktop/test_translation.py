from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QTranslator
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel
from pytestqt.qtbot import QtBot

from desktop.listen.listen_panel import ListenPanel
from desktop.settings.store import Settings
from desktop.shell.settings_window import SettingsWindow
from desktop.storage import AppPaths
from desktop.translation import (
    FOLDER,
    available_languages,
    chosen_language,
    install_translators,
)
from tests.translation_maker import LANGUAGES, all_sentences, read_ts

TO_REPAIR = "run: python -m tests.translation_maker, and translate what is new in the .ts file"
PLACEHOLDER = re.compile(r"\{\w+\}|%n")
SAME_EVERYWHERE = frozenset({"English", "繁體中文", "https://…"})


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[str]:
    """The app speaks this language during the test."""
    translators = install_translators(qapp, request.param)
    assert len(translators) == 2, "the app's own words, and Qt's"
    yield request.param
    for translator in translators:
        qapp.removeTranslator(translator)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_app_is_translated(language: str) -> None:
    words = read_ts(language)
    wanted = all_sentences()
    assert len(wanted) > 200
    assert {s for s in wanted if not words.get(s)} == set(), TO_REPAIR
    assert set(words) - wanted == set(), TO_REPAIR


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translated_sentence_has_the_same_gaps(language: str) -> None:
    for sentence, translation in read_ts(language).items():
        expected = sorted(PLACEHOLDER.findall(sentence.source))
        assert sorted(PLACEHOLDER.findall(translation)) == expected, sentence.source


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_matches_the_ts_file(language: str) -> None:
    translator = QTranslator()
    assert translator.load(f"desktop_{language}", str(FOLDER))
    for sentence, translation in read_ts(language).items():
        n = 3 if sentence.counted else -1
        told = translator.translate(sentence.context, sentence.source, "", n)
        assert told == translation, TO_REPAIR


@pytest.mark.parametrize(
    ("setting", "system", "expected"),
    [
        ("en", ["zh-Hant-TW"], "en"),
        ("zh_TW", ["en-US"], "zh_TW"),
        ("system", ["zh-Hant-TW", "en"], "zh_TW"),
        ("system", ["zh-TW"], "zh_TW"),
        ("system", ["zh-Hant-HK", "zh-HK"], "zh_TW"),
        ("system", ["zh-Hans-CN", "en-CN"], "en"),
        ("system", ["fi-FI", "zh-Hant-TW"], "zh_TW"),
        ("system", ["fi-FI"], "en"),
        ("system", [], "en"),
        ("xx", ["en-GB"], "en"),
    ],
)
def test_the_language_follows_the_setting_then_the_system(
    setting: str, system: list[str], expected: str
) -> None:
    assert chosen_language(setting, system) == expected


def test_english_and_traditional_chinese_are_there() -> None:
    assert set(available_languages()) >= {"en", "zh_TW"}


def test_qts_own_texts_are_translated(language: str) -> None:
    assert QCoreApplication.translate("QPlatformTheme", "Cancel") != "Cancel"


def test_the_panes_contain_no_english_and_no_button_is_cut_off(
    qtbot: QtBot, language: str, app_paths: AppPaths, settings: Settings
) -> None:
    window = SettingsWindow(settings, app_paths, app_paths.data / "models")
    panel = ListenPanel(settings, app_paths.cache)
    english = {sentence.source for sentence in all_sentences()} - SAME_EVERYWHERE
    english -= set(read_ts(language).values())  # e.g. "Index" may stay what it is
    for widget in (window, panel):
        qtbot.addWidget(widget)
        widget.resize(widget.minimumSizeHint())
        widget.show()
    for key in ("general", "optimization", "voices", "models", "advanced"):
        window.show_pane(key)
        QApplication.processEvents()
        shown = [*window.findChildren(QLabel), *window.findChildren(QAbstractButton)]
        shown += [*panel.findChildren(QLabel), *panel.findChildren(QAbstractButton)]
        texts = {widget.text().removesuffix(":") for widget in shown}
        assert texts & english == set()
        for button in window.findChildren(QAbstractButton):
            if button.isVisible():
                assert button.width() >= button.minimumSizeHint().width(), button.text()
