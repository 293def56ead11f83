"""Full-size networks with random weights, in the layout of real files, to measure without a voice.

Their output is noise, but they need as much time and memory as a real voice.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from engine.encoder_layout import sizes_of
from engine.models.content_encoder import ContentEncoder
from engine.models.htdemucs import HTDemucs, HTDemucsSizes
from engine.models.layers import without_weights
from engine.models.rmvpe import RmvpeNetwork
from engine.models.synthesizer import state_shapes
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder
from engine.paths import CONTENT_ENCODER_DIR, RMVPE_FILE

V2_40K = SynthesizerSizes(
    vocoder=Vocoder.NSF,
    feature_channels=768,
    inter_channels=192,
    hidden_channels=192,
    flow_channels=192,
    filter_channels=768,
    heads=2,
    layers=6,
    kernel_size=3,
    resblock="1",
    resblock_kernel_sizes=(3, 7, 11),
    resblock_dilations=((1, 3, 5), (1, 3, 5), (1, 3, 5)),
    upsample_rates=(10, 10, 2, 2),
    upsample_initial_channels=512,
    upsample_kernel_sizes=(16, 16, 4, 4),
    speakers=109,
    gin_channels=256,
    sample_rate_hz=40_000,
)


def write_synthetic_set(folder: Path, index_rows: int) -> tuple[Path, Path]:
    """Write a content encoder, RMVPE, a 40 kHz v2 voice and an index (about 0.6 GB).

    Parameters
    ----------
    folder : the models folder, which must not exist; holds the voice too
    index_rows : of 768 values each

    Returns
    -------
    voice and index
    """
    rng = torch.Generator().manual_seed(0)
    encoder = folder / CONTENT_ENCODER_DIR
    encoder.mkdir(parents=True)
    config = {"model_type": "hubert"}
    (encoder / "config.json").write_text(json.dumps(config))
    with without_weights():
        content = ContentEncoder(sizes_of(config)).state_dict()
        pitch = RmvpeNetwork().state_dict()
    save_file(_random_state(_shapes(content), rng), encoder / "model.safetensors")
    torch.save(_random_state(_shapes(pitch), rng), folder / RMVPE_FILE)
    voice = folder / "synthetic.pth"
    torch.save(_voice_record(_random_state(state_shapes(V2_40K), rng)), voice)
    index = folder / "synthetic.index"
    _write_index(index, index_rows)
    return voice, index


def write_separation_network(path: Path) -> Path:
    """Write an HTDemucs as it is published, in 16 bits (84 MB).

    Its stems have the same on both sides, as a voice in the middle has: two random sides would be
    taken for two recordings, and both converted.
    """
    with without_weights():
        shapes = _shapes(HTDemucs(HTDemucsSizes()).state_dict())
    state = _random_state(shapes, torch.Generator().manual_seed(1))
    outermost = state["tdecoder.3.conv_tr.weight"], state["decoder.3.conv_tr.weight"]
    for weight, width in zip(outermost, (1, 2), strict=True):
        sides = weight.view(len(weight), -1, 2, width, *weight.shape[2:])
        sides[:, :, 1] = sides[:, :, 0]
    names = {"sources": ["drums", "bass", "other", "vocals"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.half() for name, tensor in state.items()}, path,
        {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(names)},
    )  # fmt: skip
    return path


def _write_index(path: Path, n_rows: int) -> None:
    """``IVF{n},Flat`` as faiss writes it, with as many lists as RVC trainers use, all of one size.

    Every ``n``-th row is in the same list; the centre of a list is the mean of its rows.
    """
    width = V2_40K.feature_channels
    rows = np.random.default_rng(0).standard_normal((n_rows, width), dtype=np.float32)
    n_lists = max(1, min(int(16 * n_rows**0.5), n_rows // 39))
    lists = [np.arange(first, n_rows, n_lists) for first in range(n_lists)]
    centres = np.stack([rows[ids].mean(axis=0) for ids in lists])
    sizes = np.array([len(ids) for ids in lists], np.int64)
    with path.open("wb") as file:
        file.write(b"IwFl" + _index_header(width, n_rows) + struct.pack("<QQ", n_lists, 1))
        file.write(b"IxF2" + _index_header(width, n_lists) + struct.pack("<Q", centres.size))
        file.write(centres.tobytes())
        file.write(struct.pack("<BQ", 0, 0))  # no direct map
        file.write(b"ilar" + struct.pack("<QQ4sQ", n_lists, 4 * width, b"full", n_lists))
        file.write(sizes.tobytes())
        for ids in lists:
            file.write(rows[ids].tobytes() + ids.astype(np.int64).tobytes())


def _index_header(width: int, n_rows: int) -> bytes:
    unused, trained, euclidean = 1 << 20, 1, 1
    return struct.pack("<iqqqBi", width, n_rows, unused, unused, trained, euclidean)


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _random_state(
    shapes: Mapping[str, tuple[int, ...]], rng: torch.Generator
) -> dict[str, torch.Tensor]:
    """Weights that keep the values finite: variance 1 / number of inputs, norms of one."""
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros(shape, dtype=torch.int64)
        elif len(shape) > 1:
            inputs = int(np.prod(shape[1:]))
            state[name] = torch.randn(shape, generator=rng) / inputs**0.5
        elif name.endswith(("running_var", "gamma", "weight")):
            state[name] = torch.ones(shape)
        else:
            state[name] = torch.zeros(shape)
    return state


def _voice_record(state: Mapping[str, torch.Tensor]) -> dict[str, object]:
    sizes = V2_40K
    config = [
        *(1025, 32, sizes.inter_channels, sizes.hidden_channels, sizes.filter_channels),
        *(sizes.heads, sizes.layers, sizes.kernel_size, 0, sizes.resblock),
        list(sizes.resblock_kernel_sizes),
        [list(dilations) for dilations in sizes.resblock_dilations],
        list(sizes.upsample_rates),
        sizes.upsample_initial_channels,
        list(sizes.upsample_kernel_sizes),
        *(sizes.speakers, sizes.gin_channels, sizes.sample_rate_hz),
    ]
    weights = {name: tensor.half() for name, tensor in state.items()}
    return {"weight": weights, "config": config, "version": "v2", "f0": 1, "sr": "40k"}
