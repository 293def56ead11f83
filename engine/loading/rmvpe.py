"""Loading RMVPE from ``rmvpe.pt``: the bare state of the network."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.bundle import advised
from engine.checkpoint import read_state_file
from engine.errors import WeightsError
from engine.loading.state import load_strictly, tensors_of
from engine.models.rmvpe import Rmvpe, RmvpeNetwork
from engine.paths import RMVPE_FILE


def load_rmvpe(path: Path) -> Rmvpe:
    """Read the pitch network, on the CPU.

    Parameters
    ----------
    path : the file, or the models folder that holds ``rmvpe.pt``

    Raises
    ------
    WeightsError : the file is missing, damaged, or another network
    """
    file = path / RMVPE_FILE if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(
            "Cannot find the pitch network RMVPE",
            f'there is no "{file.name}" in "{file.parent}"',
            advised(
                'fetch it with "urvc models download", or choose the pitch method yin',
                "download it in Settings › Models, or choose the pitch method yin",
            ),
        )
    tensors = tensors_of(read_state_file(file, WeightsError), file)
    with torch.device("meta"):
        network = RmvpeNetwork()
    return Rmvpe(load_strictly(network, tensors, file)).eval()
