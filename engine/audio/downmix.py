"""One channel out of several, also where they cancel each other out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CANCELLED = 0.01
"""Energy of the mean against that of the louder channel: -20 dB. Two channels that have nothing in
common leave -6 dB or more; with one of them turned round nothing is left."""


def cancelled(mixed_energy: float, louder_energy: float) -> bool:
    """Whether the mean of channels is next to silent though they are not."""
    return mixed_energy < _CANCELLED * louder_energy


def middle_channel(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is heard in the middle: the mean, or the louder channel where the mean is cancelled.

    Parameters
    ----------
    channels : float32 [C, n]

    Returns
    -------
    float32 [n], a part of ``channels`` where it is one of them
    """
    if len(channels) == 1:
        only: NDArray[np.float32] = channels[0]
        return only
    mean: NDArray[np.float32] = channels.mean(0)
    energies = np.einsum("cn,cn->c", channels, channels)
    loudest: NDArray[np.float32] = channels[energies.argmax()]
    return loudest if cancelled(float(mean @ mean), float(energies.max())) else mean
