"""English sentences of random words in fixed patterns, so that every sound meets every other."""

from __future__ import annotations

import gzip
import json
import random
import re
from importlib.resources import files

WORDS = {
    "noun": "river teacher window garden doctor engine letter bridge morning kitchen market sister "
    "soldier picture winter machine village captain forest lawyer ocean pocket mountain child "
    "friend woman uncle thief judge guitar camera station church shadow voice thunder basket "
    "butcher measure treasure vision joy choice noise mouth earth path youth length strength",
    "adjective": "old quiet bright heavy broken gentle early northern strange yellow foolish huge "
    "smooth rough thick thin loud useful cheap fresh young wooden brave usual casual other sharp",
    "verb": "found carried watched followed painted answered opened forgot brought measured chose "
    "pushed pulled caught taught thought showed judged reached joined visited lost sold bought",
    "place": "in under behind beside over across near through with without beyond toward above",
    "number": "one two three four five six seven eight nine ten eleven twelve thirteen twenty "
    "forty fifty-six seventy ninety hundred thousand",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January March July August",
}
PATTERNS = (
    "The {adjective} {noun} {verb} the {noun} {place} the {noun}.",
    "Why did {word} {verb} that {adjective} {noun} before the {noun}?",
    "She {verb} a {noun}, a {noun} and the {adjective} {noun}.",
    "I never {verb} such a {adjective} {noun} {place} my {noun}!",
    "If you {word} the {noun}, they would have {verb} our {adjective} {noun}.",
    "{word}, {word}, {word}, {word} and {word}.",
    "He said the {word} was {adjective} and the {word} {verb} {word} {place} it.",
    "We {verb} {word} {place} {word} while the {word} {noun} {verb} {word}.",
    "There is {word} {word} {place} his {noun}, although nobody {verb} it.",
    "Their {word} {noun} usually {verb} {number} {noun}s on {day}.",
    "{word} {number}, {word} {number}.",
)
RARE = 0.35
"""Share of nouns, verbs and adjectives that are any word of the dictionary instead."""


class Writer:
    """Writes sentences with the pronouncing dictionary that the TTS ships."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        packed = files("hibari").joinpath("assets/lexicon_us_gold.json.gz").read_bytes()
        known = json.loads(gzip.decompress(packed))
        self._any = sorted(w for w in known if w.isalpha() and w.islower() and 3 <= len(w) <= 11)
        self._kinds = {kind: words.split() for kind, words in WORDS.items()}

    def sentence(self) -> str:
        """One more."""
        text = re.sub(r"{(\w+)}", self._word, self._chance.choice(PATTERNS))
        return text[0].upper() + text[1:]

    def _word(self, match: re.Match[str]) -> str:
        kind = match[1]
        rare = kind in ("noun", "verb", "adjective") and self._chance.random() < RARE
        return self._chance.choice(self._any if rare or kind == "word" else self._kinds[kind])
