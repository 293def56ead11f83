"""Between upload and finished samples nothing leaves the device, and Metal can do all of it.

The ``meta`` device has shapes and no numbers, so it stands for a GPU without needing one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.audio.filters import highpass_48hz_on_device
from engine.encoder_layout import sizes_of, whisper_sizes_of
from engine.measure.synthetic import V2_40K
from engine.models.content_encoder import ContentEncoder
from engine.models.layers import without_weights
from engine.models.layout import DEVICE_TILES, use_channels_last
from engine.models.precision import to_half
from engine.models.rmvpe import Rmvpe, RmvpeNetwork
from engine.models.source import SourceInput
from engine.models.synthesizer import Synthesizer
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder
from engine.models.whisper import WhisperEncoder
from engine.optimization import DEFAULT_TILE_FRAMES
from engine.pitch.rmvpe import decode_salience
from engine.retrieval.blend import mix, protect
from engine.retrieval.index_file import Lists
from engine.retrieval.search import ExactSearch, IvfSearch
from engine.segments import CONTEXT_FRAMES, HOP_SAMPLES, MAX_PIECE_FRAMES
from tests.engine.operator_table import runs_on_metal
from tests.engine.residency import Recorder

PIECE_FRAMES = MAX_PIECE_FRAMES + 2 * CONTEXT_FRAMES
METAL_LIMIT = 65_536
EXCEPTIONS: dict[str, str] = {}
"""Operators without a row of their own in the table that Metal runs all the same, and why."""


def sizes_48k(vocoder: Vocoder) -> SynthesizerSizes:
    """The largest networks that people train."""
    return replace(
        V2_40K,
        vocoder=vocoder,
        upsample_rates=(12, 10, 2, 2),
        upsample_kernel_sizes=(24, 20, 4, 4),
        sample_rate_hz=48_000,
    )


@dataclass(frozen=True)
class Way:
    """How the networks are prepared, and whether RMVPE's GRU stays on the host."""

    fast: bool = True
    half: bool = False
    gru_at_home: bool = False

    def prepare(self, network: torch.nn.Module) -> torch.nn.Module:
        network = network.eval().requires_grad_(requires_grad=False)
        if self.fast:
            network = use_channels_last(network, DEVICE_TILES, doubling=True)
        return to_half(network) if self.half else network


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def filtering(_: Way) -> Callable[[], Tensor]:
    return lambda: highpass_48hz_on_device(empty(2, 90 * 16_000))


def tracking(way: Way) -> Callable[[], Tensor]:
    with without_weights():
        network = RmvpeNetwork()
    model = Rmvpe(network).to("meta")
    replace(way, half=False).prepare(model)  # the pitch is never rounded

    def run() -> Tensor:
        # A GRU is recorded step by step, which takes long: a short stretch through the whole
        # network, one of the default's length through the U-Net alone.
        model.network.features(empty(128, 8192))
        salience = model.salience(empty(8_000))
        return decode_salience(salience, f0_min_hz=50, f0_max_hz=1100)

    return run


def content_of(way: Way) -> Callable[[], Tensor]:
    with without_weights():
        encoder = ContentEncoder(sizes_of({}))
    way.prepare(encoder)
    return lambda: encoder(empty(2, PIECE_FRAMES * HOP_SAMPLES), 9, project=True)


def content_by_whisper(way: Way) -> Callable[[], Tensor]:
    with without_weights():
        encoder = WhisperEncoder(whisper_sizes_of({}))
    way.prepare(encoder.to("meta"))  # tables without weights were made on the host
    return lambda: encoder(empty(2, PIECE_FRAMES * HOP_SAMPLES), loudest=empty(2))


def retrieval(way: Way) -> Callable[[], Tensor]:
    rows = np.lib.stride_tricks.as_strided(np.zeros(768, np.float32), (300_000, 768), (0, 4))
    dtype = torch.float16 if way.half else torch.float32
    return blending(ExactSearch(rows, "meta", dtype=dtype))


def retrieval_in(nprobe: int) -> Callable[[Way], Callable[[], Tensor]]:
    def make(way: Way) -> Callable[[], Tensor]:
        rows = np.lib.stride_tricks.as_strided(np.zeros(768, np.float32), (30_000, 768), (0, 4))
        lists = Lists(rows[:700], np.linspace(0, 30_000, 701).astype(np.int64), nprobe)
        dtype = torch.float16 if way.half else torch.float32
        return blending(IvfSearch(rows, lists, "meta", dtype=dtype))

    return make


