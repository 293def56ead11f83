"""The forms in which networks are converted compute what the networks compute."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from engine.accelerators.coreml.content import ContentByCoreML, PackageCache
from engine.accelerators.coreml.networks import WIDEST, ContentForm, Tiling
from engine.agreement import agreement_db
from engine.encoder_layout import read_sizes
from engine.models.content_encoder import ContentEncoder
from engine.models.layers import without_weights
from tests.weights_maker import make_tensors

SMALL: dict[str, object] = {
    "conv_dim": (16,) * 7,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 8,
}
"""With the strides and kernels of every HuBERT."""

KINDS: dict[str, dict[str, object]] = {
    "norm over time": {},
    "norm over time, with biases": {"conv_bias": True},
    "norm over channels, norms first": {
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
    },
}


def encoder(folder: Path, **sizes: object) -> ContentEncoder:
    (folder / "config.json").write_text(json.dumps({"model_type": "hubert"}))
    wanted = dataclasses.replace(read_sizes(folder / "config.json"), **(SMALL | sizes))  # type: ignore[arg-type]
    with without_weights():
        network = ContentEncoder(wanted)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    network.load_state_dict(make_tensors(shapes, "coreml"), assign=True)
    return network.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_gives_what_the_network_gives_whatever_its_length(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, through the arithmetic of the whole part but Core ML's own."""
    network = encoder(tmp_path, **KINDS[kind])
    monkeypatch.setattr("engine.accelerators.coreml.networks.WIDEST", 4_000)  # several tiles
    part = ContentByCoreML(network, lambda: network, PackageCache(tmp_path))
    generator = torch.Generator().manual_seed(2)
    for frames, layer in ((1, None), (37, 2), (120, None), (150, 3)):
        audio = 0.02 * torch.randn((frames - 1) * 320 + 400 + 77, generator=generator)
        form = ContentForm(network, Tiling.of(network, 150), layer, project=layer is not None)
        assert form.tiling.tiles > 1
        given = part.inputs(audio, form.tiling, frames)
        with torch.no_grad():
            found = form(*(given[each.name] for each in form.inputs))[:, :frames]
        expected = network(audio[None], layer, project=layer is not None)
        level_db = agreement_db(expected, found)
        assert level_db is None or level_db > 100


def test_no_dimension_of_a_full_size_window_is_too_wide_for_the_neural_engine(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "hubert"}))
    with without_weights():
        network = ContentEncoder(read_sizes(tmp_path / "config.json"))
    for frames in (250, 300, 2300):
        tiling = Tiling.of(network, frames)
        assert tiling.columns <= WIDEST
        assert tiling.total_frames >= frames
    assert Tiling.of(network, 250).tiles == 1


def test_a_network_whose_first_kernel_is_no_multiple_of_its_stride_is_refused(
    tmp_path: Path,
) -> None:
    network = encoder(tmp_path, conv_kernel=(11, 3, 3, 3, 3, 2, 2))
    with pytest.raises(ValueError, match="the first kernel, 11"):
        Tiling.of(network, 10)
