"""The source of the pitch-guided vocoders: sines of f0 and its harmonics, and noise (NSF).

The phase of every frame's start is accumulated by the caller over the whole file (`frame_phase`,
float64), so a piece sounds the same alone and in the whole file; the networks add only the phase
inside a frame, in float32, and draw no random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.layers import glide_weights

SINE_AMPLITUDE = 0.1
VOICED_NOISE_STD = 0.003
UNVOICED_NOISE_STD = SINE_AMPLITUDE / 3

LayerNoise = Callable[[str, int, int], Tensor]
"""``(layer, channels, samples_per_frame) -> float32 [B, channels, T * samples_per_frame]``.

Standard normal numbers for one noisy layer of RefineGAN. The layer's name (such as "2.0.1": stage,
block, before or after) and the caller's own frame position make a counter, so that the same
position always gets the same numbers, whatever the piece.
"""


@dataclass(frozen=True)
class SourceInput:
    """What a pitch-guided vocoder needs besides the latent, indexed by absolute frame.

    Attributes
    ----------
    f0_hz : float32 ``[B, T]``  pitch per 10 ms frame, 0 where unvoiced
    phase_cycles : float32 ``[B, T]``  phase of the fundamental at the start of each frame, 0..1
    noise : float32 ``[B, T * hop, H]``  standard normal, or None for silence
    start_phase_cycles : float32 ``[H]``  offset of each harmonic, 0 for the first; None for zeros
    layer_noise : noise inside RefineGAN's layers, or None; other vocoders have none
    """

    f0_hz: Tensor
    phase_cycles: Tensor
    noise: Tensor | None = None
    start_phase_cycles: Tensor | None = None
    layer_noise: LayerNoise | None = None


def frame_phase(
    f0_hz: NDArray[np.float32], sample_rate_hz: int, hop_samples: int, *, gliding: bool
) -> NDArray[np.float64]:
    """Phase of the fundamental at the start of each frame of a whole file, in cycles 0..1.

    The sine's first sample is one step after the frame's start, as in other programs.

    Parameters
    ----------
    f0_hz : float32 ``[T]``  pitch per frame, 0 where unvoiced
    sample_rate_hz, hop_samples : of the vocoder
    gliding : f0 is interpolated between the frames (RefineGAN) instead of being held

    Returns
    -------
    float64 ``[T]``
    """
    f0 = f0_hz.astype(np.float64)
    if not f0.size:
        return f0
    total = _summed_weights(hop_samples, gliding=gliding)[:, -1].numpy()
    before = np.concatenate([f0[:1], f0[:-1]])
    after = np.concatenate([f0[1:], f0[-1:]])
    cycles = (before * total[0] + f0 * total[1] + after * total[2]) / sample_rate_hz
    return np.concatenate([[0.0], np.cumsum(cycles % 1.0)[:-1]]) % 1.0


def _summed_weights(hop_samples: int, *, gliding: bool) -> Tensor:
    """``[3, hop]`` float64: summed weights of the previous, this and the next f0."""
    if gliding:
        return glide_weights(hop_samples).cumsum(dim=1)
    here = torch.arange(1, hop_samples + 1, dtype=torch.float64, device="cpu")
    return torch.stack([torch.zeros_like(here), here, torch.zeros_like(here)])


class Harmonics(nn.Module):
    """Sines at f0 and its multiples where there is pitch, and noise everywhere; no weights.

    The neural source filter of Wang et al. 2019.
    """

    def __init__(
        self, sample_rate_hz: int, hop_samples: int, harmonics: int, *, gliding: bool
    ) -> None:
        super().__init__()
        self.gliding = gliding
        self.harmonics = harmonics
        # Divided here, in float64: an f0 times this is the phase inside a frame.
        summed = _summed_weights(hop_samples, gliding=gliding) / sample_rate_hz
        self.register_buffer("cycles_per_hz", summed.float(), persistent=False)
        self.register_buffer("shares", glide_weights(hop_samples).float(), persistent=False)
        self.cycles_per_hz: Tensor
        self.shares: Tensor

    def forward(self, source: SourceInput) -> Tensor:
        """Float32 ``[B, T * hop, H]``, one wave for each of the H harmonics."""
        before, here, after = _neighbours(source.f0_hz)
        phase = source.phase_cycles.unsqueeze(-1) + here * self.cycles_per_hz[1]
        f0 = here
        if self.gliding:
            phase = phase + before * self.cycles_per_hz[0] + after * self.cycles_per_hz[2]
            f0 = before * self.shares[0] + here * self.shares[1] + after * self.shares[2]
        voiced = (f0 > 0).to(phase.dtype).expand_as(phase).flatten(1).unsqueeze(-1)
        # Wrapped before it is multiplied: float32 is precise to 1e-7 only near zero.
        cycles = (phase - phase.floor()).flatten(1).unsqueeze(-1)
        multiples = torch.arange(1, self.harmonics + 1, device=phase.device, dtype=phase.dtype)
        cycles = cycles * multiples
        if source.start_phase_cycles is not None:
            cycles = cycles + source.start_phase_cycles
        waves = torch.sin(2 * math.pi * (cycles - cycles.floor())) * SINE_AMPLITUDE * voiced
        if source.noise is None:
            return waves
        amplitude = voiced * VOICED_NOISE_STD + (1 - voiced) * UNVOICED_NOISE_STD
        return waves + amplitude * source.noise


def _neighbours(f0_hz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """f0 of the frame before, the frame and the one after, each ``[B, T, 1]``."""
    before = torch.cat([f0_hz[:, :1], f0_hz[:, :-1]], dim=1)
    after = torch.cat([f0_hz[:, 1:], f0_hz[:, -1:]], dim=1)
    return before.unsqueeze(-1), f0_hz.unsqueeze(-1), after.unsqueeze(-1)
