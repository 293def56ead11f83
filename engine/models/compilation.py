"""Networks as recorded graphs (TorchScript), one for each shape of input.

A recording saves Python's overhead and lets torch fuse small steps; it is valid for the shapes it
was recorded with. TorchScript is deprecated, so this is off unless measured to be faster.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.models.context import NO_CONTEXT, Context
from engine.models.source import SourceInput
from engine.models.synthesizer import Synthesizer

SAME_WITHIN = 1e-4
"""Largest difference between a recording's samples and the network's, of full scale."""


@dataclass(frozen=True)
class Compiled:
    """A network, recorded if possible.

    Attributes
    ----------
    run : the recording, or the network itself where recording failed
    warning : why recording failed; None if it did not
    """

    run: Callable[..., Tensor]
    warning: str | None = None


def compile_traced(module: nn.Module, example: tuple[Tensor, ...]) -> Compiled:
    """Record a network whose inputs are tensors and whose output is one tensor.

    Parameters
    ----------
    module : evaluation mode; shares its weights with the recording
    example : inputs of the shapes to record; network and recording are compared on them
    """
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # It warns that it is deprecated and of every size that it keeps, as intended.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
            difference = (traced(*example) - module(*example)).abs().max()
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        return Compiled(module, f"graph compilation is off: torch cannot record it ({reason})")
    if not difference <= SAME_WITHIN:
        return Compiled(module, "graph compilation is off: the recording differs from the network")
    return Compiled(traced)


class CompiledVocoder:
    """`Synthesizer.vocode` by recordings, one for each shape, recorded when it first occurs.

    Attributes
    ----------
    warnings : why some shapes run uncompiled, each reason once
    """

    def __init__(self, synthesizer: Synthesizer) -> None:
        self._synthesizer = synthesizer
        self._recordings: dict[tuple[object, ...], Compiled] = {}
        self.warnings: list[str] = []

    def vocode(
        self,
        z: Tensor,
        source: SourceInput | None,
        speaker: Tensor,
        context: Context = NO_CONTEXT,
    ) -> Tensor:
        """See `Synthesizer.vocode`."""
        if source is not None and source.layer_noise is not None and self._has_layer_noise():
            self._warn("graph compilation is off: this vocoder draws noise inside its layers")
            return self._synthesizer.vocode(z, source, speaker, context)
        given = () if source is None else _tensors(source)
        inputs = (z, speaker, *(x for x in given if x is not None))
        shapes = ((x.shape, x.dtype, x.device) for x in inputs)
        key = (*shapes, *(x is None for x in given), context)
        if key not in self._recordings:
            recorded = compile_traced(_Flat(self._synthesizer, given, context), inputs)
            self._recordings[key] = recorded
            if recorded.warning is not None:
                self._warn(recorded.warning)
        return self._recordings[key].run(*inputs)

    __call__ = vocode

    def _has_layer_noise(self) -> bool:
        return self._synthesizer.sizes.gliding_f0

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)


class _Flat(nn.Module):
    """`Synthesizer.vocode` with only tensors as inputs."""

    def __init__(
        self, synthesizer: Synthesizer, source: tuple[Tensor | None, ...], context: Context
    ) -> None:
        super().__init__()
        self.synthesizer = synthesizer
        self.context = context
        self.given = [x is not None for x in source]

    def forward(self, z: Tensor, speaker: Tensor, *source: Tensor) -> Tensor:
        """Sound ``[B, T' * hop]``; `source`: the tensors of `SourceInput` that are not None."""
        if not self.given:
            return self.synthesizer.vocode(z, None, speaker, self.context)
        rest = iter(source)
        f0_hz, phase, noise, start_phase = (next(rest) if here else None for here in self.given)
        if f0_hz is None or phase is None:
            raise ValueError("a source has a pitch and a phase")
        given = SourceInput(f0_hz, phase, noise, start_phase)
        return self.synthesizer.vocode(z, given, speaker, self.context)


def _tensors(source: SourceInput) -> tuple[Tensor | None, ...]:
    return source.f0_hz, source.phase_cycles, source.noise, source.start_phase_cycles
