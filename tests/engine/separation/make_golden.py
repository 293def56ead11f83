"""Makes tests/data/golden/separation from the networks' own programs; run once.

    python -m tests.engine.separation.make_golden

in an environment of its own with demucs 4.1.0, melband-roformer-infer 0.1.5 and bs-roformer-infer
0.1.5 (all MIT) beside this project's packages.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.engine.separation.small_networks import (
    CHUNK,
    DATA,
    DEMUCS,
    KINDS,
    LENGTHS,
    MEL,
    RATE_HZ,
    song_samples,
    tensors,
)

STEP = 5
LAYER_STEP = 31
"""So many numbers are left out but one."""


def main() -> None:
    """Write one file for each kind of network."""
    DATA.mkdir(exist_ok=True)
    with torch.no_grad():
        for kind in KINDS:
            found = demucs() if kind == "htdemucs" else roformer(kind)
            kept = {name: thinned(name, array) for name, array in found.items()}
            np.savez_compressed(DATA / f"{kind}.npz", **kept)


def thinned(name: str, array: Any) -> Any:
    """The numbers of a result that are stored."""
    return array.reshape(-1)[:: LAYER_STEP if name.startswith("layer") else STEP]


def demucs() -> dict[str, Any]:
    """Layers of one segment, all stems of it, and the vocals of songs."""
    from demucs.apply import apply_model
    from demucs.htdemucs import HTDemucs

    network = HTDemucs(
        sources=["drums", "bass", "other", "vocals"],
        channels=DEMUCS.channels,
        bottom_channels=DEMUCS.bottom_channels,
        dconv_mode=3,
        t_layers=DEMUCS.layers,
        t_hidden_scale=DEMUCS.hidden / DEMUCS.bottom_channels,
        segment=Fraction(DEMUCS.segment_samples, RATE_HZ),
    ).eval()
    network.load_state_dict(tensors("htdemucs"))
    found: dict[str, Tensor] = {}
    for name in ("encoder", "tencoder", "decoder", "tdecoder"):
        for i, layer in enumerate(getattr(network, name)):
            layer.register_forward_hook(keep(found, f"{name}.{i}", demucs_order))
    network.crosstransformer.register_forward_hook(
        lambda _, __, output: found.update(
            {f"crosstransformer.{i}": demucs_order(each) for i, each in enumerate(output)}
        )
    )
    song = torch.from_numpy(song_samples(CHUNK).T.copy())
    stems = network(song[None])[0]
    layers = {f"layer {name}": tensor.numpy() for name, tensor in found.items()}
    songs = {}
    for name, n in LENGTHS.items():
        mix = torch.from_numpy(song_samples(n).T.copy())
        mono = mix.mean(0)
        mean, std = mono.mean(), mono.std() + 1e-8 if n > 1 else torch.tensor(1.0)
        out = apply_model(network, ((mix - mean) / std)[None], shifts=0, overlap=0.25)
        songs[f"song {name}"] = (out * std + mean)[0, 3].T.numpy().copy()
    return {"stems": stems.numpy(), **layers, **songs}


def demucs_order(x: Tensor) -> Tensor:
    """``[1, C, F, T]`` or ``[1, C, T]`` with the channels last, as ours are."""
    return x[0].movedim(0, -1).contiguous()


def keep(found: dict[str, Tensor], name: str, order: Callable[[Tensor], Tensor]) -> Any:
    """A hook that remembers a layer's result."""

    def hook(_: object, __: object, output: Any) -> None:
        found[name] = order(output[0] if isinstance(output, tuple) else output).clone()

    return hook


def roformer(kind: str) -> dict[str, Any]:
    """Layers of one chunk, the stem of it, and of songs."""
    from ml_collections import ConfigDict

    sizes = {
        "dim": MEL.width,
        "depth": MEL.depth,
        "stereo": True,
        "heads": MEL.heads,
        "dim_head": MEL.head_width,
        "stft_hop_length": MEL.hop,
        "mask_estimator_depth": 2,
        "time_transformer_depth": 1,
        "freq_transformer_depth": 1,
    }
    network: torch.nn.Module
    if kind == "mel":
        from mel_band_roformer.mel_band_roformer import MelBandRoformer
        from mel_band_roformer.utils import demix_track

        network = MelBandRoformer(num_bands=60, **sizes).eval()
    else:
        from bs_roformer.bs_roformer import BSRoformer
        from bs_roformer.utils import demix_track

        network = BSRoformer(zero_dc=True, **sizes).eval()
    network.load_state_dict(tensors(kind))
    found: dict[str, Tensor] = {}
    network.band_split.register_forward_hook(
        keep(found, "band_split", lambda x: x[0].transpose(0, 1))
    )
    for i, block in enumerate(network.layers):
        block[1].register_forward_hook(keep(found, f"layers.{i}", lambda x: x.transpose(0, 1)))
    song = torch.from_numpy(song_samples(CHUNK).T.copy())
    stem = network(song[None])[0]
    layers = {f"layer {name}": tensor.contiguous().numpy() for name, tensor in found.items()}
    config = ConfigDict(
        {
            "inference": {"chunk_size": CHUNK, "num_overlap": 2},
            "training": {"target_instrument": "vocals", "instruments": ["vocals", "other"]},
        }
    )
    songs = {}
    for name, n in LENGTHS.items():
        mix = torch.from_numpy(song_samples(n).T.copy())
        separated, _ = demix_track(config, network, mix, torch.device("cpu"))
        songs[f"song {name}"] = separated["vocals"].reshape(2, n).T.copy()
    return {"stems": stem.reshape(1, 2, -1).numpy(), **layers, **songs}


if __name__ == "__main__":
    main()
