"""Louder or quieter results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import Text
from engine.option import Option

if TYPE_CHECKING:
    from engine.effects import Blocks

WHEN = "after"

OPTIONS = (
    Option(
        name="gain_db",
        default=0.0,
        kind="number",
        title=Text("Gain"),
        help=Text("Makes the result louder or quieter; it is never louder than full scale."),
        low=-24.0,
        high=24.0,
        step=0.5,
        unit=Text("dB"),
        signed=True,
        metavar="DB",
    ),
)


def process(blocks: Blocks, _rate_hz: int, values: Mapping[str, Any]) -> Iterator[Any]:
    """Multiply by the gain."""
    factor = 10 ** (values["gain_db"] / 20)
    for block in blocks:
        yield (block * factor).astype(block.dtype)
