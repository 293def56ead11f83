"""A whole conversion in one pass: what is uploaded comes back as finished samples, nothing else.

The single stages are in ``test_residency``; here it is the pipeline itself that runs, so that what
lies between the stages is seen as well.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import ConversionOptions, OptimizationConfig
from engine.accelerators import Latent
from engine.analysis import AnalysisRecorder
from engine.audio.reader import receive_array
from engine.encoder_layout import sizes_of
from engine.models.content_encoder import ContentEncoder
from engine.models.rmvpe import GRU_WIDTH, Rmvpe, RmvpeNetwork
from engine.models.synthesizer import Synthesizer
from engine.models.synthesizer_sizes import Vocoder
from engine.networks import Models
from engine.pipeline import convert_signal
from engine.pitch.rmvpe import track_rmvpe
from engine.pitch.tracker import PitchTracker
from engine.progress import PerformanceProfiler
from engine.retrieval.search import ExactSearch
from engine.run import Run
from engine.segments import ANALYSIS_RATE_HZ, MAX_PIECE_FRAMES
from engine.stages import Placement
from engine.synthesis import Synthesis
from engine.voice import make_card
from tests.engine.operator_table import runs_on_metal
from tests.engine.residency import Recorder
from tests.engine.test_residency import METAL_LIMIT, Way, sizes_48k

DEVICE = "meta"
_COPIES = ("aten::_to_copy", "aten::to.")
ENGINE = Path(__file__).parents[2] / "engine"

FILTERED = ("pipeline.py", "on_device")
"""What was filtered: the host cuts it at its quietest points."""
FEATURES = ("rmvpe.py", "salience_pieces")
"""What RMVPE's GRU hears, where it runs on the host."""
PITCH = ("pipeline.py", "_tracked")
"""The pitch curve: its phase is summed on the host, in float64, which Metal has not."""
SAMPLES = ("synthesis.py", "_vocode_tile")
"""Finished samples."""

SECONDS = 0.3
"""Of sound, with a second of context on both sides: a GRU is recorded step by step, slowly."""


class Passage(Recorder):
    """Lets numbers be brought to the host, and notes which line of the engine asked for them."""

    def __init__(self) -> None:
        super().__init__()
        self.downloads: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        values = [*args[1:], *(kwargs or {}).values()]
        to_host = any(each == torch.device("cpu") for each in values)
        if func.name().startswith(_COPIES) and args[0].is_meta and to_host:
            self.downloads[_who_asks()] += 1
            return torch.full(args[0].shape, 0.2, dtype=torch.float32)
        return super().__torch_dispatch__(func, types, args, kwargs)


def _who_asks() -> tuple[str, str]:
    frame = sys._getframe(2)
    while frame.f_back is not None and not Path(frame.f_code.co_filename).is_relative_to(ENGINE):
        frame = frame.f_back
    return Path(frame.f_code.co_filename).name, frame.f_code.co_name


def make_recurrent() -> torch.nn.ModuleList:
    """What follows RMVPE's U-Net, on the host, where Metal leaves it."""
    fc = RmvpeNetwork().fc
    for weights in fc.parameters():
        weights.data.zero_()
    return fc


class NoGru(torch.nn.Module):
    """In the place of RMVPE's, whose operators are the same in every way to prepare a network."""

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cat((x, x), -1)[..., : 2 * GRU_WIDTH], state


@cache
def networks(vocoder: Vocoder, way: Way) -> Models:
    """The largest that people use, with an index of 20,000 rows."""
    sizes = sizes_48k(vocoder)
    with torch.device(DEVICE):
        content = ContentEncoder(sizes_of({}))
        synthesizer = Synthesizer(sizes)
        pitch_network = RmvpeNetwork()
    pitch = Rmvpe(pitch_network)
    for network in (content, synthesizer):
        way.prepare(network.to(DEVICE))  # tables without weights were made on the host
    replace(way, half=False).prepare(pitch.to(DEVICE))  # the pitch is never rounded
    if way.gru_at_home:
        pitch.network.fc = make_recurrent()
    elif way != Way():
        pitch.network.fc[0] = NoGru()  # a GRU is recorded step by step, which takes long
    rows = np.lib.stride_tricks.as_strided(np.zeros(768, np.float32), (20_000, 768), (0, 4))
    search = ExactSearch(rows, DEVICE, dtype=torch.float16 if way.half else torch.float32)

    def tracker(_options: ConversionOptions, _device: str) -> PitchTracker:
        return partial(track_rmvpe, pitch)

    latent = Latent(synthesizer.prior, synthesizer.latent)
    card = make_card(Path(__file__), {}, "v2", sizes, 0)
    return Models(card, content, synthesizer, latent, synthesizer.vocode, search, tracker)


