"""Finds every message of the engine that a user may read in the app.

A message is the first argument of `Text`, or any other literal of two words or more;
documentation, f-strings, and what only the command line shows are left out.

``python -m tests.engine_sentences`` adds new messages to `resources/translations/engine_*.json`,
without translation, and removes those that are gone.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from desktop.translation import FOLDER

ROOT = Path(__file__).parents[1]

LEFT_OUT = (
    "engine/accelerators/coreml/export.py",
    "engine/accelerators/coreml/interpreter.py",
    "engine/accelerators/coreml/networks.py",
    "engine/accelerators/coreml/neural_engine.py",
    "engine/audio/tags/",
    "engine/cli/",
    "engine/measure/benchmark.py",
    "engine/measure/report.py",
    "engine/measure/roofline.py",
    "engine/inert_pickle.py",
    "engine/safetensors_file.py",
    "engine/measure/doctor.py",
    "engine/models/",
    "engine/measure/self_test.py",
    "engine/measure/synthetic.py",
)
"""Where only the command line, or nobody, shows what is said."""

NOT_SHOWN = frozenset(
    {
        "(from source)",
        "GPU-accelerated retrieval",
        "MRF HiFi-GAN",
        "Tunnel connection failed",
        "Tunnel connection failed:",
        "Ultimate RVC",
        "Ultimate RVC ",
        "import sounddevice; sounddevice._terminate(); sounddevice._initialize()",
        "UltimateRVC (voice conversion for macOS)",
        "before the start",
        "can't allocate memory",
        "invalid buffer size",
        "left as it is",
        "model name",
        "not enough memory",
        "other sound",
        "maximum allowed buffer size",
        "out of memory",
        "unable to allocate",
    }
)
"""Names, formats, what other programs or earlier versions say, and faults told as "damaged"."""

ALSO = ("desktop/problems.py", "desktop/listen/output_device.py", "desktop/listen/player.py")
"""Where the app says something in the way of the engine."""

_WORDS = re.compile(r"[A-Za-z]{2,}[,;:'’)]* +\(?[A-Za-z\"{]")
_LETTERS = re.compile(r"[A-Za-z]{2}")
_GAP = re.compile(r"\{[^}]*\}")
_CODES = re.compile(r"\w{4}( \w{4})+|[A-Z]{2,3}( [A-Z]{2,3})+")
_PROGRAMMERS_ERRORS = frozenset(
    {"ValueError", "RuntimeError", "TypeError", "PickleError", "OverBudgetError"}
)


def all_templates() -> dict[str, str]:
    """Each template with the place where it was found first."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "engine").rglob("*.py")):
        if not file.relative_to(ROOT).as_posix().startswith(LEFT_OUT):
            found = _of_file(file) | found
    for name in ALSO:
        found = _of_file(ROOT / name) | found
    return {
        text: place
        for text, place in found.items()
        if text not in NOT_SHOWN and not _CODES.fullmatch(text)
    }


def templates_of(source: str) -> Iterator[tuple[str, int]]:
    """Templates of a source with their lines."""
    tree = ast.parse(source)
    skipped = set(_not_shown(tree))
    named = set(_arguments_of_text(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        said = node in named and (
            _LETTERS.search(_GAP.sub("", node.value)) or len(gaps(node.value)) > 1
        )
        if said or (node not in skipped and _WORDS.search(node.value)):
            yield node.value, node.lineno


def gaps(template: str) -> list[str]:
    """The names of its gaps, sorted."""
    return sorted(name for _, name, _, _ in Formatter().parse(template) if name)


def _of_file(file: Path) -> dict[str, str]:
    where = file.relative_to(ROOT).as_posix()
    source = file.read_text(encoding="utf-8")
    return {text: f"{where}:{line}" for text, line in templates_of(source)}


def _arguments_of_text(tree: ast.AST) -> Iterator[ast.AST]:
    """Literals in the first argument of `Text`, which may be a choice between two."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == "Text" and node.args:
            yield from ast.walk(node.args[0])


def _not_shown(tree: ast.AST) -> Iterator[ast.AST]:
    """Documentation, parts of f-strings, help of the command line, the log, programmers' errors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "cli_help":
            yield node.value
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield from node.values
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from node.args if _name(node.func.value) == "_LOG" else ()
        raised = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(raised, ast.Call) and _name(raised.func) in _PROGRAMMERS_ERRORS:
            yield from raised.args


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def main() -> int:
    """Bring the files of words up to date; the exit code tells whether a translation is missing."""
    missing = 0
    for file in sorted(FOLDER.glob("engine_*.json")):
        known = json.loads(file.read_text(encoding="utf-8"))
        words = {text: known.get(text, "") for text in sorted(all_templates())}
        file.write_text(json.dumps(words, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        missing += sum(not translation for translation in words.values())
    print(f"{missing} messages of the engine without translation")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
