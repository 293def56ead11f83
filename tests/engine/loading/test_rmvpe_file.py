"""Loading RMVPE's file, and the refusals of files that do not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import WeightsError
from engine.loading import load_rmvpe, load_strictly
from engine.models.layers import without_weights
from engine.models.rmvpe import RmvpeNetwork
from engine.pitch.rmvpe import track_rmvpe
from tests.weights_maker import GOLDEN


@pytest.fixture(scope="module")
def state(golden_weights: Callable[[str], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return golden_weights("rmvpe.pt")


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_rmvpe(path)
    return str(caught.value)


def test_the_loaded_file_tracks_the_golden_pitch(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    torch.save(state, tmp_path / "rmvpe.pt")
    with np.load(GOLDEN / "rmvpe.npz") as golden:
        for path in (tmp_path, tmp_path / "rmvpe.pt"):
            f0_hz = track_rmvpe(load_rmvpe(path), torch.from_numpy(golden["audio"])).numpy()
            assert np.abs(1200 * np.log2(f0_hz / golden["f0"])).max() < 0.5


def test_a_missing_file_is_named_with_its_folder_and_an_alternative(tmp_path: Path) -> None:
    said = refusal(tmp_path)
    assert '"rmvpe.pt"' in said
    assert str(tmp_path) in said
    assert "swift" in said


def test_another_network_is_refused_by_the_first_missing_name(tmp_path: Path) -> None:
    path = tmp_path / "rmvpe.pt"
    torch.save({"cnn.bias": torch.zeros(3), "other.weight": torch.zeros(40)}, path)
    assert re.search(r'"unet.encoder.bn.weight" and \d+ more tensors are missing', refusal(path))


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("more.weight", torch.zeros(2), '"more.weight" is unknown'),
        ("cnn.bias", torch.zeros(4), '"cnn.bias" has the shape [4] instead of [3]'),
        ("cnn.bias", torch.zeros(3, dtype=torch.int64), '"cnn.bias" has another type'),
        ("cnn.bias", torch.full((3,), torch.inf), '"cnn.bias" contains NaN or infinite values'),
        ("bad\nname\x1b[31m", torch.zeros(1), '"bad?name?[31m" is unknown'),
    ],
)
def test_a_single_wrong_tensor_is_refused_by_name(
    state: dict[str, torch.Tensor], name: str, tensor: torch.Tensor, said: str
) -> None:
    with without_weights():
        network = RmvpeNetwork()
    with pytest.raises(WeightsError) as caught:
        load_strictly(network, {**state, name: tensor}, Path("rmvpe.pt"))
    assert said in str(caught.value)


@pytest.mark.parametrize("rename", [str, "model._orig_mod.{}".format])
def test_counters_and_wrapped_names_do_not_matter(
    state: dict[str, torch.Tensor], rename: Callable[[str], str], tmp_path: Path
) -> None:
    """Inference reads no counters; some converters leave them out or write them as [1]."""
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    assert counters
    odd = {name: tensor for name, tensor in state.items() if name not in counters[::2]}
    odd |= {name: torch.ones(1) for name in counters[1::2]}
    torch.save({rename(name): tensor for name, tensor in odd.items()}, tmp_path / "rmvpe.pt")
    loaded = load_rmvpe(tmp_path).network.state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in state if name not in counters)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04" + bytes(200)])
def test_a_file_that_is_not_a_checkpoint_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rmvpe.pt").write_bytes(content)
    assert '"rmvpe.pt"' in refusal(tmp_path)
