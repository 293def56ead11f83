"""Files of separation networks: told by their weights, refused by name, never executed."""

from __future__ import annotations

import json
import os
import pickle
import random
import sys
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import WeightsError
from engine.models.htdemucs import HTDemucs
from engine.separation.network_file import read_network
from engine.separation.separator import Separator
from engine.separation.settings import KNOWN, Settings, read_settings, settings_of
from tests.engine.separation.small_networks import (
    BS,
    CHUNK,
    DEMUCS,
    KINDS,
    MEL,
    demucs_record,
    save_demucs,
    tensors,
    write_network,
)


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        Separator.open(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_come_from_the_weights(kind: str, tmp_path: Path) -> None:
    path = write_network(kind, tmp_path)
    found = read_network(path)
    assert found.kind == kind
    assert found.network.sizes == {"htdemucs": DEMUCS, "mel": MEL, "bs": BS}[kind]


@pytest.mark.parametrize("half", [False, True])
def test_a_demucs_file_is_read_in_both_of_its_forms(half: bool, tmp_path: Path) -> None:
    state = {k: v.half() if half else v for k, v in tensors("htdemucs").items()}
    save_demucs(demucs_record(state), tmp_path / "a.th")
    labels = {
        "sources": ["drums", "bass", "other", "vocals"],
        "segment": {"_type": "fraction", "numerator": 1, "denominator": 2},
    }
    metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(labels)}
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "a.safetensors", metadata)
    found = [read_network(tmp_path / name) for name in ("a.th", "a.safetensors")]
    for each in found:
        assert isinstance(each.network, HTDemucs)
        assert each.network.sizes == DEMUCS
        assert each.stems[-1] == "vocals"
    states = [each.network.state_dict() for each in found]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert {tensor.dtype for tensor in states[0].values()} == {torch.float32}


