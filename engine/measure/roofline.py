"""What the networks ask of a machine, and what Apple's GPUs need at least: not measured.

The operations and the bytes come from the layers themselves: full-size networks without weights
run once. A GPU can do no more than it has multipliers and memory bandwidth for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from engine.encoder_layout import sizes_of
from engine.measure.synthetic import V2_40K
from engine.models.content_encoder import ContentEncoder
from engine.models.layers import without_weights
from engine.models.mel import N_MELS
from engine.models.rmvpe import ALIGN_FRAMES, RmvpeNetwork
from engine.models.source import SourceInput
from engine.models.synthesizer import Synthesizer
from engine.segments import ANALYSIS_RATE_HZ, CUT_EVERY_FRAMES, FRAMES_PER_SECOND
from engine.stages import PART_TITLES, Part

SHARES = (0.6, 0.3)
"""Of a GPU's limits that programs reach: well tuned, and usual."""

SOUND_S = 180.0

_PIECE_FRAMES = CUT_EVERY_FRAMES - CUT_EVERY_FRAMES % ALIGN_FRAMES


@dataclass(frozen=True)
class Work:
    """What one part does for a second of sound.

    Attributes
    ----------
    flop : multiplications and additions of convolutions and matrix products
    bytes_moved : by all operators, in float32, if each reads and writes memory; an upper limit
    """

    part: Part
    flop: float
    bytes_moved: float


@dataclass(frozen=True)
class Chip:
    """A GPU, by public figures.

    Attributes
    ----------
    cores, mhz : 128 multiply-adds a core and cycle
    gb_per_s : bandwidth of the memory, as Apple states it
    """

    name: str
    cores: int
    mhz: int
    gb_per_s: int

    @property
    def tflops(self) -> float:
        """Float32."""
        return self.cores * 128 * 2 * self.mhz / 1e6

    def seconds(self, work: list[Work], sound_s: float, share: float) -> float:
        """For so much sound, with a share of the limits; parts one after the other."""
        longest = (
            max(each.flop / (self.tflops * 1e12), each.bytes_moved / (self.gb_per_s * 1e9))
            for each in work
        )
        return sound_s * sum(longest) / share


CHIPS = (
    Chip("M1", 8, 1278, 68),
    Chip("M1 Max", 32, 1296, 400),
    Chip("M2", 10, 1398, 100),
    Chip("M2 Max", 38, 1398, 400),
    Chip("M3", 10, 1398, 100),
    Chip("M3 Max", 40, 1398, 400),
    Chip("M4", 10, 1470, 120),
    Chip("M4 Max", 40, 1578, 546),
    Chip("M5", 10, 1470, 153),
    Chip("M5 Max", 40, 1578, 614),
)
"""The largest GPU of each. Cores and bandwidth: Apple's press releases of 2020-11-10 (M1) to
2026-03-03 (M5 Max). Clocks: github.com/philipturner/metal-benchmarks (M1, M2) and hmc-tech.com (M1
Max, M3, M4), which has 1678 MHz for the M4 Max; the lower of the public figures is taken.

Apple states 2.6 TFLOPS for the M1 and 3.6 for the M2. The M2 Max is taken with the clock of the
M2, the M5 and M5 Max with those of the M4 and M4 Max, because sources differ or are missing; the
matrix units of the M5s are left out.
"""


def work_of_parts() -> list[Work]:
    """Of a full-size v2 voice at 40 kHz, by part, without the index, whose search is small."""
    with without_weights():
        networks = ContentEncoder(sizes_of({})).eval(), RmvpeNetwork().eval()
        voice = Synthesizer(V2_40K).eval().to("meta")  # with the weights of its source
        frames = _PIECE_FRAMES
        mel = torch.empty(N_MELS, frames)
        audio = torch.empty(1, frames * ANALYSIS_RATE_HZ // FRAMES_PER_SECOND)
        features = torch.empty(1, frames, V2_40K.feature_channels)
        coarse, speaker = (torch.zeros(1, n, dtype=torch.int64) for n in (frames, 1))
        z = torch.empty(1, V2_40K.inter_channels, frames)
        source = SourceInput(torch.empty(1, frames), torch.empty(1, frames))
    content, pitch = networks
    runs: dict[Part, Callable[[], object]] = {
        "pitch": lambda: pitch.features(mel),  # its GRU runs on the CPU
        "content": lambda: content(audio),
        "latent": lambda: voice.latent(*voice.prior(features, coarse), None, speaker[0]),
        "vocoder": lambda: voice.vocode(z, source, speaker[0]),
    }
    return [_work(part, run) for part, run in runs.items()]


@torch.no_grad()
def _work(part: Part, run: Callable[[], object]) -> Work:
    counter = FlopCounterMode(display=False)
    traffic = _Traffic()  # type: ignore[no-untyped-call]
    with counter:
        run()
    with traffic:
        run()
    seconds = _PIECE_FRAMES / FRAMES_PER_SECOND
    return Work(part, counter.get_total_flops() / seconds, traffic.bytes_moved / seconds)


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what each operator reads and writes; views move nothing."""

    bytes_moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        aliases = [each.alias_info for each in func._schema.returns]  # noqa: SLF001 - it has no public name
        if all(each is None or each.is_write for each in aliases):
            tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
            self.bytes_moved += sum(x.numel() * x.element_size() for x in tensors)
        return result


def as_tables(work: list[Work]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of what the parts do in a second of sound, and of what chips need for three minutes."""
    parts = [["part", "GFLOP a second", "GB moved a second"]]
    for each in work:
        title = str(PART_TITLES[each.part]).removeprefix("the ")
        parts.append([title, f"{each.flop / 1e9:.1f}", f"{each.bytes_moved / 1e9:.2f}"])
    total = Work("", sum(each.flop for each in work), sum(each.bytes_moved for each in work))
    parts.append(["together", f"{total.flop / 1e9:.1f}", f"{total.bytes_moved / 1e9:.2f}"])
    heads = [f"3 minutes at {share:.0%}" for share in SHARES]
    chips = [["GPU", "TFLOPS", "GB/s", *heads]]
    for chip in CHIPS:
        times = [f"{chip.seconds(work, SOUND_S, share):.1f} s" for share in SHARES]
        chips.append([chip.name, f"{chip.tflops:.1f}", str(chip.gb_per_s), *times])
    return parts, chips
