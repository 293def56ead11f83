"""The networks of a conversion, loaded and each on its device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from engine import device as devices
from engine.accelerators import AcceleratorFailed, Latent, note_failure
from engine.analysis import LevelOf
from engine.errors import Text
from engine.models.context import Context
from engine.models.source import SourceInput
from engine.models.synthesizer import Synthesizer
from engine.options import ConversionOptions
from engine.pitch.tracker import PitchTracker
from engine.retrieval.search import ExactSearch, Search
from engine.run import Run
from engine.stages import CPU, PART_TITLES, Part
from engine.voice import VoiceCard

Vocode = Callable[[torch.Tensor, SourceInput | None, torch.Tensor, Context], torch.Tensor]

TrackerOn = Callable[[ConversionOptions, str], PitchTracker]
"""Gives the tracker that a conversion's options ask for, its network on the device named."""


@dataclass(frozen=True)
class Models:
    """Everything a conversion needs.

    Attributes
    ----------
    content, latent, vocode, search : parts by their accelerators, see `engine.accelerators`
    synthesizer : torch's own, for its sizes, phases and receptive field
    tracker : None where none is needed
    pitch_method : of the tracker, e.g. ``rmvpe``; ``auto`` where it depends on the options
    pitch_on_cpu : whether that method runs on the CPU wherever the part is placed
    kinds : what kind of network does the work of a part, in words
    identities : what tells the networks of ``content`` and ``pitch`` from any others
    loudest : level of a stretch of the source; ``content`` has to know the highest of the whole
        source. None where it needs only its own stretch
    """

    card: VoiceCard
    content: Callable[..., torch.Tensor]
    synthesizer: Synthesizer
    latent: Latent
    vocode: Vocode
    search: Search | None
    tracker: TrackerOn | None
    pitch_method: str = "auto"
    pitch_on_cpu: bool = False
    kinds: Mapping[Part, str] = field(default_factory=dict)
    identities: Mapping[Part, object] = field(default_factory=dict)
    loudest: LevelOf | None = None

    def place(self, part: Part, device: str) -> None:
        """Move the networks of a part that torch runs."""
        if part == "content" and isinstance(self.content, torch.nn.Module):
            self.content.to(device)
        elif part == "latent":
            for network in (self.synthesizer.enc_p, self.synthesizer.flow, self.synthesizer.emb_g):
                network.to(device)
        elif part == "vocoder":
            self.synthesizer.dec.to(device)
        elif part == "retrieval" and isinstance(self.search, ExactSearch):
            self.search.to(device)


def fall_back_to_torch(part: Part, error: AcceleratorFailed, run: Run) -> None:
    """Let torch run a part for the rest of this conversion, because its accelerator failed.

    Raises
    ------
    AcceleratorFailed : torch runs it already, or cannot
    """
    name = run.placement.accelerator_of(part)
    if name is None or error.give_up is None:
        raise error
    error.give_up()
    run.placement = run.placement.by_torch(part)
    run.note(note_failure(part, name, error))


def fall_back_to_cpu(part: Part, models: Models, run: Run) -> None:
    """Move a part to the CPU for the rest of this conversion, because its device is full."""
    device = run.placement.device_of(part)
    models.place(part, CPU)
    run.placement = run.placement.with_device(part, CPU)
    devices.empty_cache(torch.device(device))
    run.note(
        Text(
            "not enough memory on {device} for {part}, even for small pieces; continued on the CPU",
            device=device,
            part=PART_TITLES[part],
        )
    )
