"""Full-size networks with random weights, in the real files' layout: for measuring anywhere.

What they sing is noise; what they cost is what a real voice costs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from engine.loading.hubert_config import read_sizes
from engine.models.content_encoder import ContentEncoder
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


# In a process of its own: torch and faiss bring two OpenMP runtimes. The number of lists is that of
# the RVC trainers; one round of k-means is enough for what no one listens to.
_WRITE_INDEX = """
import sys, faiss, numpy
rows = numpy.random.default_rng(0).standard_normal((int(sys.argv[2]), 768), dtype=numpy.float32)
lists = max(1, min(int(16 * len(rows) ** 0.5), len(rows) // 39))
index = faiss.IndexIVFFlat(faiss.IndexFlatL2(768), 768, lists)
index.cp.niter = 1
index.cp.min_points_per_centroid = 1
index.train(rows[: 20 * lists])
index.add(rows)
index.nprobe = 1
faiss.write_index(index, sys.argv[1])
"""


def write_synthetic_set(folder: Path, index_rows: int) -> tuple[Path, Path]:
    """Write content encoder, RMVPE, a v2 voice of 40 kHz, and an index (about 0.6 GB).

    Parameters
    ----------
    folder : becomes the models folder, and holds the voice too
    index_rows : of 768 values

    Returns
    -------
    voice and index
    """
    rng = torch.Generator().manual_seed(0)
    encoder = folder / CONTENT_ENCODER_DIR
    encoder.mkdir(parents=True)
    (encoder / "config.json").write_text(json.dumps({"model_type": "hubert"}))
    with torch.device("meta"):
        content = ContentEncoder(read_sizes(encoder / "config.json")).state_dict()
        pitch = RmvpeNetwork().state_dict()
    save_file(_random_state(_shapes(content), rng), encoder / "model.safetensors")
    torch.save(_random_state(_shapes(pitch), rng), folder / RMVPE_FILE)
    voice = folder / "synthetic.pth"
    torch.save(_voice_record(_random_state(state_shapes(V2_40K), rng)), voice)
    index = folder / "synthetic.index"
    subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-P", "-c", _WRITE_INDEX, str(index), str(index_rows)], check=True
    )
    return voice, index


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _random_state(
    shapes: Mapping[str, tuple[int, ...]], rng: torch.Generator
) -> dict[str, torch.Tensor]:
    """Weights that keep the sound finite: variance one over the inputs, norms near one."""
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
