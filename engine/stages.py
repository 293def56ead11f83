"""Which part of a conversion runs on which device; needs no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from engine.errors import OptionError
from engine.progress import Stage

Part = Literal["filter", "content", "pitch", "retrieval", "latent", "vocoder"]
PARTS: tuple[Part, ...] = get_args(Part)
"""What can be moved by itself; tensors cross from one device to another only between them."""

CPU = "cpu"

PART_NAMES: dict[Part, str] = {
    "filter": "the filter",
    "content": "the content encoder",
    "pitch": "the pitch tracker",
    "retrieval": "the search of the index",
    "latent": "the first half of the synthesis",
    "vocoder": "the vocoder",
}
"""For sentences."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The device of each part, e.g. ``cpu``, ``mps``, ``cuda``.

    Attributes
    ----------
    latent : the synthesis up to what the vocoder is given (prior and flow)
    """

    filter: str = CPU
    content: str = CPU
    pitch: str = CPU
    retrieval: str = CPU
    latent: str = CPU
    vocoder: str = CPU

    @classmethod
    def on(cls, device: str, cpu_parts: Iterable[Part] = ()) -> Placement:
        """Everything on one device but these parts, which are on the CPU."""
        kept = set(cpu_parts)
        return cls(**{part: CPU if part in kept else device for part in PARTS})

    def of(self, part: Part) -> str:
        """The device of a part."""
        device: str = getattr(self, part)
        return device

    def moved(self, part: Part, device: str) -> Placement:
        """The same with one part elsewhere."""
        change: dict[str, str] = {part: device}
        return replace(self, **change)

    @property
    def cpu_parts(self) -> tuple[Part, ...]:
        """Parts that run on the CPU."""
        return tuple(part for part in PARTS if self.of(part) == CPU)

    def of_stage(self, stage: Stage) -> str:
        """Where a stage runs; ``mps+cpu`` for a synthesis whose halves lie apart."""
        if stage == "synthesis":
            return "+".join(dict.fromkeys((self.latent, self.vocoder)))
        known = {each.name for each in fields(self)}
        return str(getattr(self, stage)) if stage in known else CPU


def parse_parts(text: str) -> tuple[Part, ...]:
    """Parts that a list such as ``pitch,vocoder`` names, in their order; ``none`` are none.

    Raises
    ------
    OptionError : it names something else
    """
    named = {name for name in (each.strip() for each in text.split(",")) if name}
    named -= {"none"}
    unknown = sorted(named - set(PARTS))
    if unknown:
        raise OptionError(
            f'Cannot keep "{unknown[0]}" on the processor',
            f"the parts that can be are {', '.join(PARTS)}",
            "name some of these, with commas between them",
        )
    return tuple(part for part in PARTS if part in named)
