"""The levels of the parts of a cover, as they are set while it is heard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.cover.options import MUTED_DB, PARTS, CoverOptions, Part

SHOWN_PARTS: tuple[Part, ...] = ("lead", "backing", "room", "instrumental")
"""From top to bottom."""


@dataclass(frozen=True)
class MixLevels:
    """Levels, and what is muted or alone.

    Attributes
    ----------
    levels_db : of each part that the cover has
    muted : parts that are silent
    soloed : if there are any, the others are silent
    """

    levels_db: dict[Part, float]
    muted: frozenset[Part] = frozenset()
    soloed: frozenset[Part] = frozenset()

    @classmethod
    def of(cls, cover: CoverOptions, parts: Iterable[Part]) -> MixLevels:
        """The levels that a cover was made with."""
        gains, usual, kept = cover.gains(), CoverOptions(), tuple(parts)
        silent = frozenset(part for part in kept if not gains[part])
        levels_db: dict[Part, float] = {}
        for part in kept:
            level_db = float(cover.value(f"{part}_db"))
            heard = level_db > MUTED_DB
            levels_db[part] = level_db if heard else float(usual.value(f"{part}_db"))
        return cls(levels_db, silent)

    def with_level(self, part: Part, level_db: float) -> MixLevels:
        """The same with another level of a part."""
        return replace(self, levels_db=self.levels_db | {part: level_db})

    def with_muted(self, part: Part, *, muted: bool) -> MixLevels:
        """The same with a part muted, or not."""
        return replace(self, muted=self.muted | {part} if muted else self.muted - {part})

    def with_soloed(self, part: Part, *, soloed: bool) -> MixLevels:
        """The same with a part soloed, or not."""
        return replace(self, soloed=self.soloed | {part} if soloed else self.soloed - {part})

    def is_silent(self, part: Part) -> bool:
        """Whether a part is not heard."""
        alone = bool(self.soloed) and part not in self.soloed
        return alone or part in self.muted or self.levels_db[part] <= MUTED_DB

    def applied(self, cover: CoverOptions) -> CoverOptions:
        """The options of a cover that sounds like this."""
        values: dict[str, object] = {
            f"{part}_db": MUTED_DB if self.is_silent(part) else level_db
            for part, level_db in self.levels_db.items()
        }
        if "backing" in self.levels_db and cover.backing == "mute":
            if self.is_silent("backing"):
                del values["backing_db"]
            else:
                values["backing"] = "keep"
        return cover.with_values(values)

    def gains(self, cover: CoverOptions) -> dict[Part, float]:
        """Factor of each part, with the mix's own arithmetic."""
        gains = self.applied(cover).gains()
        return {part: gains[part] for part in PARTS if part in self.levels_db}
