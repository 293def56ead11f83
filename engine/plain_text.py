"""Text from outside (file names, labels, listings) as it may be shown: one line, no tricks."""

from __future__ import annotations

import unicodedata

_JOINERS = frozenset("\u200c\u200d")
"""Emoji, Persian and Indic scripts need them."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control characters, marks of direction and other invisible ones, halves of characters."""


def plain(text: str) -> str:
    """The text with "?" for each character that a terminal or a label would obey or not show."""
    if text.isprintable():
        return text
    return "".join(
        "?" if unicodedata.category(each) in _HIDDEN and each not in _JOINERS else each
        for each in text
    )
