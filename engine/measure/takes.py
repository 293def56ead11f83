"""Measures a first take and what a second one costs, of a song and of a voice alone.

The stages that a second take needs again are what counts: networks stay loaded where they can, and
their loading is left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.converter import Converter
from engine.cover.cover import Cover
from engine.cover.options import CoverNetworks, CoverOptions
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.stage_cache import StageCache
from engine.voice import VoiceFiles

_OCTAVE = 12.0
_QUIETER_DB = -3.0


@dataclass(frozen=True)
class Take:
    """One conversion or cover.

    Attributes
    ----------
    source : ``song`` or ``voice``
    name : what is other than in the first take
    stage_s : seconds per stage
    ratio : by which the first take of the source took longer
    """

    source: str
    name: str
    stage_s: dict[str, float]
    ratio: float = 1.0

    @property
    def seconds(self) -> float:
        """Of all stages except loading."""
        return sum(seconds for stage, seconds in self.stage_s.items() if stage != "load")


def measure_takes(
    source: Path,
    voice: VoiceFiles,
    networks: CoverNetworks,
    models_dir: Path,
    config: OptimizationConfig,
    folder: Path,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Take]:
    """Convert a file and make covers of it, each again at another key, and at another level.

    Parameters
    ----------
    folder : of results and caches, empty

    Raises
    ------
    UserError : as `engine.cover.cover.Cover.make`
    """
    converter = Converter(models_dir, config, cache=StageCache(folder / "stages"))
    covers = Cover(converter, networks, folder / "stems")
    usual = ConversionOptions()
    octave = dataclasses.replace(usual, semitones=_OCTAVE)
    quieter = CoverOptions(lead_db=_QUIETER_DB)
    found: list[Take] = []
    for name, options, cover in (
        ("first", usual, CoverOptions()),
        ("another key", octave, CoverOptions()),
        ("another level", octave, quieter),
    ):
        tell(f"song: {name}")
        made = covers.make(source, voice, options, cover, output_dir=folder)
        found.append(Take("song", name, dict(made.stage_s)))
    for name, options in (("first", usual), ("another key", octave)):
        tell(f"voice: {name}")
        converted = converter.convert_file(source, voice, options, output_dir=folder)
        found.append(Take("voice", name, dict(converted.stage_s)))
    first = {each.source: each.seconds for each in found if each.name == "first"}
    return [dataclasses.replace(each, ratio=first[each.source] / each.seconds) for each in found]


def as_rows(takes: Sequence[Take]) -> list[list[str]]:
    """A row for each take, beginning with the head."""
    stages = list(dict.fromkeys(stage for take in takes for stage in take.stage_s))
    rows = [["source", "take", "seconds", "first : this", *stages]]
    for take in takes:
        times = [f"{take.stage_s.get(stage, 0.0):.2f}" for stage in stages]
        rows.append([take.source, take.name, f"{take.seconds:.2f}", f"{take.ratio:.2f}", *times])
    return rows
