"""Windows: pieces of a source that go through the networks, and how their sound is joined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from engine.audio.spool import Spool
from engine.models.source import LayerNoise, SourceInput
from engine.models.synthesizer import Synthesizer
from engine.noise import NoiseField
from engine.options import ConversionOptions
from engine.segments import CONTEXT_FRAMES, HOP_SAMPLES, Piece, silence_gain

Floats = NDArray[np.float32]

CROSSFADE_FRAMES = 2
"""20 ms around each joint, in which one piece fades into the next; both are in phase."""
_HALF_FADE = CROSSFADE_FRAMES // 2

SMALLEST_PIECE_FRAMES = 200


@dataclass(frozen=True, eq=False)
class Window:
    """A piece with its context; holds everything that its sound depends on.

    Attributes
    ----------
    options : of the conversion
    piece : frames of the source that are to be synthesised
    start : first frame of the window; 0 is one second (`CONTEXT_FRAMES`) before the source.
        Noise is drawn by this position, so it continues from one window to the next
    samples : float32 [C, frames * 160]  16 kHz
    f0_hz : float32 [frames], 0 where unvoiced; None for a voice without pitch
    coarse : int64 [frames]  pitch as one of 255 levels
    phase_cycles : float32 [frames]  phase of the fundamental at the start of each frame
    active : bool [frames]  where the source is not silent
    fade_in, fade_out : whether another piece joins before and after
    heard : frames of the source whose sound is asked for; others may stay silent
    loudest : level of the loudest stretch of the source, for content encoders that have to know it
    """

    options: ConversionOptions
    piece: Piece
    start: int
    samples: torch.Tensor
    f0_hz: torch.Tensor | None
    coarse: torch.Tensor | None
    phase_cycles: torch.Tensor | None
    active: NDArray[np.bool_]
    fade_in: bool
    fade_out: bool
    heard: Piece | None = None
    loudest: float | None = None

    @property
    def channels(self) -> int:
        """Rows that go through the networks side by side."""
        return len(self.samples)

    @property
    def frames(self) -> int:
        """Length with context."""
        return len(self.active)

    @property
    def first_frame(self) -> int:
        """Frame of the source where the kept sound begins, half a crossfade before the piece."""
        return self.piece.start - _HALF_FADE * self.fade_in

    def used_frames(self) -> tuple[int, int]:
        """Frames of the window whose sound is kept, in its own count."""
        offset = CONTEXT_FRAMES - self.start
        return self.first_frame + offset, self.piece.stop + _HALF_FADE * self.fade_out + offset

    def heard_frames(self, start: int, stop: int) -> tuple[int, int] | None:
        """Which of the frames ``[start, stop)`` of the window are asked for; None if none is."""
        if self.heard is None:
            return start, stop
        offset = CONTEXT_FRAMES - self.start
        low, high = max(start, self.heard.start + offset), min(stop, self.heard.stop + offset)
        return (low, high) if low < high else None

    def silence_gain(self, hop_samples: int) -> Floats:
        """0 where the source is silent, else 1; one value for each kept sample."""
        return silence_gain(self.active, *self.used_frames(), hop_samples)

    def halves(self) -> tuple[Self, Self] | None:
        """The piece in two windows of their own; None where it is too short."""
        piece = self.piece
        if piece.frames < 2 * SMALLEST_PIECE_FRAMES:
            return None
        middle = (piece.start + piece.stop) // 2
        first = self._part(Piece(piece.start, middle))
        second = self._part(Piece(middle, piece.stop))
        return replace(first, fade_out=True), replace(second, fade_in=True)

    def _part(self, piece: Piece) -> Self:
        low = piece.start - self.start
        frames = slice(low, low + piece.frames + 2 * CONTEXT_FRAMES)
        samples = slice(frames.start * HOP_SAMPLES, frames.stop * HOP_SAMPLES)
        return replace(
            self,
            piece=piece,
            start=piece.start,
            samples=self.samples[:, samples],
            f0_hz=None if self.f0_hz is None else self.f0_hz[frames],
            coarse=None if self.coarse is None else self.coarse[frames],
            phase_cycles=None if self.phase_cycles is None else self.phase_cycles[frames],
            active=self.active[frames],
        )

    def latent_noise(self, frames: int, inter_channels: int) -> torch.Tensor:
        """Noise of the prior, float32 [C, inter_channels, frames]; zero when switched off."""
        noise = self._field().normal("latent", self.start, self.start + frames, inter_channels)
        return self._all_channels(noise.T)

    def excitation(self, start: int, frames: int, synthesizer: Synthesizer) -> SourceInput | None:
        """The vocoder's source from frame ``start`` of the window on, on the CPU."""
        if self.f0_hz is None or self.phase_cycles is None:
            return None
        noise = start_phase = layer_noise = None
        if self.options.noise:
            sizes = synthesizer.sizes
            low, high = self._span(start, frames, sizes.hop_samples)
            field = self._field()
            noise = self._all_channels(field.normal("source", low, high, sizes.harmonics))
            phases = field.uniform("start phase", sizes.harmonics)
            phases[0] = 0.0  # the fundamental's phase is that of f0
            start_phase = torch.from_numpy(phases)
            layer_noise = self._layer_noise(start, frames)
        part = slice(start, start + frames)
        return SourceInput(
            f0_hz=self.f0_hz[part].expand(self.channels, -1),
            phase_cycles=self.phase_cycles[part].expand(self.channels, -1),
            noise=noise,
            start_phase_cycles=start_phase,
            layer_noise=layer_noise,
        )

    def _layer_noise(self, start: int, frames: int) -> LayerNoise:
        def draw(layer: str, channels: int, samples_per_frame: int) -> torch.Tensor:
            low, high = self._span(start, frames, samples_per_frame)
            noise = self._field().normal(f"layer {layer}", low, high, channels)
            return self._all_channels(noise.T)

        return draw

    def _span(self, start: int, frames: int, per_frame: int) -> tuple[int, int]:
        low = (self.start + start) * per_frame
        return low, low + frames * per_frame

    def _field(self) -> NoiseField:
        return NoiseField(self.options.seed, enabled=self.options.noise)

    def _all_channels(self, noise: Floats) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(noise))
        return tensor.expand(self.channels, *tensor.shape)


class Joiner:
    """Puts synthesised pieces together, in any order, with a short crossfade at each joint.

    At a joint the two overlapping stretches, which carry the same pitch in the same phase, are
    mixed linearly.

    Parameters
    ----------
    output : float32 [frames * hop, channels], all zero; takes the sound
    hop_samples : output samples of a frame
    """

    def __init__(self, output: Spool, hop_samples: int) -> None:
        self.output = output
        self._hop = hop_samples
        n = CROSSFADE_FRAMES * hop_samples
        self._fade = np.linspace(0.0, 1.0, n + 2, dtype=np.float32)[1:-1, None]

    def add(self, window: Window, samples: Floats) -> None:
        """Add the kept sound of a window, float32 [channels, n]."""
        made = samples.T.copy()
        first, n, faded = window.first_frame * self._hop, len(made), len(self._fade)
        if window.fade_in:
            made[:faded] *= self._fade
            made[:faded] += self.output.read(first, first + faded)
        if window.fade_out:
            made[n - faded :] *= self._fade[::-1]
            made[n - faded :] += self.output.read(first + n - faded, first + n)
        self.output.write(first, made)
