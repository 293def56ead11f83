"""The synthesizer against reference numbers, and against itself in pieces and batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.models.source import SourceInput
from engine.models.synthesizer import Synthesizer, build_synthesizer, state_shapes
from engine.models.synthesizer_sizes import Vocoder
from engine.voice_checkpoint import load_voice
from tests.sound import signal_to_error_db
from tests.weights_maker import GOLDEN, make_tensors, small_sizes

GUIDED = [vocoder for vocoder in Vocoder if vocoder is not Vocoder.PLAIN]


def small(vocoder: Vocoder, *, resblock: str = "1") -> Synthesizer:
    sizes = small_sizes(vocoder, resblock=resblock)
    return build_synthesizer(sizes, make_tensors(state_shapes(sizes), "small"))


def melody(frames: int, seed: int = 0) -> NDArray[np.float32]:
    """A gliding pitch with unvoiced gaps, Hz."""
    dice = np.random.default_rng(seed)
    f0 = 220 * 2 ** (np.cumsum(dice.normal(0, 0.03, frames)) + dice.normal())
    f0[dice.integers(0, frames, frames // 8)] = 0
    return f0.astype(np.float32)


def source_of(network: Synthesizer, f0: NDArray[np.float32]) -> SourceInput:
    phase = torch.from_numpy(network.frame_phase(f0)).float()
    return SourceInput(torch.from_numpy(f0)[None], phase[None])


def noisy(source: SourceInput, network: Synthesizer) -> SourceInput:
    """With noise and start phases, counted by absolute position from frame 0."""
    sizes = network.sizes
    frames = source.f0_hz.shape[1]
    dice = torch.Generator().manual_seed(3)
    noise = torch.randn(1, frames * sizes.hop_samples, sizes.harmonics, generator=dice)
    phases = torch.rand(sizes.harmonics, generator=dice)
    phases[:1] = 0

    def layer_noise(layer: str, channels: int, per_frame: int) -> torch.Tensor:
        seed = int.from_bytes(layer.encode(), "little")
        shape = (1, channels, frames * per_frame)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    return replace(source, noise=noise, start_phase_cycles=phases, layer_noise=layer_noise)


def cut(source: SourceInput, first: int, last: int, hop: int) -> SourceInput:
    """The piece of frames `first` to `last` of the whole file's source."""
    whole = source.layer_noise
    assert whole is not None
    assert source.noise is not None
    return replace(
        source,
        f0_hz=source.f0_hz[:, first:last],
        phase_cycles=source.phase_cycles[:, first:last],
        noise=source.noise[:, first * hop : last * hop],
        layer_noise=lambda layer, channels, per_frame: whole(layer, channels, per_frame)[
            ..., first * per_frame : last * per_frame
        ],
    )


def test_a_full_size_voice_computes_the_reference_numbers(
    full_voice: Callable[[str], Path],
) -> None:
    voice = load_voice(full_voice("voice_v2_40k"))
    network = build_synthesizer(voice.sizes, voice.state)
    golden = np.load(GOLDEN / "v2_40k.npz")
    phone = torch.from_numpy(golden["phone"])[None]
    frames = phone.shape[1]
    coarse = torch.from_numpy(golden["f0_coarse"][:frames])[None]
    speaker = torch.tensor([0])
    with torch.inference_mode():
        mean, log_scale = network.prior(phone, coarse)
        z = network.latent(mean, log_scale, None, speaker)
        sound = network.vocode(z, source_of(network, golden["f0"][:frames]), speaker)
    assert signal_to_error_db(golden["z"], z) > 100
    assert sound.shape == (1, frames * 400)
    assert signal_to_error_db(golden["synth_out"], sound) > 80


