"""What was trained together stays together: one id in a voice, its content encoder and its index.

Community files carry none. Where sizes differ, loading refuses a mixture by itself; the id is for
files of equal sizes, which would give noise (an index of a v1 voice is as wide as the starter's).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import IndexFileError, VoiceFileError
from engine.paths import CONFIG_FILE, starter_dir
from engine.voice_card import VoiceCard

DIGEST_ROWS = 64
_DIGITS = 16
_OWN_INDEX = "choose the index that came with the voice, or none"


def index_pair_id(rows: NDArray[np.float32]) -> str:
    """The id of a set is made from its index: from the first rows, whatever file holds them."""
    first = np.ascontiguousarray(rows[:DIGEST_ROWS], np.float32)
    return hashlib.sha256(first.tobytes()).hexdigest()[:_DIGITS]


def encoder_pair_id(path: Path) -> str | None:
    """What a content encoder's ``config.json`` says; None for one without, or a single file."""
    try:
        config = json.loads((path / CONFIG_FILE).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    found = config.get("pair_id") if isinstance(config, dict) else None
    return found if isinstance(found, str) else None


def check_encoder(card: VoiceCard, path: Path) -> None:
    """Refuse a content encoder that belongs to another voice.

    Raises
    ------
    VoiceFileError : only one of them has an id, or they differ
    """
    if encoder_pair_id(path) != card.pair_id:
        raise VoiceFileError(
            f'Cannot use the voice "{card.path.name}"',
            f'it was not trained with the content encoder in "{path.name}", though its sizes fit',
            "install the content encoder it was trained with",
        )


def check_index(card: VoiceCard, rows: NDArray[np.float32], path: Path) -> None:
    """Refuse an index that belongs to another voice.

    Raises
    ------
    IndexFileError : the voice's id is another one, or it has none and this is the starter's index
    """
    what = f'Cannot use the index "{path.name}"'
    found = index_pair_id(rows)
    if card.pair_id is not None and found != card.pair_id:
        why = f'it was not made with the voice "{card.path.name}", whose own index is known'
        raise IndexFileError(what, why, _OWN_INDEX)
    if card.pair_id is None and found == encoder_pair_id(starter_dir() / "encoder"):
        why = f'it belongs to the starter voice, not to "{card.path.name}"'
        raise IndexFileError(what, why, _OWN_INDEX)
