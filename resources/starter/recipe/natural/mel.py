"""The latent of the voice at 24 kHz; see `recipe.mel`."""

from __future__ import annotations

from recipe.mel import MelSpectrum

RATE_HZ, HOP_SAMPLES = 24_000, 240
MEL = MelSpectrum(RATE_HZ, HOP_SAMPLES, window_samples=960, bands=100, middle=-5.5, spread=2.5)
BANDS = MEL.bands
log_mel, latent = MEL.log_mel, MEL.latent
