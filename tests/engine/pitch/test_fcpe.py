"""FCPE: the network against its package, its file, its pieces, and its way on a device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch

from engine import ConversionOptions
from engine.errors import WeightsError
from engine.library.networks import NETWORKS, use_file, verify
from engine.loading import load_fcpe
from engine.models.fcpe import CONTEXT_FRAMES, Fcpe, FcpeNetwork
from engine.models.layers import without_weights
from engine.models.mel import mel_filter_bank
from engine.pitch.fcpe import decode_salience, fcpe_tracker, track_fcpe
from engine.pitch.hybrid import hybrid_tracker
from engine.pitch.tracker import TrackerContext, no_pause
from tests.engine.operator_table import runs_on_metal
from tests.engine.residency import Recorder
from tests.oracles.sounds import FCPE_SOUNDS, speech
from tests.weights_maker import GOLDEN, fcpe_record

METAL_LIMIT = 65_536
NETWORK = next(each for each in NETWORKS if each.key == "fcpe")


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return fcpe_record()


@pytest.fixture(scope="module")
def fcpe(record: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Fcpe:
    path = tmp_path_factory.mktemp("fcpe") / "fcpe.pt"
    torch.save(record, path)
    return load_fcpe(path.parent)


@pytest.mark.parametrize("name", FCPE_SOUNDS)
def test_salience_and_pitch_are_those_of_the_package(fcpe: Fcpe, name: str) -> None:
    audio = torch.from_numpy(FCPE_SOUNDS[name]())
    with np.load(GOLDEN / "fcpe.npz") as golden:
        expected, expected_hz = golden[f"{name}_salience"], golden[f"{name}_hz"]
    salience = torch.cat(list(fcpe.salience_pieces(audio)))
    # Two kinds of processor differ by 1.3e-5: the logarithm brings up what is quiet.
    assert np.abs(salience[::10].numpy() - expected).max() < 5e-5
    f0_hz = track_fcpe(fcpe, audio).numpy()
    assert np.abs(1200 * np.log2(f0_hz / expected_hz)).max() < 0.05


def test_the_filter_bank_equals_librosas() -> None:
    expected = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=128, fmin=0, fmax=8000)
    found = mel_filter_bank(16_000, 1024, 128, 0, 8000, scale="slaney")
    assert np.abs(found.numpy() - expected).max() < 1e-7


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 432, 433, 16_000])
def test_audio_of_any_length_has_a_frame_for_each_160_samples(fcpe: Fcpe, n_samples: int) -> None:
    f0_hz = track_fcpe(fcpe, torch.from_numpy(speech()[:n_samples]))
    assert f0_hz.shape == (n_samples // 160 + 1,)
    assert torch.isfinite(f0_hz).all()


def test_a_frame_does_not_depend_on_what_follows_its_piece(fcpe: Fcpe) -> None:
    audio = torch.from_numpy(np.tile(speech(), 2))
    longer = torch.cat((audio, torch.zeros(16_000)))
    first, same = (
        next(iter(fcpe.salience_pieces(each, piece_frames=300))) for each in (audio, longer)
    )
    assert torch.equal(first, same)
    assert len(audio) // 160 > 300 + CONTEXT_FRAMES


def test_the_methods_that_use_it_take_a_whistle_from_the_guide(fcpe: Fcpe) -> None:
    """Its weights are random here, so every octave is wrong."""
    time_s = np.arange(8000) / 16_000
    whistle = torch.from_numpy((0.3 * np.sin(2 * np.pi * 1400 * time_s)).astype(np.float32))

    def network(file: str) -> Fcpe:
        assert file == "fcpe.pt"
        return fcpe

    context = TrackerContext(
        ConversionOptions(), "cpu", no_pause, network, {}.__getitem__, ("swift", "yin", "fcpe")
    )
    for factory in (fcpe_tracker, hybrid_tracker):
        f0_hz = factory(context)(whistle)
        assert f0_hz.shape == (51,)
        assert f0_hz[6:44].numpy() == pytest.approx(1400, rel=0.02)


def test_decoding_equals_that_of_one_frame_after_another() -> None:
    cents = torch.linspace(2051.1487, 9151.2930, 360)
    salience = torch.rand(300, 360, generator=torch.Generator().manual_seed(2))
    salience[50:90] *= 0.006
    expected = []
    for row in salience.double():
        best = int(row.argmax())
        near = [min(max(best + k, 0), 359) for k in range(-4, 5)]
        weighted = sum(row[i] * cents[i].double() for i in near) / sum(row[i] for i in near)
        expected.append(10 * 2 ** (float(weighted) / 1200) if row[best] > 0.006 else 0.0)
    found = decode_salience(salience, cents).numpy()
    assert np.array_equal(found > 0, np.array(expected) > 0)
    assert found == pytest.approx(expected, rel=1e-5)
    ranged = decode_salience(salience, cents, 200, 400)[:50]
    assert ((ranged > 190) & (ranged < 420)).all()


def refused(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_fcpe(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("conv_only", False, "conv_only in it is not True"), ("type", "X", "CFNaiveMelPE")],
)
def test_another_kind_of_the_family_is_refused_by_name(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    model = {**fcpe_record_kind(), key: value}
    torch.save({"model": {"a": torch.zeros(20)}, "config_dict": {"model": model}}, tmp_path / "x")
    assert said in refused(tmp_path / "x")


def fcpe_record_kind() -> dict[str, object]:
    return {
        "type": "CFNaiveMelPE",
        "conv_only": True,
        "out_dims": 360,
        "hidden_dims": 512,
        "n_layers": 6,
    }


def lacking(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {**record, "model": {k: v for k, v in record["model"].items() if k != name}}


def changed(record: dict[str, Any], name: str, value: torch.Tensor) -> dict[str, Any]:
    return {**record, "model": {**record["model"], name: value}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["model"], "does not describe its network"),
        (lambda r: lacking(r, "norm.bias"), '"norm.bias" is missing'),
        (lambda r: lacking(r, "output_proj.weight_g"), '"output_proj.weight_g" is missing'),
        (lambda r: changed(r, "more", torch.zeros(2)), '"more" is unknown'),
        (lambda r: changed(r, "norm.bias", torch.full((512,), torch.nan)), "contains NaN"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(
    record: dict[str, Any],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    said: str,
) -> None:
    torch.save(change(record), tmp_path / "fcpe.pt")
    assert said in refused(tmp_path)


def test_a_missing_file_is_named_with_an_alternative(tmp_path: Path) -> None:
    said = refused(tmp_path)
    assert '"fcpe.pt"' in said
    assert "models download fcpe" in said
    assert "swift" in said


def test_on_a_device_nothing_is_read_and_every_operator_has_a_metal_kernel() -> None:
    with without_weights():
        network = FcpeNetwork()
    model = Fcpe(network).eval().to("meta")
    audio = torch.empty(25 * 16_000, device="meta")
    with torch.inference_mode(), Recorder() as recorder:
        f0_hz = track_fcpe(model, audio, 60.0, 900.0)
    assert f0_hz.shape == (2501,)
    assert recorder.reads == []
    assert recorder.doubles == []
    assert {name for name in recorder.operators if not runs_on_metal(name)} == set()
    assert recorder.longest_conv <= METAL_LIMIT


def test_both_files_that_people_have_are_told_by_their_hashes(tmp_path: Path) -> None:
    sizes = {variant[0].size_bytes for variant in NETWORK.variants}
    assert sizes == {43_362_881, 43_363_260}
    other = tmp_path / "other.pt"
    other.write_bytes(b"x")
    with pytest.raises(WeightsError, match="43362881 / 43363260"):
        use_file(other, NETWORK, tmp_path)
    # The second kind is compared with its own hash, not taken for a damaged first one.
    with (tmp_path / "fcpe.pt").open("wb") as file:
        file.truncate(43_363_260)
    assert NETWORK.files_in(tmp_path) == NETWORK.variants[1]
    assert NETWORK.missing(tmp_path) == ()
    assert verify(NETWORK, tmp_path) == "damaged"
