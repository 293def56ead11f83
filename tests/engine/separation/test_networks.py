"""Each layer of the separation networks gives what their own programs give."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.models.htdemucs import HTDemucs
from engine.separation.network_file import read_network
from tests.engine.separation.make_golden import thinned
from tests.engine.separation.small_networks import (
    CHUNK,
    DATA,
    KINDS,
    song_samples,
    write_network,
)
from tests.sound import agreement_db

LEAST_DB = 100


@cache
def golden(kind: str) -> dict[str, np.ndarray]:
    with np.load(DATA / f"{kind}.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module", params=KINDS)
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, np.ndarray]]:
    """What our network gives for one chunk: all stems, and the layers."""
    kind = request.param
    network = read_network(write_network(kind, tmp_path_factory.mktemp(kind))).network
    layers: dict[str, np.ndarray] = {}

    def keep(name: str, module: torch.nn.Module) -> None:
        def hook(_: object, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            for i, part in enumerate(parts):
                layer = f"layer {name}.{i}" if len(parts) > 1 else f"layer {name}"
                layers[layer] = part.numpy().copy()

        module.register_forward_hook(hook)

    if isinstance(network, HTDemucs):
        for name in ("encoder", "tencoder", "decoder", "tdecoder"):
            for i, layer in enumerate(getattr(network, name)):
                keep(f"{name}.{i}", layer)
        keep("crosstransformer", network.crosstransformer)
    else:
        keep("band_split", network.band_split)
        for i, layer in enumerate(network.layers):
            keep(f"layers.{i}", layer)
    song = torch.from_numpy(song_samples(CHUNK).T.copy())
    layers["stems"] = network.separate(song, slice(None)).numpy()
    return kind, layers


def test_every_layer_equals_the_reference(found: tuple[str, dict[str, np.ndarray]]) -> None:
    kind, layers = found
    wanted = {name: each for name, each in golden(kind).items() if not name.startswith("song")}
    assert wanted.keys() == layers.keys()
    levels = {
        name: agreement_db(thinned(name, layers[name]), each) for name, each in wanted.items()
    }
    print(kind, {name: round(level) for name, level in levels.items()})
    assert min(levels.values()) >= LEAST_DB
