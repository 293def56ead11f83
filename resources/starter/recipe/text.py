"""Sentences to be spoken: plain words, a small grammar, and a few lines with rare sounds."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

WORD_LIST = Path("/usr/share/dict/american-english")
"""Debian's package wamerican."""

SUBJECTS = (
    "the boy|my sister|our teacher|a tall man|the young doctor|every student|the captain"
    "|his brother|the old woman|a clever fox|the city council|your neighbor|the painter"
    "|a quiet girl|the pilot|their father|the judge|nobody|someone|the whole group|this machine"
    "|the small orange cat|a hungry shark|the thirsty horse|the weather service"
).split("|")
VERBS = (
    "found|carried|watched|opened|painted|sold|borrowed|measured|followed|finished|pushed|washed"
    "|described|changed|threw|caught|heard|enjoyed|fixed|ignored|showed|bought|broke|chose|drew"
    "|moved|checked|used|judged|answered"
).split("|")
OBJECTS = (
    "a yellow box|the heavy door|three thick books|the broken chair|some fresh bread"
    "|a letter from home|the bright light|her new shoes|the usual path|a cheap watch"
    "|the thin blue thread|his favorite song|the garden gate|a bowl of soup|the large map"
    "|an empty bottle|the front page|a good idea|those green leaves|the noisy engine"
    "|a piece of cheese|the right answer|the voice on the radio|a cup of tea|the wooden bridge"
    "|eight small stones"
).split("|")
CIRCUMSTANCES = (
    "near the river|before lunch|after the rain|in the morning|without a sound|on the other side"
    "|at half past four|under the table|with great care|last Thursday|in the middle of the night"
    "|for the first time|through the open window|behind the church|as usual|with both hands"
    "|during the long winter|at the end of the road|in July|over the hill"
).split("|")
OPENINGS = (
    "I think|We know that|Please remember that|She said|Yesterday|In my opinion|Perhaps|Of course"
    "|Usually|Did you hear that|They told us that|Suddenly|For some reason|It is true that|Oh yes,"
    "|However,"
).split("|")
RARE_SOUNDS = (
    "Zero one two three four five six seven eight nine ten.",
    "Eleven twelve thirteen fourteen fifteen sixteen seventeen.",
    "Good morning, how are you today?",
    "Could you please say that again?",
    "I would rather go home than wait here any longer.",
    "What time does the next train leave?",
    "The measure of pleasure is usually a matter of vision.",
    "Each judge changed the large orange badge.",
    "They breathe the smooth air with those other brothers.",
    "Why did you go away so early?",
    "How now brown cow.",
    "Join the noisy boys and enjoy the toys.",
    "Sing a song about the spring and bring everything along.",
    "You used a huge cube of music.",
    "Both of them thought nothing of the ninth month.",
    "Vivid voices have very varied values.",
)
HELD_OUT = (
    "the birch canoe slid on the smooth planks",
    "glue the sheet to the dark blue background",
    "it is easy to tell the depth of a well",
    "these days a chicken leg is a rare dish",
    "rice is often served in round bowls",
    "the juice of lemons makes fine punch",
    "the box was thrown beside the parked truck",
    "four hours of steady work faced us",
    "a large size in stockings is hard to sell",
    "the boy was there when the sun rose",
    "a rod is used to catch pink salmon",
    "the source of the huge river is the clear spring",
    "kick the ball straight and follow through",
    "help the woman get back to her feet",
    "a pot of tea helps to pass the evening",
    "smoky fires lack flame and heat",
)
"""Harvard sentences (IEEE 1969) that only the report speaks."""

_SHARE_OF_WORDS = 0.4
_SHARE_OF_GRAMMAR = 0.5
_SHARE_OF_OPENINGS = 0.4


def sentence(chance: random.Random) -> str:
    """One sentence; the same `chance` gives the same ones."""
    kind = chance.random()
    if kind < _SHARE_OF_WORDS:
        words = [chance.choice(_words()) for _ in range(chance.randint(5, 9))]
        return " ".join(words).capitalize() + "."
    if kind < _SHARE_OF_WORDS + _SHARE_OF_GRAMMAR:
        parts = [chance.choice(each) for each in (SUBJECTS, VERBS, OBJECTS, CIRCUMSTANCES)]
        if chance.random() < _SHARE_OF_OPENINGS:
            parts.insert(0, chance.choice(OPENINGS))
        text = " ".join(parts)
        return text[0].upper() + text[1:] + chance.choice("..?!")
    return chance.choice(RARE_SOUNDS)


@cache
def _words() -> tuple[str, ...]:
    lines = WORD_LIST.read_text(encoding="utf-8").split()
    plain = (word for word in lines if word.isascii() and word.isalpha() and word.islower())
    return tuple(word for word in plain if 3 <= len(word) <= 9)
