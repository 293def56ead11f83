"""Checkpoint files in the layout that people download, with reproducible weights."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from engine.models.synthesizer import state_shapes
from engine.models.synthesizer_sizes import SynthesizerSizes, Vocoder

GOLDEN = Path(__file__).parent / "data" / "golden"

_spec = importlib.util.spec_from_file_location("golden_weights", GOLDEN / "weights.py")
assert _spec is not None
assert _spec.loader is not None
golden_weights = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(golden_weights)


def manifest(name: str) -> dict[str, Any]:
    """Names, shapes and labels, e.g. of ``voice_v2_40k``, ``rmvpe``, ``embedder``."""
    loaded: dict[str, Any] = json.loads((GOLDEN / "manifests" / f"{name}.json").read_text())
    return loaded


def make_tensors(
    shapes: Mapping[str, list[int] | tuple[int, ...]], salt: str
) -> OrderedDict[str, torch.Tensor]:
    """float32 weights."""
    state = golden_weights.make_state(dict(shapes), salt)
    return OrderedDict((name, torch.from_numpy(array)) for name, array in state.items())


def voice_record(name: str) -> dict[str, Any]:
    """What ``torch.save`` writes for a voice of the golden data: float16 weights and labels."""
    voice = manifest(name)
    weights = make_tensors(voice["tensors"], voice["salt"])
    labels = {key: voice[key] for key in ("config", "version", "f0", "vocoder", "sr")}
    return {"weight": OrderedDict((k, v.half()) for k, v in weights.items()), **labels}


def fcpe_record() -> dict[str, Any]:
    """What ``fcpe.pt`` holds, with other weights."""
    golden = manifest("fcpe")
    shapes = {name: shape for name, shape in golden["tensors"].items() if shape}
    tensors = make_tensors(shapes, golden["salt"])
    tensors["gaussian_blurred_cent_mask"] = torch.tensor(9151.2930)
    tensors["cent_table"] = torch.linspace(2051.1487, 9151.2930, 360)
    return {"global_step": 1, "model": tensors, "config_dict": golden["config_dict"]}


SMALL_CONFIG: list[Any] = [
    *(129, 8, 8, 8, 16, 2, 2, 3, 0, "1", [3, 5], [[1, 3], [1, 2]]),
    *([5, 4, 4], 16, [11, 8, 8], 3, 4, 8000),
]
"""A voice of some thousand weights at 8 kHz, for tests in which the size does not matter."""

_NORMED = re.compile(
    r"flow\.flows\.\d\.enc\..*weight"
    r"|dec\.(ups|resblocks|upsamples|mrfs|upsample_conv_blocks\.\d\.blocks)\..*\d\.weight"
    r"|dec\.(mrfs\..*conv[12]|downsample_blocks\.\d|pre_conv|mel_conv)\.weight"
)


def small_sizes(vocoder: Vocoder, *, resblock: str = "1") -> SynthesizerSizes:
    """The sizes in `SMALL_CONFIG`."""
    chained = vocoder is Vocoder.REFINE_CHAINED
    return SynthesizerSizes(
        vocoder=vocoder,
        feature_channels=12,
        inter_channels=8,
        hidden_channels=8,
        filter_channels=16,
        heads=2,
        layers=2,
        kernel_size=3,
        resblock=resblock,
        resblock_kernel_sizes=(3, 5),
        resblock_dilations=((1, 3), (1, 2)),
        upsample_rates=(5, 4, 4),
        upsample_initial_channels=256 if chained else 16,
        upsample_kernel_sizes=(11, 8, 8),
        speakers=3,
        gin_channels=4,
        sample_rate_hz=8000,
        flow_channels=6,
    )


def small_record(vocoder: Vocoder = Vocoder.NSF, *, resblock: str = "1") -> dict[str, Any]:
    """A small voice as ``torch.save`` gets it, weight-normed like a real one."""
    shapes = state_shapes(small_sizes(vocoder, resblock=resblock))
    weights: OrderedDict[str, torch.Tensor] = OrderedDict()
    for name, tensor in make_tensors(shapes, "small").items():
        if _NORMED.fullmatch(name) and tensor.dim() == 3:
            stem = name.removesuffix("weight")
            length = tensor.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            weights[f"{stem}weight_g"], weights[f"{stem}weight_v"] = length.half(), tensor.half()
        else:
            weights[name] = tensor.half()
    guided = vocoder is not Vocoder.PLAIN
    config = list(SMALL_CONFIG)
    config[13] = small_sizes(vocoder).upsample_initial_channels
    return {"weight": weights, "config": config, "version": "v2", "f0": int(guided)}
