"""The whole synthesizer of an RVC voice: prior, flow, vocoder. Inference only.

It draws no random numbers and keeps no state: all noise comes from the caller, indexed by absolute
position, so that results are reproducible and a piece equals the same part of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.context import NO_CONTEXT, Context
from engine.models.flow import Flow
from engine.models.hifi_gan import HifiGan
from engine.models.layers import without_weights
from engine.models.mrf_gan import MrfGan
from engine.models.prior import Prior
from engine.models.refine_gan import RefineGan
from engine.models.source import SourceInput, frame_phase
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder

NOISE_SCALE = 0.66666
"""Factor on the prior's standard deviation; every other program uses this value."""


class Synthesizer(nn.Module):
    """Content features and pitch to sound (VITS, Kim et al. 2021, as in RVC)."""

    def __init__(self, sizes: SynthesizerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        # Checkpoint names: prior encoder, vocoder, flow, speaker embedding.
        self.enc_p = Prior(sizes)
        self.dec = _vocoder(sizes)
        self.flow = Flow(sizes)
        self.emb_g = nn.Embedding(sizes.speakers, sizes.gin_channels)

    def prior(self, phone: Tensor, pitch_coarse: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log-scale of the latent, each float32 ``[B, inter, T]``.

        Parameters
        ----------
        phone : float32 ``[B, T, W]``  content features, 100 frames/s
        pitch_coarse : int64 ``[B, T]``  1..255 on the mel scale; None for voices without pitch
        """
        mean, log_scale = self.enc_p(phone, pitch_coarse)
        return mean, log_scale

    def latent(
        self, mean: Tensor, log_scale: Tensor, noise: Tensor | None, speaker: Tensor
    ) -> Tensor:
        """The vocoder's input, float32 ``[B, inter, T]``.

        Parameters
        ----------
        mean, log_scale : from `prior`
        noise : standard normal ``[B, inter, T]``, None for zero
        speaker : int64 ``[B]``
        """
        z = mean if noise is None else mean + log_scale.exp() * noise * NOISE_SCALE
        result: Tensor = self.flow(z, self._speaker(speaker))
        return result

    def vocode(
        self,
        z: Tensor,
        source: SourceInput | None,
        speaker: Tensor,
        context: Context = NO_CONTEXT,
    ) -> Tensor:
        """Sound, float32 ``[B, T' * hop]`` in -1..1 at the voice's rate; T' is T without context.

        Parameters
        ----------
        z : from `latent`
        source : pitch and noise; None for voices without pitch
        speaker : int64 ``[B]``
        context : frames at either end that give no sound; with `receptive_field_frames` of
            them the sound is that of the whole file
        """
        if self.sizes.pitch_guided == (source is None):
            raise ValueError("a pitch-guided voice needs a source, any other voice takes none")
        # The vocoder may be on another device than the rest.
        sound: Tensor = self.dec(z, source, self._speaker(speaker).to(z.device), context)
        return sound

    def frame_phase(self, f0_hz: NDArray[np.float32]) -> NDArray[np.float64]:
        """`engine.models.source.frame_phase` with this voice's rate and interpolation."""
        sizes = self.sizes
        return frame_phase(f0_hz, sizes.sample_rate_hz, sizes.hop_samples, gliding=sizes.gliding_f0)

    def receptive_field_frames(self) -> int:
        """Frames of context on either side that influence the output of `vocode`."""
        return self.dec.receptive_field_frames()

    def _speaker(self, speaker: Tensor) -> Tensor:
        embedded: Tensor = self.emb_g(speaker)
        return embedded.unsqueeze(-1)


def _vocoder(sizes: SynthesizerSizes) -> HifiGan | MrfGan | RefineGan:
    if sizes.vocoder in (Vocoder.PLAIN, Vocoder.NSF):
        return HifiGan(sizes)
    return MrfGan(sizes) if sizes.vocoder is Vocoder.MRF else RefineGan(sizes)


@lru_cache(maxsize=8)
def state_shapes(sizes: SynthesizerSizes) -> Mapping[str, tuple[int, ...]]:
    """Every weight (folded) that these sizes imply, and its shape; takes no memory."""
    with without_weights():
        network = Synthesizer(sizes)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    return MappingProxyType(shapes)


def build_synthesizer(sizes: SynthesizerSizes, state: Mapping[str, Tensor]) -> Synthesizer:
    """A network ready to run, holding `state`'s own tensors.

    Parameters
    ----------
    sizes : of the checkpoint
    state : float32, weight norm folded, exactly the names and shapes of `state_shapes`

    Raises
    ------
    RuntimeError : a name is missing or unknown, or a shape differs
    """
    with without_weights():
        network = Synthesizer(sizes)
    network.load_state_dict(dict(state), strict=True, assign=True)
    return network.eval().requires_grad_(requires_grad=False)
