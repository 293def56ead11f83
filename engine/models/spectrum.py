"""Short-time spectra of songs and back, on the host: no device needs complex numbers.

All tensors that leave are real; the last axis of two holds real and imaginary part.
"""

from __future__ import annotations

import torch
from torch import Tensor


def spectrum(audio: Tensor, n_fft: int, hop: int) -> Tensor:
    """Samples float32 [channels, n], n > n_fft / 2 -> [channels, n_fft / 2 + 1, n // hop + 1, 2].

    Frame t is centred on sample ``t * hop``; both ends are mirrored.
    """
    bins = torch.stft(audio, n_fft, hop, window=torch.hann_window(n_fft), return_complex=True)
    return torch.view_as_real(bins)


def waveform(bins: Tensor, n_fft: int, hop: int, n: int) -> Tensor:
    """The inverse: [channels, n_fft / 2 + 1, frames, 2] -> float32 [channels, n]."""
    complex_bins = torch.view_as_complex(bins.contiguous())
    return torch.istft(complex_bins, n_fft, hop, window=torch.hann_window(n_fft), length=n)
