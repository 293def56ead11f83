"""The engine speaks English; the app says it in the user's language."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from desktop.problems import sentence_for
from desktop.translation import FOLDER, EngineWords, engine_words, install_translators, spoken
from engine import errors
from engine.audio.reader import read_audio
from engine.errors import UserError
from engine.library.voice_library import VoiceLibrary
from engine.options import ConversionOptions
from tests.engine_sentences import all_templates, templates_of
from tests.translation_maker import LANGUAGES

TO_REPAIR = "run: python -m tests.engine_sentences, and translate what is new in the .json file"
GAP = re.compile(r"\{\w+\}")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ENGLISH = re.compile(r"\b(the|it|is|not|cannot|choose|file)\b", re.IGNORECASE)


def words_of(language: str) -> dict[str, str]:
    return json.loads((FOLDER / f"engine_{language}.json").read_text(encoding="utf-8"))


@pytest.fixture
def chinese(qapp: QApplication) -> Iterator[None]:
    translators = install_translators(qapp, "zh_TW")
    yield
    for each in translators:
        qapp.removeTranslator(each)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_engine_is_translated(language: str) -> None:
    wanted = all_templates()
    assert len(wanted) > 400
    words = words_of(language)
    missing = {place: text for text, place in wanted.items() if text not in words}
    assert missing == {}, TO_REPAIR
    assert sorted(set(words) - set(wanted)) == [], TO_REPAIR


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_filled_in_stands_in_the_translation_too(language: str) -> None:
    for text, translation in words_of(language).items():
        assert sorted(GAP.findall(translation)) == sorted(GAP.findall(text)), text
        assert translation.strip(), text


def test_each_class_of_error_is_said_in_chinese(chinese: None) -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, UserError)]
    assert len(kinds) >= 12
    for kind in kinds:
        error = kind('Cannot read "it is a folder.wav"', "the file is empty", "choose another file")
        assert sentence_for(error) == "無法讀取「it is a folder.wav」：檔案是空的；請選擇其他檔案。"


def test_real_failures_leave_no_english_behind(chinese: None, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "page.wav").write_text("<html>hello</html>" * 50)
    deeds = (
        lambda: read_audio(tmp_path / "empty.wav"),
        lambda: read_audio(tmp_path / "page.wav"),
        lambda: read_audio(tmp_path / "gone.wav"),
        lambda: read_audio(tmp_path),
        lambda: ConversionOptions(semitones=99),
        lambda: ConversionOptions(pitch_method="magic"),  # type: ignore[arg-type]
        lambda: ConversionOptions(protect=float(np.nan)),
        lambda: VoiceLibrary(tmp_path).get("Nobody"),
        lambda: VoiceLibrary(tmp_path).import_files((tmp_path / "page.wav",)),
    )
    for deed in deeds:
        with pytest.raises(UserError) as raised:
            deed()
        said = sentence_for(raised.value)
        assert CHINESE.search(said), said
        assert not ENGLISH.search(re.sub(r"「.*?」|\".*?\"", "", said)), said


def test_in_english_it_is_said_as_the_engine_says_it(qapp: QApplication) -> None:
    assert spoken('Cannot read "a.wav": the file is empty; choose another file.') == (
        'Cannot read "a.wav": the file is empty; choose another file.'
    )


def test_a_name_that_looks_like_a_sentence_does_not_lead_astray() -> None:
    words = engine_words("zh_TW")
    error = UserError('Cannot read "a: b; c.wav"', "the file is empty", "choose another file")
    assert words.say(str(error)) == "無法讀取「a: b; c.wav」：檔案是空的；請選擇其他檔案。"


def test_a_part_without_translation_stays_as_it_is() -> None:
    words = EngineWords({"{what}: {why}; {advice}.": "{what}：{why}；{advice}。", "b": "乙"})
    assert words.say("a: b; c.") == "a：乙；c。"
    assert words.say("Something else") == "Something else"
    assert words.say("") == ""


def test_gaps_beside_each_other_and_the_same_gap_twice_are_filled() -> None:
    words = EngineWords({"there are {a}{b}": "有{a}{b}", "{x} and {x}": "兩個{x}"})
    assert words.say("there are many") == "有many"
    assert words.say("q and q") == "兩個q"
    assert words.say("q and r") == "q and r"


def test_texts_are_found_wherever_they_stand_in_a_source() -> None:
    source = '''
"""Not this text."""
LATER = "try it again"
def f(name, n):
    """Nor this text."""
    raise Error(f"no room for {name}", "cut off: " + LATER, advice={1: "one word"}[n])
    raise ValueError("for programmers only")
'''
    found = {text for text, _ in templates_of(source)}
    assert found == {"try it again", "no room for {name}", "cut off: {later}", "one word"}
