"""Where the random numbers of a training come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Chance:
    """Where the random numbers of one step come from, on the device that uses them."""

    generator: torch.Generator

    @classmethod
    def of_step(cls, seed: int, step: int, device: torch.device | str = "cpu") -> Chance:
        """The same numbers for the same step on the same kind of device, whatever came before."""
        mixed = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]
        return cls(torch.Generator(device).manual_seed(int(mixed) >> 1))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, float32."""
        device = self.generator.device
        return torch.randn(*shape, generator=self.generator, device=device)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Evenly between two limits, float32."""
        device = self.generator.device
        return torch.rand(*shape, generator=self.generator, device=device) * (high - low) + low

    def log_uniform(self, limits: tuple[float, float], *shape: int) -> Tensor:
        """Evenly on a logarithmic scale, float32."""
        low, high = np.log(limits)
        return self.uniform(float(low), float(high), *shape).exp()

    def happens(self, share: float, *shape: int) -> Tensor:
        """True in so many of all cases, bool."""
        return self.uniform(0.0, 1.0, *shape) < share

    def below(self, counts: Tensor) -> Tensor:
        """Whole numbers from 0 to each of the counts, without it, int64."""
        part = self.uniform(0.0, 1.0, *counts.shape)
        return (part.double() * counts).long().minimum(counts - 1)
