"""A Whisper encoder with random weights, in a folder."""

from pathlib import Path

import torch
from recipe.whisper_file import write_encoder

from engine.models.whisper import WhisperEncoder, WhisperSizes


def small_whisper(seed: int, width: int, blocks: int) -> WhisperEncoder:
    """Weights that float16 holds exactly."""
    torch.manual_seed(seed)
    sizes = WhisperSizes(80, width, 4 * width, blocks, width // 64, final_norm=False)
    encoder = WhisperEncoder(sizes).eval()
    for value in encoder.state_dict().values():
        value.copy_(value.half())
    return encoder


def write_small_encoder(folder: Path, seed: int, width: int = 64) -> None:
    """One block of so many channels, its features normalised by mean 0 and spread 1."""
    encoder = small_whisper(seed, width, blocks=1)
    tensors = {f"encoder.{name}": value.half() for name, value in encoder.state_dict().items()}
    write_encoder(folder, tensors, (torch.zeros(width), torch.ones(width)))
