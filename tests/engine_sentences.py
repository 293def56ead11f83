"""Finds every text of the engine that a user may read in the app.

A text is a literal of the source that holds two words; documentation, and what only the command
line or the makers see, are left out. What is only known while running becomes a ``{name}``.

``python -m tests.engine_sentences`` adds new texts to `resources/translations/engine_*.json`,
without translation, and takes out those that are gone.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from desktop.translation import FOLDER, SENTENCE

ROOT = Path(__file__).parents[1]

LEFT_OUT = (
    "engine/cli/",
    "engine/measure/benchmark",
    "engine/checkpoint_object.py",
    "engine/checkpoint_pickle.py",
    "engine/measure/doctor.py",
    "engine/models/",
    "engine/network_signature.py",
    "engine/profiling.py",
    "engine/measure/self_test.py",
    "engine/measure/synthetic.py",
    "engine/measure/voice_report.py",
)
"""Where only the command line, or nobody, shows what is said."""

NOT_SHOWN = frozenset(
    {
        "(from source)",
        "Basic {token}",
        "PyTorch {torch}",
        "Python {python_version}",
        "PySide6 {version_of}, torch {version_of2}",
        "Tunnel connection failed",
        "Tunnel connection failed:",
        "Ultimate RVC",
        "Ultimate RVC {app_version}",
        "UltimateRVC (voice conversion for macOS)",
        "a reference to what is no storage",
        "a record cut short",
        "a storage larger than the file",
        "a storage of another length than stated",
        "a storage of two types",
        "a storage that is part of another (PyTorch 0.1)",
        "a storage without type, key or length",
        "a table too large",
        "a tensor where none belongs",
        "an unknown protocol",
        "before the start",
        "can't allocate memory",
        "invalid buffer size",
        "macOS {mac}",
        "model name",
        "module {name} has no attribute {name2}",
        "mov ({strip})",
        "not enough memory",
        "out of memory",
        "records that do not fit into the file",
        "storages that were not promised",
    }
)
"""Names, formats, what other programs say, and faults that are told as "damaged"."""

ALSO = ("desktop/problems.py", "desktop/listen/output_device.py", "desktop/listen/player.py")
"""Where the app says something in the way of the engine."""

_WORDS = re.compile(r"[A-Za-z]{2,}[,;:'’)]* +\(?[A-Za-z\"{]")
_CODES = re.compile(r"\w{4}( \w{4})+")
_NAME = re.compile(r"\W+")


def all_templates() -> dict[str, str]:
    """Each template with the place where it was found first."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "engine").rglob("*.py")):
        if not file.relative_to(ROOT).as_posix().startswith(LEFT_OUT):
            found = _of_file(file) | found
    for name in ALSO:
        found = _of_file(ROOT / name) | found
    unseen = (text for text in found if text in NOT_SHOWN or _CODES.fullmatch(text))
    return {text: found[text] for text in found.keys() - set(unseen)}


def templates_of(source: str) -> Iterator[tuple[str, int]]:
    """Templates of a source with their lines."""
    tree = ast.parse(source)
    skipped = set(_documentation(tree))
    yield from _below(tree, skipped)


def _of_file(file: Path) -> dict[str, str]:
    where = file.relative_to(ROOT).as_posix()
    source = file.read_text(encoding="utf-8")
    return {text: f"{where}:{line}" for text, line in templates_of(source)}


def _documentation(tree: ast.AST) -> Iterator[ast.AST]:
    """Literals that stand by themselves, those of a raise for programmers, and subscripts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            kind = node.exc.func
            if isinstance(kind, ast.Name) and kind.id in {
                "ValueError",
                "RuntimeError",
                "TypeError",
            }:
                yield from node.exc.args


def _below(node: ast.AST, skipped: set[ast.AST]) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if child in skipped:
            continue
        template = _template(child, {})
        if template is None:
            yield from _below(child, skipped)
            continue
        if _WORDS.search(template) or template == SENTENCE:
            yield template, child.lineno  # type: ignore[attr-defined]
        for part in ast.walk(child):  # a text may stand inside another's placeholder
            if isinstance(part, ast.FormattedValue):
                yield from _below(part, skipped)


def _template(node: ast.AST, names: dict[str, str]) -> str | None:
    """The text with a ``{name}`` for each value; None where it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else _hole(part, names)
            for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _template(node.left, names), _template(node.right, names)
        if left is None and right is None:
            return None
        return (left or _hole(node.left, names)) + (right or _hole(node.right, names))
    return None


def _hole(node: ast.AST, names: dict[str, str]) -> str:
    inner = node.value if isinstance(node, ast.FormattedValue) else node
    code = ast.unparse(inner)
    if code not in names:
        last = [each for each in ast.walk(inner) if isinstance(each, ast.Name | ast.Attribute)]
        first = last[0] if last else None
        word = first.attr if isinstance(first, ast.Attribute) else getattr(first, "id", "value")
        word = _NAME.sub("", word).strip("_").lower() or "value"
        while word in names.values():
            word += "2"
        names[code] = word
    return "{" + names[code] + "}"


def main() -> int:
    """Bring the files of words up to date; the exit code tells whether a translation is missing."""
    missing = 0
    for file in sorted(FOLDER.glob("engine_*.json")):
        known = json.loads(file.read_text(encoding="utf-8"))
        words = {text: known.get(text, "") for text in sorted(all_templates())}
        file.write_text(json.dumps(words, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        missing += sum(not translation for translation in words.values())
    print(f"{missing} texts of the engine without translation")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
