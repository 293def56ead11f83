"""Full-size networks in the real files' layout, made once per test run from the golden recipes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from torch import Tensor

from engine.library.voice_library import VoiceLibrary
from tests.engine.small_set import SmallSet, write_small_set
from tests.weights_maker import make_tensors, manifest, voice_record

HUBERT_BASE_CONFIG = {
    "model_type": "hubert",
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_bias": False,
    "feat_extract_norm": "group",
    "feat_extract_activation": "gelu",
    "feat_proj_layer_norm": True,
    "do_stable_layer_norm": False,
    "hidden_act": "gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "layer_norm_eps": 1e-05,
    "classifier_proj_size": 256,
}
"""What stands in the ``config.json`` of ContentVec on the hub, as far as inference reads it."""


@pytest.fixture(scope="session")
def full_models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder in the hub's own layout: hubert_base/ and rmvpe.pt, 0.5 GB; not to change."""

    def write(folder: Path) -> None:
        encoder = folder / "hubert_base"
        encoder.mkdir(parents=True)
        (encoder / "config.json").write_text(json.dumps(HUBERT_BASE_CONFIG))
        files = ("embedder", encoder / "pytorch_model.bin"), ("rmvpe", folder / "rmvpe.pt")
        for name, path in files:
            recipe = manifest(name)
            torch.save(make_tensors(recipe["tensors"], recipe["salt"]), path)

    return made_once(tmp_path_factory, "models", write)


@pytest.fixture(scope="session")
def golden_weights(full_models_dir: Path) -> Callable[[str], dict[str, Tensor]]:
    """Gives the weights in a file of `full_models_dir`, by its name."""

    def get(file: str) -> dict[str, Tensor]:
        return dict(torch.load(full_models_dir / file, mmap=True))

    return get


@pytest.fixture(scope="session")
def full_voice(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the full-size voice of a golden recipe, written when first asked for; not to change."""

    def get(name: str) -> Path:
        def write(path: Path) -> None:
            torch.save(voice_record(name), path)

        return made_once(tmp_path_factory, f"{name}.pth", write)

    return get


def made_once(factory: pytest.TempPathFactory, name: str, write: Callable[[Path], None]) -> Path:
    """A file or folder that all processes of this test run share; the first one writes it."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path, part = folder / name, folder / f"part of {name}"
    with FileLock(folder / f"{name}.lock"):
        if not path.exists():
            write(part)
            part.rename(path)
    return path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    """Small networks and a voice, for tests in which the sound is irrelevant; not to change."""
    return write_small_set(tmp_path_factory.mktemp("small"))


@pytest.fixture
def library(tmp_path: Path) -> VoiceLibrary:
    """A library of its own for every test."""
    return VoiceLibrary(tmp_path / "library")
