"""Finds every sentence of the app, and keeps the translations in step with them.

``python -m tests.translation_maker`` adds new sentences to the .ts files (without translation),
takes out those that are gone, and compiles the .qm files that the app loads.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "resources" / "translations"
LANGUAGES = ("zh_TW",)


class Sentence(NamedTuple):
    """A text with the context that Qt looks it up in; ``counted`` if it has a plural."""

    context: str
    source: str
    counted: bool = False


class UntranslatableError(ValueError):
    """A text is given to ``tr`` that only exists while running."""


def all_sentences() -> set[Sentence]:
    """Of all files of the app."""
    files = sorted((ROOT / "desktop").rglob("*.py"))
    return {each for file in files for each in sentences_of(file)}


def sentences_of(file: Path) -> Iterator[Sentence]:
    """Of one file: ``self.tr``, ``translate``, ``QT_TRANSLATE_NOOP``, and a module's ``_tr``."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    wrapper = _wrapper_context(tree)
    for context, call in _calls(tree, ""):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else _name(call.func)
        texts = [a.value for a in call.args if isinstance(a, ast.Constant)]
        if name == "tr" and context:
            if not call.args or not isinstance(call.args[0], ast.Constant):
                raise UntranslatableError(f"{file.name}:{call.lineno}")
            yield Sentence(context, str(texts[0]), len(call.args) > 2)
        elif name in {"translate", "QT_TRANSLATE_NOOP"} and len(texts) >= 2:
            yield Sentence(str(texts[0]), str(texts[1]), len(call.args) > 3)
        elif name == "_tr" and texts and wrapper:
            yield Sentence(wrapper, str(texts[0]))


def read_ts(language: str) -> dict[Sentence, str]:
    """What the .ts file says; without a translation it is the empty string."""
    path = FOLDER / f"desktop_{language}.ts"
    if not path.exists():
        return {}
    found = {}
    for context in ET.parse(path).getroot().iter("context"):  # noqa: S314 - our own file
        name = context.findtext("name") or ""
        for message in context.iter("message"):
            counted = message.get("numerus") == "yes"
            where = "translation/numerusform" if counted else "translation"
            sentence = Sentence(name, message.findtext("source") or "", counted)
            found[sentence] = message.findtext(where) or ""
    return found


def write_ts(language: str, words: dict[Sentence, str]) -> Path:
    """Write the .ts file, in a fixed order."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<!DOCTYPE TS>"]
    lines.append(f'<TS version="2.1" language="{language}" sourcelanguage="en">')
    for context in sorted({sentence.context for sentence in words}):
        lines += ["<context>", f"    <name>{escape(context)}</name>"]
        for sentence in sorted(s for s in words if s.context == context):
            lines += _message(sentence, words[sentence])
        lines.append("</context>")
    path = FOLDER / f"desktop_{language}.ts"
    path.write_text("\n".join([*lines, "</TS>", ""]), encoding="utf-8")
    return path


def main() -> int:
    """Bring .ts and .qm up to date; the exit code tells whether a translation is missing."""
    missing = 0
    for language in LANGUAGES:
        known = read_ts(language)
        words = {sentence: known.get(sentence, "") for sentence in all_sentences()}
        path = write_ts(language, words)
        missing += sum(not translation for translation in words.values())
        tool = Path(sys.executable).parent / "pyside6-lrelease"
        subprocess.run([tool, path, "-qm", path.with_suffix(".qm")], check=True)
    print(f"{missing} sentences without translation")
    return 1 if missing else 0


def _message(sentence: Sentence, translation: str) -> list[str]:
    state = "" if translation else ' type="unfinished"'
    text = escape(translation)
    if sentence.counted:
        text = f"<numerusform>{text}</numerusform>"
    opening = '    <message numerus="yes">' if sentence.counted else "    <message>"
    return [
        opening,
        f"        <source>{escape(sentence.source)}</source>",
        f"        <translation{state}>{text}</translation>",
        "    </message>",
    ]


def _calls(node: ast.AST, context: str) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.ClassDef) else context
        if isinstance(child, ast.Call):
            yield inside, child
        yield from _calls(child, inside)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _wrapper_context(tree: ast.Module) -> str:
    """The context in which a module's own ``_tr`` looks its argument up."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "_tr":
            for _, call in _calls(node, ""):
                if call.args and isinstance(call.args[0], ast.Constant):
                    return str(call.args[0].value)
    return ""


if __name__ == "__main__":
    sys.exit(main())