def passed(
    models: Models, config: OptimizationConfig, seconds: float, options: ConversionOptions
) -> Passage:
    samples = np.full((round(seconds * ANALYSIS_RATE_HZ), 1), 0.2, np.float32)
    run = Run(PerformanceProfiler(), Placement.on(DEVICE))
    with torch.inference_mode(), Passage() as passage:
        recorder = AnalysisRecorder(run.pause)
        receive_array(samples, ANALYSIS_RATE_HZ, recorder, channels=1)
        signal = recorder.finish(len(samples))
        sound = convert_signal(signal, models, options, config, models.card.sample_rate_hz, run)
        assert sum(map(len, sound.blocks())) == sound.n_frames
    return passage


def config_for(way: Way) -> OptimizationConfig:
    """Metal's preset, but for how the networks are prepared."""
    preset = OptimizationConfig.for_apple_silicon()
    return replace(preset, use_fp16=way.half, use_channels_last=way.fast)


@pytest.fixture
def curve(tmp_path: Path) -> Path:
    """A given pitch, so that no GRU is recorded."""
    path = tmp_path / "curve.csv"
    path.write_text("0,200\n60,300\n")
    return path


@pytest.mark.parametrize("way", [Way(), Way(half=True), Way(fast=False)], ids=str)
def test_nothing_but_pitch_and_finished_samples_comes_back(way: Way) -> None:
    passage = passed(networks(Vocoder.NSF, way), config_for(way), SECONDS, ConversionOptions())
    assert passage.downloads == {FILTERED: 1, PITCH: 1, SAMPLES: 1}
    assert passage.reads == []
    assert passage.doubles == []
    assert {name for name in passage.operators if not runs_on_metal(name)} == set()


def test_the_gru_that_metal_leaves_to_the_host_costs_one_read_more() -> None:
    way = Way(gru_at_home=True)
    passage = passed(networks(Vocoder.NSF, way), config_for(way), SECONDS, ConversionOptions())
    assert passage.downloads == {FILTERED: 1, FEATURES: 1, SAMPLES: 1}
    assert passage.reads == []


@pytest.mark.parametrize("vocoder", list(Vocoder))
def test_the_longest_piece_passes_within_metals_limits(vocoder: Vocoder, curve: Path) -> None:
    # RefineGAN's noise for each layer is drawn on the host, which takes a minute.
    options = ConversionOptions(
        f0_file=curve if vocoder is not Vocoder.PLAIN else None,
        noise=vocoder in (Vocoder.NSF, Vocoder.MRF),
    )
    config = config_for(Way())
    seconds = MAX_PIECE_FRAMES / 100
    passage = passed(networks(vocoder, Way()), config, seconds, options)
    tiles = -(-MAX_PIECE_FRAMES // config.tile_frames)
    assert passage.downloads == {FILTERED: 1, SAMPLES: tiles}
    assert passage.reads == []
    assert passage.doubles == []
    assert {name for name in passage.operators if not runs_on_metal(name)} == set()
    assert passage.longest_conv <= METAL_LIMIT


# --- the recorder itself ---


def reading(self: Synthesis, batch: Any, features: torch.Tensor) -> torch.Tensor:
    features.mean().cpu()
    return PLAIN_LATENT(self, batch, features)


def asking(self: Synthesis, batch: Any, features: torch.Tensor) -> torch.Tensor:
    if features.shape[1] > 0 and features.sum().item() > 0:
        return PLAIN_LATENT(self, batch, features)
    return PLAIN_LATENT(self, batch, features)


def choosing(self: Synthesis, batch: Any, features: torch.Tensor) -> torch.Tensor:
    return PLAIN_LATENT(self, batch, features[features[..., 0] > 0][None])


def doubling(self: Synthesis, batch: Any, features: torch.Tensor) -> torch.Tensor:
    return PLAIN_LATENT(self, batch, features.double().float())


PLAIN_LATENT = Synthesis._latent


@pytest.mark.parametrize("fault", [reading, asking, choosing, doubling])
def test_a_read_between_two_stages_is_noticed(
    fault: Callable[..., torch.Tensor], curve: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Synthesis, "_latent", fault)
    models, config = networks(Vocoder.NSF, Way()), config_for(Way())
    try:
        passage = passed(models, config, SECONDS, ConversionOptions(f0_file=curve))
    except (RuntimeError, NotImplementedError):
        return  # what has no numbers refuses by itself
    unexpected = set(passage.downloads) - {FILTERED, SAMPLES}
    assert unexpected or passage.reads or passage.doubles
