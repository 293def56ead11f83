"""The voices among files that were found: each with its index and picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.library.naming import (
    Training,
    display_name,
    indexes_for,
    is_trained_index,
    is_training_file,
    singer_of,
    split_training,
)
from engine.library.source_file import INDEX_ENDING, PICTURE_ENDINGS, VOICE_ENDINGS, Found

_USUAL_PICTURES = ("cover", "avatar", "picture", "image", "icon", "art", "photo")


@dataclass(frozen=True, eq=False)
class VoiceCandidate:
    """A voice that can be imported.

    Attributes
    ----------
    name : what it will be called, unless the checkpoint knows better
    singer : the same for all epochs of one training
    training : epoch and step by its file's name
    weights : the checkpoint
    indexes : those that may belong to it, the likeliest first
    untrained_index : one that bears its name but holds no vectors (``trained_``), if any
    picture : of the voice, if any
    """

    name: str
    singer: str
    training: Training
    weights: Found
    indexes: tuple[Found, ...]
    untrained_index: Found | None
    picture: Found | None


Chooser = Callable[[Sequence[VoiceCandidate]], Sequence[VoiceCandidate]]
"""Given all voices of an archive or folder; returns those to import (none: import nothing)."""


def newest_of_each(candidates: Sequence[VoiceCandidate]) -> Sequence[VoiceCandidate]:
    """Of each singer the finished voice, else the one that was trained longest."""
    newest: dict[str, VoiceCandidate] = {}
    for candidate in candidates:
        held = newest.get(candidate.singer)
        if held is None or candidate.training.rank > held.training.rank:
            newest[candidate.singer] = candidate
    return tuple(newest.values())


def all_of_them(candidates: Sequence[VoiceCandidate]) -> Sequence[VoiceCandidate]:
    """Every epoch too."""
    return candidates


def candidates_among(files: Sequence[Found], origin: str) -> tuple[VoiceCandidate, ...]:
    """The voices among files; a trainer's own checkpoints only if there is nothing else.

    Parameters
    ----------
    origin : stem of the archive or name of the folder that was chosen
    """
    ordered = sorted(files, key=lambda file: str(file.place).casefold())
    checkpoints = [file for file in ordered if file.ending in VOICE_ENDINGS]
    voices = [file for file in checkpoints if not is_training_file(file.place.name)] or checkpoints
    indexes = [file for file in ordered if file.ending == INDEX_ENDING]
    pictures = [file for file in ordered if file.ending in PICTURE_ENDINGS]
    singers = {(voice.place.parent, _singer(voice, origin)) for voice in voices}
    alone = len({singer for _, singer in singers}) == 1
    return tuple(
        _candidate(
            voice,
            indexes,
            pictures,
            origin,
            alone=alone,
            alone_here=sum(folder == voice.place.parent for folder, _ in singers) == 1,
        )
        for voice in voices
    )


def _candidate(
    voice: Found,
    indexes: list[Found],
    pictures: list[Found],
    origin: str,
    *,
    alone: bool,
    alone_here: bool,
) -> VoiceCandidate:
    by_place = {file.place: file for file in indexes}
    full = [file.place for file in indexes if not is_trained_index(file.place.name)]
    bare = [file.place for file in indexes if is_trained_index(file.place.name)]
    own = indexes_for(voice.place, full, alone=alone, alone_here=alone_here)
    untrained = indexes_for(voice.place, bare, alone=alone, alone_here=alone_here)
    return VoiceCandidate(
        name=display_name(voice.place, origin),
        singer=_singer(voice, origin),
        training=split_training(voice.place.stem)[1],
        weights=voice,
        indexes=tuple(by_place[place] for place in own),
        untrained_index=by_place[untrained[0]] if untrained else None,
        picture=_picture(voice, pictures, alone=alone, alone_here=alone_here),
    )


def _singer(voice: Found, origin: str) -> str:
    """Two voices called ``model.pth`` in two folders are two singers."""
    name = display_name(voice.place, origin)
    return singer_of(name) or name.casefold()


def _picture(voice: Found, pictures: list[Found], *, alone: bool, alone_here: bool) -> Found | None:
    singer = singer_of(voice.place.stem)

    def rank(picture: Found) -> int | None:
        stem = singer_of(picture.place.stem)
        beside = picture.place.parent == voice.place.parent
        if singer and (singer in stem):
            return 0 if beside else 1
        usual = any(word in stem for word in _USUAL_PICTURES)
        if alone or (beside and usual and alone_here):
            return (2 if usual else 4) + (not beside)
        return None

    ranked = [(rank(picture), index) for index, picture in enumerate(pictures)]
    fitting = [(place, index) for place, index in ranked if place is not None]
    return pictures[min(fitting)[1]] if fitting else None