@pytest.mark.parametrize("form", ["older numpy", "older torch", "parameters"])
def test_a_demucs_file_of_an_older_program_is_read(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: dict[str, Any] = dict(tensors("htdemucs"))
    if form == "older torch":
        plain = partial(torch.save, _use_new_zipfile_serialization=False)
        monkeypatch.setattr(torch, "save", plain)
    elif form == "parameters":
        state = {name: torch.nn.Parameter(tensor) for name, tensor in state.items()}
    save_demucs(demucs_record(state), tmp_path / "made.th")
    path = tmp_path / "net.th"
    content = (tmp_path / "made.th").read_bytes()
    if form == "older numpy":
        with ZipFile(tmp_path / "made.th") as made, ZipFile(path, "w") as renamed:
            for name in made.namelist():
                part = made.read(name)
                renamed.writestr(name, part.replace(b"numpy._core.", b"numpy.core."))
    else:
        path.write_bytes(content)
    assert (b"numpy.core.multiarray" in path.read_bytes()) == (form == "older numpy")
    assert (content[:2] != b"PK") == (form == "older torch")
    found = read_network(path)
    assert found.stems[-1] == "vocals"
    states = found.network.state_dict()
    assert all(torch.equal(states[name], tensor) for name, tensor in tensors("htdemucs").items())


@pytest.mark.parametrize("table", ["state_dict", "state", "model_state_dict"])
def test_a_roformer_may_lie_in_a_table_and_needs_no_yaml(table: str, tmp_path: Path) -> None:
    torch.save({table: tensors("bs"), "epoch": 3}, tmp_path / "a.ckpt")
    separator = Separator.open(tmp_path / "a.ckpt")
    assert (separator.kind, separator.stem) == ("bs", "vocals")
    assert separator.plan == Separator.open(tmp_path / "a.ckpt").plan


def test_a_yaml_beside_the_weights_is_followed(tmp_path: Path) -> None:
    path = write_network("mel", tmp_path)
    path.with_suffix(".yaml").write_text(YAML, encoding="utf-8")
    separator = Separator.open(path)
    assert separator.plan.__dict__ == {"chunk": CHUNK * 3, "overlaps": 4}
    assert separator.stems == ("vocals", "other")


YAML = f"""
audio:
  chunk_size: {CHUNK * 3 + 5}
  hop_length: 512
model:
  dim: 384   # ignored: the weights tell
  freqs_per_bands: !!python/tuple
    - 2
    - 2
  stft_hop_length: 441
training:
  instruments:
  - other
  - vocals
  target_instrument: vocals
inference:
  num_overlap: 4
"""


def test_only_numbers_and_words_of_a_yaml_are_taken(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    text = YAML + f"\n  extra: !!python/object/apply:os.system ['touch {marker}']\n"
    found = read_settings(text)
    assert (found.hop, found.chunk, found.overlaps) == (441, CHUNK * 3, 4)
    assert not marker.exists()
    for odd in ("", "\0", "a: [", "inference:\n  num_overlap: 9999999\n", "- - -\n: :\n", "€" * 99):
        assert read_settings(odd) == Settings()
    hostile = "inference:\n  chunk_size: -1\nmodel:\n  stft_hop_length: 0\n"
    assert read_settings(hostile) == Settings()


def test_a_yaml_that_is_not_a_file_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    os.mkfifo(path.with_suffix(".yaml"))
    path.with_suffix(".yml").mkdir()
    assert settings_of(path, "") == Settings()


def test_the_settings_of_known_files_are_consistent() -> None:
    for sha256, settings in KNOWN.items():
        assert len(sha256) == 64
        assert settings.chunk % settings.hop == 0


def with_key(name: str) -> dict[str, torch.Tensor]:
    return {**tensors("mel"), name: torch.ones(3)}


def without(prefix: str, kind: str = "htdemucs") -> dict[str, torch.Tensor]:
    return {k: v for k, v in tensors(kind).items() if not k.startswith(prefix)}


OTHERS: dict[str, tuple[Any, str]] = {
    "hyper-connections": (with_key("layers.0.0.layers.0.0.static_alpha"), "hyper-connections"),
    "branch": (with_key("layers.0.0.layers.0.0.branch.norm.gamma"), "hyper-connections"),
    "value residual": (with_key("layers.0.0.layers.0.0.to_value_residual_mix.0.weight"), "value"),
    "version 3": (without("crosstransformer."), "Demucs network of version 3 or older"),
    "unknown tensor": (with_key("layers.0.0.something"), '"layers.0.0.something" is unknown'),
    "missing tensor": (without("final_norm", "bs"), '"final_norm.gamma" is missing'),
    "other bands": (without("band_split.to_features.59", "mel"), "59 other bands"),
    "another network": ({"conv.weight": torch.ones(3)}, "another kind of network"),
    "no tensors": ({"a": 1}, "it does not contain a table of named tensors"),
    "MDX23C": ({"first_conv.weight": torch.ones(3)}, "an MDX23C network"),
    "not finite": (
        {**tensors("bs"), "final_norm.gamma": torch.full((32,), float("nan"))},
        "NaN or infinite values",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_networks_are_refused_by_name(case: str, tmp_path: Path) -> None:
    state, words = OTHERS[case]
    torch.save(state, tmp_path / "net.ckpt")
    assert words in refusal(tmp_path / "net.ckpt")


def test_a_linear_attention_layer_is_refused(tmp_path: Path) -> None:
    state = {**tensors("mel"), "layers.0.2.layers.0.0.norm.gamma": torch.ones(32)}
    torch.save(state, tmp_path / "net.ckpt")
    assert "linear attention" in refusal(tmp_path / "net.ckpt")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.ckpt")
    assert "folder" in refusal(tmp_path)
    (tmp_path / "page.ckpt").write_text("<!doctype html>" + " " * 100)
    assert "web page" in refusal(tmp_path / "page.ckpt")
    (tmp_path / "empty.ckpt").write_bytes(b"")
    assert "empty" in refusal(tmp_path / "empty.ckpt")


class Command:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("place", ["klass", "training_args", "metrics"])
def test_nothing_in_a_file_is_executed(place: str, tmp_path: Path) -> None:
    record = demucs_record(dict(tensors("htdemucs")))
    torch.save({**record, place: Command(tmp_path / "executed")}, tmp_path / "net.th")
    assert "asks to run" in refusal(tmp_path / "net.th")
    assert not (tmp_path / "executed").exists()
    (tmp_path / "bare.th").write_bytes(pickle.dumps(Command(tmp_path / "executed")) + bytes(99))
    refusal(tmp_path / "bare.th")
    assert not (tmp_path / "executed").exists()


def test_the_class_that_a_demucs_file_names_is_not_imported(tmp_path: Path) -> None:
    path = write_network("htdemucs", tmp_path)
    assert b"cdemucs.htdemucs\nHTDemucs\n" in path.read_bytes()
    assert read_network(path).network.sizes == DEMUCS
    assert "demucs" not in sys.modules


def test_damaged_files_are_refused_or_read_and_never_run(tmp_path: Path) -> None:
    rng = random.Random(7)
    paths = [write_network(kind, tmp_path) for kind in ("htdemucs", "bs")]
    target = tmp_path / "mutated.ckpt"
    outcomes = set()
    for number in range(200):
        data = bytearray(paths[number % 2].read_bytes())
        if number % 5 == 0:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randrange(1, 20)):
            # Most damage goes where names and shapes are.
            reach = min(len(data), 1 << 16) if rng.random() < 0.8 else len(data)
            if reach:
                data[rng.randrange(reach)] = rng.randrange(256)
        target.write_bytes(data)
        try:
            read_network(target)
            outcomes.add("read")
        except WeightsError as error:
            outcomes.add(type(error).__name__)
    assert "WeightsError" in outcomes