@pytest.mark.parametrize("vocoder", Vocoder)
def test_two_rows_of_a_batch_equal_two_single_runs(vocoder: Vocoder) -> None:
    network = small(vocoder)
    torch.manual_seed(0)
    phone, noise = torch.randn(2, 30, 12), torch.randn(2, 8, 30)
    coarse, speaker = torch.randint(1, 256, (2, 30)), torch.tensor([0, 2])
    sources = [noisy(source_of(network, melody(30, seed)), network) for seed in (1, 2)]
    both = replace(
        sources[0],
        f0_hz=torch.cat([source.f0_hz for source in sources]),
        phase_cycles=torch.cat([source.phase_cycles for source in sources]),
    )

    def run(rows: slice, source: SourceInput) -> torch.Tensor:
        guided = network.sizes.pitch_guided
        statistics = network.prior(phone[rows], coarse[rows] if guided else None)
        z = network.latent(*statistics, noise[rows], speaker[rows])
        return network.vocode(z, source if guided else None, speaker[rows])

    together = run(slice(0, 2), both)
    alone = torch.cat([run(slice(0, 1), sources[0]), run(slice(1, 2), sources[1])])
    assert together.shape == (2, 30 * 80)
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-6)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("resblock", ["1", "2"])
@pytest.mark.parametrize("vocoder", Vocoder)
def test_a_piece_with_its_context_equals_the_whole(vocoder: Vocoder, resblock: str) -> None:
    network = small(vocoder, resblock=resblock)
    context, hop = network.receptive_field_frames(), 80
    first, last = context + 7, context + 20
    frames = last + context + 5
    z = torch.randn(1, 8, frames, generator=torch.Generator().manual_seed(0))
    whole = noisy(source_of(network, melody(frames)), network)
    speaker = torch.tensor([1])

    def run(start: int, stop: int, *, lean: bool = False) -> torch.Tensor:
        source = cut(whole, start, stop, hop) if network.sizes.pitch_guided else None
        if lean:
            return network.vocode(z[..., start:stop], source, speaker, (first - start, stop - last))
        sound = network.vocode(z[..., start:stop], source, speaker)
        return sound[..., (first - start) * hop : (last - start) * hop]

    expected = run(0, frames)
    piece = run(first - context, last + context)
    torch.testing.assert_close(piece, expected, rtol=0, atol=2e-6)
    # nor does it matter that what nobody looks at any more is cut away between the stages
    lean = run(first - context, last + context, lean=True)
    torch.testing.assert_close(lean, expected, rtol=0, atol=2e-6)
    torch.testing.assert_close(run(0, frames, lean=True), expected, rtol=0, atol=2e-6)
    # and the context is not needlessly long: with a third of it the edges differ
    short = run(first - context // 3, last + context // 3)
    assert (short - expected).abs().max() > 1e-7


@pytest.mark.parametrize("vocoder", GUIDED)
def test_all_randomness_comes_from_the_caller(vocoder: Vocoder) -> None:
    network, speaker = small(vocoder), torch.tensor([0])
    z = torch.zeros(1, 8, 20)
    silent = source_of(network, melody(20))
    first = network.vocode(z, silent, speaker)
    network.vocode(torch.ones_like(z), noisy(silent, network), speaker)
    assert torch.equal(network.vocode(z, silent, speaker), first)
    changed = network.vocode(z, noisy(silent, network), speaker)
    assert (changed - first).abs().max() > 1e-4


@pytest.mark.parametrize("vocoder", [Vocoder.REFINE_DIRECT, Vocoder.REFINE_CHAINED])
def test_every_noisy_layer_of_refinegan_has_its_own_name(vocoder: Vocoder) -> None:
    network, asked = small(vocoder), []

    def layer_noise(layer: str, channels: int, per_frame: int) -> torch.Tensor:
        asked.append((layer, per_frame))
        return torch.zeros(1, channels, 9 * per_frame)

    source = replace(source_of(network, melody(9)), layer_noise=layer_noise)
    network.vocode(torch.zeros(1, 8, 9), source, torch.tensor([0]))
    rates = (5, 20, 80)
    expected = [(f"{s}.{b}.{h}", rates[s]) for s in range(3) for b in range(3) for h in range(2)]
    assert asked == expected


def test_noise_spreads_the_latent_by_the_predicted_scale() -> None:
    network, speaker = small(Vocoder.NSF), torch.tensor([0])
    mean, noise = torch.zeros(1, 8, 5), torch.randn(1, 8, 5)
    log_scale = torch.full_like(mean, 0.3)
    expected = network.latent(0.66666 * np.exp(0.3) * noise, log_scale, None, speaker)
    torch.testing.assert_close(network.latent(mean, log_scale, noise, speaker), expected)


def test_only_pitch_guided_voices_take_pitch() -> None:
    guided, plain, speaker = small(Vocoder.NSF), small(Vocoder.PLAIN), torch.tensor([0])
    z = torch.zeros(1, 8, 4)
    with pytest.raises(ValueError, match="source"):
        guided.vocode(z, None, speaker)
    with pytest.raises(ValueError, match="source"):
        plain.vocode(z, source_of(guided, melody(4)), speaker)
    with pytest.raises(ValueError, match="pitch_coarse"):
        guided.prior(torch.zeros(1, 4, 12), None)


def test_a_state_with_a_wrong_name_is_refused() -> None:
    sizes = small_sizes(Vocoder.NSF)
    state = make_tensors(state_shapes(sizes), "small")
    state["dec.extra"] = state.pop("dec.conv_pre.bias")
    with pytest.raises(RuntimeError, match=r"dec\.conv_pre\.bias"):
        build_synthesizer(sizes, state)
