"""RMVPE's network and front end against golden numbers; pieces against the whole."""

from __future__ import annotations

import copy
from collections.abc import Callable

import librosa
import numpy as np
import pytest
import soundfile
import torch

from engine.models.layers import without_weights
from engine.models.layout import DEVICE_TILES, PhasedConvTranspose2d, use_channels_last
from engine.models.mel import LogMel, mel_filter_bank, reflect
from engine.models.rmvpe import CONTEXT_FRAMES, Rmvpe, RmvpeNetwork
from engine.pitch.rmvpe import decode_salience
from tests.sound import agreement_db
from tests.weights_maker import GOLDEN, manifest

SPEECH = GOLDEN.parent / "speech_slt.wav"


@pytest.fixture(scope="module")
def rmvpe(golden_weights: Callable[[str], dict[str, torch.Tensor]]) -> Rmvpe:
    with without_weights():
        network = RmvpeNetwork()
    network.load_state_dict(golden_weights("rmvpe.pt"), assign=True)
    return Rmvpe(network.requires_grad_(requires_grad=False)).eval()


def test_the_network_has_exactly_the_names_and_shapes_of_the_file() -> None:
    with without_weights():
        state = RmvpeNetwork().state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == (
        manifest("rmvpe")["tensors"]
    )


def test_the_mel_spectrogram_equals_the_golden_numbers() -> None:
    with np.load(GOLDEN / "rmvpe.npz") as golden:
        audio = torch.from_numpy(golden["audio"])
        assert agreement_db(LogMel()(reflect(audio, 512, 512)), golden["mel"]) > 100


def test_the_salience_and_the_pitch_equal_the_golden_numbers(rmvpe: Rmvpe) -> None:
    with np.load(GOLDEN / "rmvpe.npz") as golden:
        salience = rmvpe.salience(torch.from_numpy(golden["audio"]))
        assert salience.shape == golden["salience"].shape
        assert agreement_db(salience, golden["salience"]) > 80
        f0_hz = decode_salience(salience).numpy()
        cents = 1200 * np.log2(f0_hz / golden["f0"])
        assert np.abs(cents).max() < 0.5


def test_the_network_as_a_gpu_runs_it_gives_the_golden_salience(rmvpe: Rmvpe) -> None:
    fast = copy.deepcopy(rmvpe)
    use_channels_last(fast, DEVICE_TILES, doubling=True)
    assert any(isinstance(part, PhasedConvTranspose2d) for part in fast.modules())
    with np.load(GOLDEN / "rmvpe.npz") as golden:
        salience = fast.salience(torch.from_numpy(golden["audio"]))
        assert agreement_db(salience, golden["salience"]) > 80


def test_the_filter_bank_equals_librosas() -> None:
    expected = librosa.filters.mel(
        sr=16_000, n_fft=1024, n_mels=128, fmin=30, fmax=8000, htk=True, norm="slaney"
    )
    assert np.abs(mel_filter_bank(16_000, 1024, 128, 30, 8000).numpy() - expected).max() < 1e-7


@pytest.mark.parametrize(("n", "left", "right"), [(9, 3, 8), (9, 0, 1), (4, 3, 9), (2, 5, 5)])
def test_reflection_equals_numpys_for_any_length(n: int, left: int, right: int) -> None:
    row = np.arange(2 * n, dtype=np.float32).reshape(2, n)
    expected = np.pad(row, ((0, 0), (left, right)), mode="reflect")
    assert np.array_equal(reflect(torch.from_numpy(row), left, right).numpy(), expected)


def test_a_single_element_is_repeated_and_an_empty_axis_gives_zeros() -> None:
    assert reflect(torch.tensor([3.0]), 2, 1).tolist() == [3, 3, 3, 3]
    assert reflect(torch.empty(0), 2, 1).tolist() == [0, 0, 0]


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 511, 513, 5119, 5120, 5280])
def test_audio_of_any_length_has_a_frame_for_each_160_samples(rmvpe: Rmvpe, n_samples: int) -> None:
    salience = rmvpe.salience(torch.zeros(n_samples))
    assert salience.shape == (n_samples // 160 + 1, 360)
    assert torch.isfinite(salience).all()


def test_pieces_equal_the_whole(rmvpe: Rmvpe) -> None:
    """The network is random, so its peaks are arbitrary; 640 frames of context must be enough."""
    speech, _ = soundfile.read(SPEECH, dtype="float32")
    audio = torch.from_numpy(np.tile(speech, 6)[: 18 * 16_000])
    whole = rmvpe.salience(audio)
    pieces = rmvpe.salience(audio, whole_frames=2 * CONTEXT_FRAMES + 544)
    assert pieces.shape == whole.shape
    assert (pieces - whole).abs().max() < 1e-3
    assert agreement_db(pieces, whole) > 90
    whole_hz, pieces_hz = decode_salience(whole), decode_salience(pieces)
    assert torch.equal(whole_hz > 0, pieces_hz > 0)
    cents = 1200 * torch.log2(pieces_hz / whole_hz)
    assert cents.abs().quantile(0.99) < 0.1


def test_pieces_are_given_in_order(rmvpe: Rmvpe) -> None:
    speech, _ = soundfile.read(SPEECH, dtype="float32")
    audio = torch.from_numpy(speech)
    assert [len(piece) for piece in rmvpe.salience_pieces(audio)] == [len(audio) // 160 + 1]
