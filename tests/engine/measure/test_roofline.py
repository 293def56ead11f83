"""Reckoned work of the networks and limits of chips."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.cli import main
from engine.measure.roofline import Chip, Work, work_of_parts
from engine.measure.synthetic import V2_40K
from engine.models.layers import without_weights
from engine.models.source import SourceInput
from engine.models.synthesizer import Synthesizer


def test_the_vocoders_operations_are_those_of_its_convolutions() -> None:
    frames, counted = 400, 0

    def count(layer: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, nn.Conv1d | nn.ConvTranspose1d)
        places = (made if isinstance(layer, nn.Conv1d) else given[0]).shape[-1]
        counted += 2 * layer.weight.numel() * places

    with without_weights():
        voice = Synthesizer(V2_40K).eval().to("meta")
        z, f0_hz = torch.empty(1, 192, frames), torch.empty(1, frames)
        speaker = torch.zeros(1, dtype=torch.int64)
    for layer in voice.modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        voice.vocode(z, SourceInput(f0_hz, f0_hz), speaker)
    found = {each.part: each.flop for each in work_of_parts()}
    assert found["vocoder"] == pytest.approx(counted / (frames / 100), rel=0.01)


def test_a_part_takes_as_long_as_its_tighter_limit_allows() -> None:
    chip = Chip("toy", cores=10, mhz=1000, gb_per_s=100)
    assert chip.tflops == pytest.approx(2.56)
    multiplies, moves = Work("content", 2.56e12, 1e9), Work("vocoder", 1e9, 300e9)
    assert chip.seconds([multiplies], 10.0, 0.5) == pytest.approx(20.0)
    assert chip.seconds([multiplies, moves], 10.0, 1.0) == pytest.approx(40.0)


def test_the_command_says_that_nothing_was_measured(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--roofline"]) == 0
    printed = capfd.readouterr().out
    assert "not measured" in printed
    assert all(f"| {chip} |" in printed for chip in ("M1 Max", "M2 Max", "M5 Max"))
