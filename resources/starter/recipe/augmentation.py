"""What another mouth, a room and a microphone do to speech without changing its words."""

from __future__ import annotations

import torch
from torch import Tensor

from recipe.chance import Chance
from recipe.mel import hann

FORMANTS = (0.84, 1.19)
MOVED = 0.6
"""Share of the clips that get another mouth."""

EQUALISER_DB = 4.0
EQUALISER_POINTS = (4, 12)
ECHOES = 0.3
ECHO_SAMPLES = (400, 2400)
ECHO_LEVELS = (0.02, 0.15)
NOISES, PINK = 0.6, 0.5
NOISE_DB = (10.0, 40.0)
PINK_CORNER = 20
CLIPPED, CLIP_AT_DEVIATIONS = 0.1, 1.5
PEAKS = (0.1, 0.9)
_FFT_STEP = 4096
_WINDOW_SAMPLES, _HOP_SAMPLES = 512, 128
_SMOOTHEST = 30
"""Cepstral coefficients of an envelope: below the period of the highest voice."""

_MOST_GAIN = 3.0
_TINY = 1e-6


def recorded(sounds: Tensor, chance: Chance) -> Tensor:
    """The same speech by another mouth through another channel, sample for sample in time.

    ``float32 [B, N] -> [B, N]``, each row by itself.
    """
    count, n = sounds.shape
    factors = chance.log_uniform(FORMANTS, count)
    heard = formants_moved(sounds, torch.where(chance.happens(MOVED, count), factors, 1.0))
    size = -(-(n + ECHO_SAMPLES[1]) // _FFT_STEP) * _FFT_STEP
    spectrum = torch.fft.rfft(heard, size)
    spectrum = spectrum * _gains(count, spectrum.shape[1], chance)
    spectrum = spectrum * torch.fft.rfft(_echoes(count, chance), size)
    heard = torch.fft.irfft(spectrum, size)[:, :n]
    deviation = heard.std(dim=1, keepdim=True) + _TINY
    level = 10 ** (-chance.uniform(*NOISE_DB, count, 1) / 20) * chance.happens(NOISES, count, 1)
    heard = heard + _noises(count, size, chance)[:, :n] * (deviation * level)
    limit = torch.where(chance.happens(CLIPPED, count, 1), CLIP_AT_DEVIATIONS * deviation, 1e3)
    heard = heard.minimum(limit).maximum(-limit)
    peak = heard.abs().amax(dim=1, keepdim=True) + _TINY
    louder: Tensor = heard * (chance.uniform(*PEAKS, count, 1) / peak)
    return louder


def formants_moved(sounds: Tensor, factors: Tensor) -> Tensor:
    """Each row with its spectral envelope stretched by a factor; pitch and timing stay.

    The envelope is that of the cepstrum's beginning; what it gains is multiplied on.
    """
    window = hann(_WINDOW_SAMPLES, sounds.device)
    spectrum = torch.stft(
        sounds,
        _WINDOW_SAMPLES,
        _HOP_SAMPLES,
        window=window,
        return_complex=True,
        pad_mode="constant",
    )
    cepstrum = torch.fft.irfft((spectrum.abs() + _TINY).log(), _WINDOW_SAMPLES, dim=1)
    cepstrum[:, _SMOOTHEST : 1 - _SMOOTHEST] = 0.0
    envelope = torch.fft.rfft(cepstrum, dim=1).real
    bins = torch.arange(envelope.shape[1], device=sounds.device)
    moved = _between(envelope, bins / factors[:, None])
    gain = (moved - envelope).clamp(-_MOST_GAIN, _MOST_GAIN).exp()
    n = sounds.shape[1]
    return torch.istft(spectrum * gain, _WINDOW_SAMPLES, _HOP_SAMPLES, window=window, length=n)


def _between(values: Tensor, places: Tensor) -> Tensor:
    """``values [B, F, ...]`` at fractional ``places [B, G]``, on straight lines: [B, G, ...]."""
    places = places.clamp(0, values.shape[1] - 1)
    low = places.long()
    high = (low + 1).clamp(max=values.shape[1] - 1)
    rows = torch.arange(len(values), device=values.device)[:, None]
    part = (places - low).reshape(*places.shape, *[1] * (values.dim() - 2))
    return torch.lerp(values[rows, low], values[rows, high], part)


def _gains(count: int, bins: int, chance: Chance) -> Tensor:
    """Of a random equaliser for each row, [B, bins]."""
    low, high = EQUALISER_POINTS
    gains_db = EQUALISER_DB * chance.normal(count, high)
    last = chance.uniform(low - 1, high, count, 1).floor()
    place = torch.linspace(0, 1, bins, device=gains_db.device)
    return 10 ** (_between(gains_db, place * last) / 20)


def _echoes(count: int, chance: Chance) -> Tensor:
    """Impulse responses of small rooms, or of none, [B, N]."""
    low, high = ECHO_SAMPLES
    length = chance.uniform(low, high, count, 1)
    noise = chance.normal(count, high)
    time = torch.arange(high, device=noise.device)
    level = chance.uniform(*ECHO_LEVELS, count, 1) * chance.happens(ECHOES, count, 1)
    echo = noise * (-5 * time / length).exp() * (time < length) * level
    echo[:, 0] = 1.0
    return echo


def _noises(count: int, n: int, chance: Chance) -> Tensor:
    """White or pink noise at a level of one, [B, N]."""
    spectrum = torch.fft.rfft(chance.normal(count, n))
    line = torch.arange(spectrum.shape[1], device=spectrum.device) + PINK_CORNER
    pink = chance.happens(PINK, count, 1)
    noise = torch.fft.irfft(torch.where(pink, spectrum / line.sqrt(), spectrum), n)
    level: Tensor = noise / noise.std(dim=1, keepdim=True)
    return level
