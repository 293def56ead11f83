"""The stages of a conversion and the device each part of them runs on; needs no torch.

A new stage is a row of `STAGES` and the file that does its work. Progress, placement, the device
examination, tuning and the app's timings read the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.errors import OptionError, Text

CPU = "cpu"

Part = str
"""Name of something that is placed on a device by itself, e.g. ``vocoder``."""


@dataclass(frozen=True)
class Stage:
    """One row of the table.

    Attributes
    ----------
    name : in code, records and JSON
    title : in the app
    weight : share of the progress bar; all weights together are the whole bar
    hue : of its colour in charts, degrees; neighbours should differ
    parts : what can be placed on a device, by name, with its title inside a sentence
    counted : False where it depends on what was loaded before, so that speed leaves it out
    of_songs : whether only covers of whole songs have it
    """

    name: str
    title: Text
    weight: float
    hue: int
    parts: Mapping[Part, Text] = field(default_factory=dict)
    counted: bool = True
    of_songs: bool = False

    @property
    def saturation(self) -> float:
        """Of its colour in charts, 0..1; stages that are not counted are nearly grey."""
        return 0.6 if self.counted else 0.08


STAGES: tuple[Stage, ...] = (
    Stage("load", Text("Load"), 0.0, 220, counted=False),
    Stage("decode", Text("Decode"), 0.0, 200),
    Stage(
        "separate", Text("Separate"), 0.0, 16, {"separation": Text("the separation")}, of_songs=True
    ),
    Stage("filter", Text("Filter"), 0.01, 178, {"filter": Text("the filter")}),
    Stage("pitch", Text("Pitch"), 0.09, 38, {"pitch": Text("the pitch tracker")}),
    Stage("content", Text("Content"), 0.25, 268, {"content": Text("the content encoder")}),
    Stage("retrieval", Text("Retrieval"), 0.04, 330, {"retrieval": Text("the index search")}),
    Stage(
        "synthesis",
        Text("Synthesis"),
        0.6,
        212,
        {"latent": Text("the first half of the synthesis"), "vocoder": Text("the vocoder")},
    ),
    Stage("mix", Text("Mix"), 0.0, 82, of_songs=True),
    Stage("write", Text("Write"), 0.01, 140),
)
"""In the order in which a conversion first enters them."""

CONVERSION_STAGES: tuple[Stage, ...] = tuple(stage for stage in STAGES if not stage.of_songs)
"""Those of a voice alone."""

PART_TITLES: dict[Part, Text] = {
    part: title for stage in STAGES for part, title in stage.parts.items()
}
PARTS: tuple[Part, ...] = tuple(PART_TITLES)
"""Tensors cross from one device to another only between parts."""

CONVERSION_PARTS: tuple[Part, ...] = tuple(
    part for stage in CONVERSION_STAGES for part in stage.parts
)
"""Those of a voice alone."""

_BY_NAME = {stage.name: stage for stage in STAGES}


def stage_of(name: str) -> Stage | None:
    """The row of a name; None where a record of another version names an unknown stage."""
    return _BY_NAME.get(name)


def done_after(name: str) -> float:
    """Share of a conversion, 0..1, that is done once a stage and those before it are over."""
    place = STAGES.index(_BY_NAME[name]) + 1
    return sum(stage.weight for stage in STAGES[:place]) / sum(stage.weight for stage in STAGES)


@dataclass(frozen=True)
class Placement:
    """Where and by what each part runs.

    Attributes
    ----------
    devices : of torch, e.g. ``mps``, ``cuda``; parts not named are on the CPU
    accelerators : names from `engine.accelerators`; parts not named run by torch. The others take
        and give tensors on the CPU
    without : flags that are off for a part though they are on for the others
    """

    devices: Mapping[Part, str] = field(default_factory=dict)
    accelerators: Mapping[Part, str] = field(default_factory=dict)
    without: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def on(
        cls,
        device: str,
        cpu_parts: Iterable[Part] = (),
        accelerators: Mapping[Part, str] | None = None,
        without: Mapping[Part, tuple[str, ...]] | None = None,
    ) -> Placement:
        """All parts on one device, except those on the CPU and those of other accelerators."""
        others = accelerators or {}
        kept = {*cpu_parts, *others}
        on_device = {part: device for part in PARTS if device != CPU and part not in kept}
        return cls(on_device, others, without or {})

    def device_of(self, part: Part) -> str:
        """The device of a part's tensors."""
        return self.devices.get(part, CPU)

    def accelerator_of(self, part: Part) -> str | None:
        """The accelerator of a part; None is torch."""
        return self.accelerators.get(part)

    def with_device(self, part: Part, device: str) -> Placement:
        """The same with one part by torch on another device."""
        moved = {**self.devices, part: device}
        on_device = {part: device for part, device in moved.items() if device != CPU}
        others = {each: name for each, name in self.accelerators.items() if each != part}
        return Placement(on_device, others, self.without)

    def by_torch(self, part: Part) -> Placement:
        """The same with one part by torch, on the CPU if it was by another accelerator."""
        others = {each: name for each, name in self.accelerators.items() if each != part}
        return Placement(self.devices, others, self.without)

    @property
    def cpu_parts(self) -> tuple[Part, ...]:
        """Parts that torch runs on the CPU."""
        return tuple(
            part for part in PARTS if part not in self.devices and part not in self.accelerators
        )

    def device_of_stage(self, name: str) -> str:
        """Where a stage runs; ``mps+cpu`` if its parts run at different places."""
        parts = _BY_NAME[name].parts
        devices = [self.accelerator_of(part) or self.device_of(part) for part in parts] or [CPU]
        return "+".join(dict.fromkeys(devices))


def parse_parts(text: str) -> tuple[Part, ...]:
    """Parts named in a list such as ``pitch,vocoder``, in their order; ``none`` names no part.

    Raises
    ------
    OptionError : an unknown name
    """
    named = {name for name in (each.strip() for each in text.split(",")) if name}
    named -= {"none"}
    unknown = sorted(named - set(PARTS))
    if unknown:
        raise OptionError(
            Text('Cannot keep "{part}" on the CPU', part=unknown[0]),
            Text("the parts are {parts}", parts=", ".join(PARTS)),
            "name some of these, separated by commas",
        )
    return tuple(part for part in PARTS if part in named)