def blending(search: ExactSearch) -> Callable[[], Tensor]:
    features, f0_hz = empty(PIECE_FRAMES // 2, 768), empty(PIECE_FRAMES // 2)

    def run() -> Tensor:
        mixed = mix(search.blend(features), features, 0.75)
        return protect(mixed, features, f0_hz, 0.33)

    return run


def synthesis(vocoder: Vocoder) -> Callable[[Way], Callable[[], Tensor]]:
    def make(way: Way) -> Callable[[], Tensor]:
        with without_weights():
            network = Synthesizer(sizes_48k(vocoder))
        network.to("meta")  # tables without weights were made on the host
        way.prepare(network)
        return lambda: _synthesize(network)

    return make


def _synthesize(network: Synthesizer) -> Tensor:
    speaker = empty(1, dtype=torch.int64)
    coarse = None
    if network.sizes.pitch_guided:
        coarse = empty(1, PIECE_FRAMES, dtype=torch.int64)
    mean, log_scale = network.prior(empty(1, PIECE_FRAMES, 768), coarse)
    z = network.latent(mean, log_scale, empty(1, 192, PIECE_FRAMES), speaker)
    context = network.receptive_field_frames()
    frames = DEFAULT_TILE_FRAMES + 2 * context
    source = None
    if network.sizes.pitch_guided:
        harmonics, hop = network.sizes.harmonics, network.sizes.hop_samples
        source = SourceInput(
            empty(1, frames),
            empty(1, frames),
            empty(1, frames * hop, harmonics),
            empty(harmonics),
            lambda _, channels, per_frame: empty(1, channels, frames * per_frame),
        )
    return network.vocode(z[..., :frames], source, speaker, (context, context))


STAGES: dict[str, Callable[[Way], Callable[[], Tensor]]] = {
    "filter": filtering,
    "pitch": tracking,
    "content": content_of,
    "content by Whisper": content_by_whisper,
    "retrieval": retrieval,
    "retrieval in one list": retrieval_in(1),
    "retrieval in 8 lists": retrieval_in(8),
    "retrieval in 64 lists": retrieval_in(64),
    **{vocoder.name: synthesis(vocoder) for vocoder in Vocoder},
}


@cache
def record(stage: str, way: Way) -> Recorder:
    run = STAGES[stage](way)
    with torch.inference_mode(), Recorder() as recorder:
        assert run().is_meta
    assert recorder.operators
    return recorder


@pytest.mark.parametrize("way", [Way(), Way(half=True), Way(fast=False)], ids=str)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_stays_on_its_device_and_metal_can_run_it(stage: str, way: Way) -> None:
    recorder = record(stage, way)
    assert recorder.reads == []
    assert recorder.doubles == []
    missing = {name for name in recorder.operators if not runs_on_metal(name)}
    assert missing <= EXCEPTIONS.keys()


def test_pitch_in_pieces_stays_on_its_device() -> None:
    with without_weights():
        network = RmvpeNetwork()
    model = Rmvpe(network).to("meta").eval()
    with torch.inference_mode(), Recorder() as recorder:
        pieces = list(model._features(empty(20 * 16_000), 2001, 1600))
    assert len(pieces) > 1
    assert recorder.reads == []
    assert all(runs_on_metal(name) for name in recorder.operators)


@pytest.mark.parametrize("stage", STAGES)
def test_no_convolution_is_longer_than_metal_takes(stage: str) -> None:
    assert record(stage, Way()).longest_conv <= METAL_LIMIT


# --- the recorder itself ---


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.cpu(),
        lambda x: x.to("cpu", torch.float16),
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: x.tolist(),
        lambda x: x.nonzero(),
        lambda x: bool(x.any()),
    ],
)
def test_the_recorder_notices_a_read(read: Callable[[Tensor], object]) -> None:
    recorder = Recorder()
    x = empty(4)
    with recorder:
        try:
            read(x)
        except (RuntimeError, NotImplementedError):
            return  # what has no numbers refuses by itself
    assert recorder.reads


def test_the_recorder_notices_doubles_and_long_convolutions() -> None:
    with Recorder() as recorder:
        torch.fft.rfft(empty(8).double())
        torch.nn.functional.conv1d(empty(1, 1, 70_000), empty(1, 1, 3))
        torch.ones(3).double()  # on the host it does no harm
    assert len(recorder.doubles) == 2
    assert recorder.longest_conv == 70_000
    assert recorder.reads == []
