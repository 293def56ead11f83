"""Text from outside (file names, labels, listings) as it may be shown: one line, no tricks."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

_JOINERS = frozenset("\u200c\u200d")
"""Emoji, Persian and Indic scripts need them."""

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories: control characters, marks of direction and other invisible ones, halves."""

_PATH = re.compile(
    r"(?:(?<=[\s\"'(=])|^)(?:[A-Za-z]:[\\/]|~?/)(?=\S)[^\n\"'<>|:]*[\\/]", re.MULTILINE
)


def plain(text: str) -> str:
    """The text with "?" for each character that a terminal or a label would obey or not show."""
    if text.isprintable():
        return text
    return "".join(
        "?" if unicodedata.category(each) in HIDDEN and each not in _JOINERS else each
        for each in text
    )


def plain_lines(text: str) -> str:
    """`plain` for a text of several lines."""
    return "\n".join(map(plain, text.split("\n")))


def without_folders(text: str) -> str:
    """The text with every absolute path shortened to its last part."""
    root = Path(__file__).resolve().parents[1]
    for known in (f"{root}/", f"{Path(sys.prefix).resolve()}/", f"{Path(sys.base_prefix)}/"):
        text = text.replace(known, "")
    return _PATH.sub("…/", text)
