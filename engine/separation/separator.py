"""A separation network, ready to take pieces of songs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine import device as devices
from engine.errors import DeviceError, Message, Text, WeightsError
from engine.files import file_sha256
from engine.finding import ProbeRecord
from engine.models.htdemucs import HTDemucs, HTDemucsSizes
from engine.models.precision import to_half
from engine.models.roformer import Roformer
from engine.separation.chunks import SHORT_OVERLAP, DemucsPlan, Plan, RoformerPlan
from engine.separation.examination import Choice, choose
from engine.separation.network_file import Kind, SeparationNetwork, read_network
from engine.separation.settings import Settings, settings_of
from engine.stages import CPU

Floats = NDArray[np.float32]


class Separator:
    """One network; load one at a time.

    Attributes
    ----------
    kind : ``htdemucs``, ``mel`` or ``bs``
    network_kind : the same with its size, in words; see `engine.separation.examination`
    path : of its file
    stems : names of what it separates, as far as known; `separate` gives `stem` alone
    plan : how songs are cut for it
    normalises : whether it wants songs at unit level
    device : where it runs
    is_half : whether its weights have 16 bits
    notes : sentences for the user
    """

    def __init__(
        self,
        path: Path,
        found: SeparationNetwork,
        settings: Settings,
        *,
        one_pass: bool = False,
    ) -> None:
        self.path = path
        self.kind: Kind = found.kind
        self.stems = found.stems or settings.stems
        self.device = CPU
        self.is_half = False
        self.notes: list[Message] = []
        self._settings = settings
        self._network = found.network
        self._refused: set[str] = set()
        self._half_refused = False
        self._choices: dict[tuple[str, bool], Choice] = {}
        self.plan: Plan
        if isinstance(self._network, HTDemucs):
            overlap = SHORT_OVERLAP if one_pass else DemucsPlan.overlap
            self.plan = DemucsPlan(self._network.sizes.segment_samples, overlap)
            self.normalises = True
            # The vocals are the last stem of those files that do not name them.
            last = self._network.sizes.sources - 1
            self._stem = self.stems.index("vocals") if "vocals" in self.stems else last
        else:
            self.plan = RoformerPlan(settings.chunk, 1 if one_pass else settings.overlaps)
            self.normalises = settings.normalises
            self._stem = next((i for i, name in enumerate(self.stems) if name in _VOICES), 0)
            self._stem = min(self._stem, self._network.sizes.stems - 1)

    @classmethod
    def open(cls, path: Path, *, one_pass: bool = False, sha256: str | None = None) -> Separator:
        """Read a file of HTDemucs, Mel-Band RoFormer or BS-RoFormer; nothing in it is executed.

        Parameters
        ----------
        one_pass : songs are cut into chunks that overlap by a tenth only, instead of as much as
            the network's own program has them overlap: half the work or less for a RoFormer
        sha256 : of the file, where it is known already

        Raises
        ------
        WeightsError : it is missing, damaged, or a network of another kind, which is named
        """
        try:
            if sha256 is None:
                sha256 = file_sha256(path) if path.is_file() else ""
        except OSError as error:
            raise WeightsError(
                Text('Cannot read "{name}"', name=path.name),
                "cannot open it",
                "choose a file that can be read",
            ) from error
        settings = settings_of(path, sha256)
        return cls(path, _read(path, settings), settings, one_pass=one_pass)

    @property
    def stem(self) -> str:
        """What `separate` gives, e.g. ``vocals``."""
        if self._gives_remainder:
            return "vocals"
        return self.stems[self._stem] if self.stems else "vocals"

    @property
    def _gives_remainder(self) -> bool:
        """Whether the network was trained to give the instruments; the rest is then wanted."""
        return bool(self.stems) and self.stems[self._stem] in _INSTRUMENTS

    @property
    def network_kind(self) -> str:
        """The kind with its main sizes, e.g. ``mel 384 wide, 6 deep``."""
        sizes = self._network.sizes
        if isinstance(sizes, HTDemucsSizes):
            return f"htdemucs {sizes.channels} wide, {sizes.layers} layers of {sizes.hidden}"
        return f"{self.kind} {sizes.width} wide, {sizes.depth} deep"

    def to(self, device: str, *, half: bool = False, record: ProbeRecord | None = None) -> None:
        """Move the network; a device that is wrong, or slower than the CPU, is not used.

        Parameters
        ----------
        half : from now on in the device's 16-bit type, where it has one and the result stays right
        record : what is known about devices, and where what is found now is kept
        """
        if device in self._refused:
            self._move(CPU)
            return
        asked = device, half and not self._half_refused
        if asked not in self._choices:
            self._restore()
            choice = choose(self, device, half=asked[1], record=record)
            self._choices[asked] = choice
            self.notes += _notes(choice, device)
        choice = self._choices[asked]
        if self.is_half and not choice.half:
            self._restore()
        self._move(choice.device)
        if choice.half:
            self.round()

    def measure(self, device: str, *, half: bool, record: ProbeRecord) -> None:
        """Find out in which way the network is fastest, for later uses; takes up to a minute."""
        choose(self, device, half=half, record=record, measures=True)

    def separate(self, samples: Floats) -> Floats:
        """A piece as long as the plan says, float32 [n, 2] -> the stem, [n, 2].

        Raises
        ------
        DeviceError : the CPU has too little memory; another device falls back to it
        """
        audio = torch.from_numpy(np.ascontiguousarray(samples.T))
        stems = slice(self._stem, self._stem + 1)
        try:
            made = self._network.separate(audio, stems)
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
            if self.device == CPU:
                raise DeviceError(
                    "Cannot separate the song",
                    "there is not enough memory",
                    "close other programs, or choose the fast network",
                ) from error
        else:
            if self.is_half and not bool(torch.isfinite(made).all()):
                self._half_refused = True
                self.notes.append(_OVERFLOW)
                self._restore()
                return self.separate(samples)
            stem = np.ascontiguousarray(made[0].T.numpy())
            return samples - stem if self._gives_remainder else stem
        # Not where the error is handled: it holds on to what the device had computed.
        self.notes.append(
            Text(
                "not enough memory on {device} for the separation; continued on the CPU",
                device=self.device,
            )
        )
        self._refused.add(self.device)
        self._move(CPU)
        self._restore()  # the CPU has another 16-bit type, or none
        return self.separate(samples)

    def _move(self, device: str) -> None:
        if device != self.device:
            # Set first, so that a move that failed half-way can be undone by another.
            left, self.device = self.device, device
            self._network.to(device)
            if left != CPU:
                devices.empty_cache(torch.device(left))

    def round(self) -> None:
        """Compute in the 16-bit type of the device from now on."""
        dtype = devices.half_type(self.device)
        if dtype is not None and not self.is_half:
            to_half(self._network, dtype)
            self.is_half = True

    def _restore(self) -> None:
        """Compute in float32 from now on."""
        if self.is_half:
            device, self.device = self.device, CPU
            self._network = _read(self.path, self._settings).network
            self.is_half = False
            self._move(device)

    @torch.no_grad()
    def run_noise(self, device: str, frames: int) -> Tensor:
        """What the network makes of seeded noise on a device, to compare it with another."""
        self._move(device)
        noise = torch.Generator().manual_seed(0)
        stems = slice(self._stem, self._stem + 1)
        network = self._network
        if isinstance(network, Roformer):
            bins = torch.randn(frames, 1025, 2, 2, generator=noise)
            result: Tensor = network(bins.to(device), stems)
            return result
        sizes = network.sizes
        bins = torch.randn(4 * sizes.embeddings, frames, 4, generator=noise)
        wave = torch.randn(frames * sizes.hop, 2, generator=noise)
        parts = network(bins.to(device), wave.to(device), stems)
        return torch.cat([part.flatten() for part in parts])


def _notes(choice: Choice, device: str) -> list[Message]:
    """Why the network does not run as was asked for; not where another way is merely faster."""
    if choice.device != device:
        return [choice.findings[-1].sentence(device)]
    if choice.half or len(choice.findings) < 2:
        return []
    found = choice.findings[0]
    failed = Text(
        "the separation runs in full precision, because half precision fails ({reason})",
        reason=found.why,
    )
    notes = {"wrong": _TOO_ROUGH, "not finite": _OVERFLOW, "failed": failed}
    return [notes[found.verdict]] if found.verdict in notes else []


def _read(path: Path, settings: Settings) -> SeparationNetwork:
    return read_network(path, settings.hop, keeps_constant=settings.keeps_constant)


_OVERFLOW = Text(
    "the separation runs in full precision, because half precision returned NaN or infinite values"
)
_TOO_ROUGH = Text(
    "the separation runs in full precision, because half precision changes the result too much"
)

_INSTRUMENTS = ("instrumental", "instruments", "instrument", "other")
_VOICES = ("vocals", "lead", "dry", "noreverb", "karaoke")
