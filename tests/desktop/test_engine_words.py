"""The engine speaks English; the app says it in the user's language."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from desktop.problems import sentence_for
from desktop.translation import FOLDER, translate
from engine import errors
from engine.audio.reader import read_audio
from engine.errors import Text, UserError
from engine.library.voice_library import VoiceLibrary
from engine.options import ConversionOptions
from tests.engine_sentences import LEFT_OUT, ROOT, all_templates, gaps, templates_of
from tests.translation_maker import LANGUAGES

TO_REPAIR = "run: python -m tests.engine_sentences, and translate what is new in the .json file"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ENGLISH = re.compile(r"\b(the|it|is|not|cannot|choose|file)\b", re.IGNORECASE)


def words_of(language: str) -> dict[str, str]:
    return json.loads((FOLDER / f"engine_{language}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_engine_is_translated(language: str) -> None:
    wanted = all_templates()
    assert len(wanted) > 400
    words = words_of(language)
    missing = {place: text for text, place in wanted.items() if text not in words}
    assert missing == {}, TO_REPAIR
    assert sorted(set(words) - set(wanted)) == [], TO_REPAIR


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_same_gaps_as_its_template(language: str) -> None:
    for text, translation in words_of(language).items():
        assert gaps(translation) == gaps(text), text
        assert translation.strip(), text


def test_each_class_of_error_is_translated(chinese: None) -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, UserError)]
    assert len(kinds) >= 12
    for kind in kinds:
        what = Text('Cannot read "{name}"', name="it is a folder.wav")
        error = kind(what, "the file is empty", "choose another file")
        assert sentence_for(error) == "無法讀取「it is a folder.wav」：檔案是空的；請選擇其他檔案。"


def test_real_failures_contain_no_english(chinese: None, tmp_path: Path) -> None:
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


def test_in_english_a_message_is_shown_unchanged(qapp: QApplication) -> None:
    said = 'Cannot read "a.wav": the file is empty; choose another file.'
    assert translate(said) == said


def test_a_value_is_filled_in_after_the_translation_whatever_it_looks_like(chinese: None) -> None:
    name = "a: b; {c}. the file is empty"
    error = UserError(
        Text('Cannot read "{name}"', name=name), "the file is empty", "choose another file"
    )
    assert translate(error.text) == f"無法讀取「{name}」：檔案是空的；請選擇其他檔案。"


def test_a_part_without_translation_is_shown_in_english(chinese: None) -> None:
    assert translate(
        UserError("No such words {x}", "the file is empty", "choose another file").text
    ) == ("No such words {x}：檔案是空的；請選擇其他檔案。")
    assert translate("") == ""


def test_templates_are_found_wherever_they_stand_in_a_source() -> None:
    source = '''
"""Not this text."""
LATER = "try it again"
def f(name, n):
    """Nor this text."""
    print(f"nor {name} this text")
    raise Error(Text("no room for {name}", name=name), LATER, advice={1: "one word"}[n])
    raise Error(Text("decoder" if n else "encoder"))
    raise ValueError("for programmers only")
'''
    found = {text for text, _ in templates_of(source)}
    assert found == {"try it again", "no room for {name}", "one word", "decoder", "encoder"}


def test_no_error_of_the_engine_is_created_with_an_f_string() -> None:
    """An f-string cannot be translated: its template is gone. The command line speaks English."""
    names = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    found = [
        f"{file}:{node.lineno}"
        for file in sorted((ROOT / "engine").rglob("*.py"))
        if not file.relative_to(ROOT).as_posix().startswith(LEFT_OUT)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
        if list(finished_sentences(node))
    ]
    assert found == []


def finished_sentences(node: ast.AST) -> Iterator[ast.AST]:
    """F-strings below, but not those that are values of a `Text`."""
    if isinstance(node, ast.JoinedStr):
        yield node
    is_text = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Text"
    for child in node.args if is_text else ast.iter_child_nodes(node):
        yield from finished_sentences(child)
