"""Names of voices: what file names tell (singer, epoch, matching index), and what users see."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

LONGEST_NAME = 80

_TRAINING = re.compile(r"[GD]_(\d+|latest)\.pth|(f0)?[GD]\d+k.*\.pth", re.IGNORECASE)
"""Training checkpoints and base models, which many archives contain beside the voice."""

_TAIL = re.compile(
    r"[ _\-.]+(?P<mark>best([ _\-]epoch)?"
    r"|e(poch)?[ _\-]?(?P<e1>\d{1,6})|(?P<e2>\d{1,6})(e|[ _\-]?epochs?)"
    r"|s(teps?)?[ _\-]?(?P<s1>\d{1,8})|(?P<s2>\d{1,8})(s|[ _\-]?steps?))$",
    re.IGNORECASE,
)
"""One training mark at the end of a stem: ``_e200``, ``_200e``, ``_s4000``, ``_best_epoch``."""

_INDEX_FRAME = re.compile(
    r"^(?P<kind>added|trained)_(IVF\d+_)?(Flat_)?(nprobe_\d+_?)?(?P<owner>.*?)(_?v[12])?$",
    re.IGNORECASE,
)
_COUNTER = re.compile(r"( \(\d+\)|\(\d+\)| copy( \d+)?| - Copy)+$", re.IGNORECASE)
"""What browsers and Finder append to the second file of a name."""

GENERIC_NAMES = frozenset(
    {
        "",
        "model",
        "models",
        "voice",
        "weight",
        "weights",
        "final",
        "best",
        "g",
        "rvc",
        "index",
        "v2",
    }
    | {"added", "checkpoint", "logs", "file", "download", "pth", "resolve", "main", "data"}
)


@dataclass(frozen=True)
class Training:
    """How far a checkpoint was trained, by its name; None where the name does not state it.

    A name without marks is the finished voice and ranks above all epochs.
    """

    epoch: int | None
    step: int | None
    best: bool = False

    @property
    def rank(self) -> tuple[float, float, bool]:
        """Larger is newer."""
        unmarked = self.epoch is None and self.step is None
        beyond = float("inf") if unmarked else -1.0
        return (
            beyond if self.epoch is None else self.epoch,
            beyond if self.step is None else self.step,
            self.best,
        )


def split_training(stem: str) -> tuple[str, Training]:
    """``aria_e200_s4000`` as ``aria`` and its epoch and step."""
    epoch = step = None
    best = False
    rest = _COUNTER.sub("", stem)
    while match := _TAIL.search(rest):
        if match.start() == 0:
            break  # the whole name looks like a mark
        mark = match["mark"].lower()
        best = best or mark.startswith("best")
        number = match["e1"] or match["e2"]
        epoch = int(number) if number and epoch is None else epoch
        number = match["s1"] or match["s2"]
        step = int(number) if number and step is None else step
        rest = rest[: match.start()]
    return rest, Training(epoch, step, best)


def singer_of(stem: str) -> str:
    """The name without training marks, for comparing."""
    return plain_name(split_training(stem)[0])


def is_training_file(name: str) -> bool:
    """Whether the name is that of a training checkpoint or base model."""
    return _TRAINING.fullmatch(name) is not None


def is_trained_index(name: str) -> bool:
    """Whether the name is that of an index with lists but without vectors."""
    return name.lower().startswith("trained_")


def index_owner(stem: str) -> str:
    """``added_IVF256_Flat_nprobe_1_aria_v2`` as ``aria``, for comparing; "" without a name."""
    stem = _COUNTER.sub("", stem)
    match = _INDEX_FRAME.fullmatch(stem)
    owner = singer_of(match["owner"] if match else re.sub(r"_v[12]$", "", stem))
    return "" if owner in GENERIC_NAMES else owner


def indexes_for(
    voice: PurePosixPath, indexes: Sequence[PurePosixPath], *, alone: bool, alone_here: bool
) -> tuple[PurePosixPath, ...]:
    """The indexes that may belong to a voice, the likeliest first.

    Parameters
    ----------
    voice, indexes : places in one archive or folder
    alone : there is no other singer, so an index of any name may belong to this one
    alone_here : no other singer is in the same folder, so an index without a name may belong
    """
    singer = singer_of(voice.stem)
    word = re.compile(rf"(?<![^\W_]){re.escape(singer)}(?![^\W_])") if singer else None

    def rank(index: PurePosixPath) -> int | None:
        owner, beside = index_owner(index.stem), index.parent == voice.parent
        if singer in GENERIC_NAMES and not beside:
            return 3 if alone else None
        if owner and owner == singer:
            return 0
        if word is not None and word.search(plain_name(index.stem)):
            return 1
        if not owner and beside and alone_here:
            return 2
        return 3 if alone else None

    ranked = [
        (rank(index), index.parent != voice.parent, len(index.parts), index) for index in indexes
    ]
    fitting = [entry for entry in ranked if entry[0] is not None]
    return tuple(
        entry[3] for entry in sorted(fitting, key=lambda entry: (entry[0] or 0, *entry[1:]))
    )


def plain_name(text: str) -> str:
    """For comparing: without case, and with all separators alike."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[ _\-.]+", "_", normal).strip("_")


def display_name(place: PurePosixPath, origin: str, label: str | None = None) -> str:
    """The first name of an imported voice.

    Parameters
    ----------
    place : of its weights in the archive or folder
    origin : stem of the archive, or name of the folder
    label : the name in the checkpoint
    """
    folders = [parent.name for parent in place.parents if parent.name]
    stem = "" if is_training_file(place.name) else place.stem
    for text in (stem, *folders, origin, label or ""):
        name = clean_name(split_training(text)[0])
        if plain_name(name) not in GENERIC_NAMES:
            return name
    return "Voice"


def clean_name(text: str) -> str:
    """A name as one line without control and direction characters; "" if nothing is left."""
    normal = unicodedata.normalize("NFC", text[: 4 * LONGEST_NAME])
    visible = "".join(
        " " if c.isspace() or unicodedata.category(c)[0] == "C" else c for c in normal
    )
    return " ".join(visible.split())[:LONGEST_NAME].strip(" ._-")


def numbered(name: str, taken: frozenset[str]) -> str:
    """``name``, or ``name 2``, ``name 3`` … if it is taken (``taken`` in lower case)."""
    result, number = name, 1
    while result.casefold() in taken:
        number += 1
        result = f"{name} {number}"
    return result


def file_stem(name: str) -> str:
    """A voice's name as a file stem that every system accepts."""
    clean = re.sub(r'[<>:"|?*/\\]', "_", name).strip(" .")
    short = clean.encode("utf-8", "ignore")[:180].decode("utf-8", "ignore").strip(" .")
    return short or "voice"
