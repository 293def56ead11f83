"""Writes the answers of other people's packages: ``python -m tests.oracles.pitch_golden``.

Needs ``swift-f0`` and ``onnxruntime``; ``torchfcpe`` and ``torchcrepe`` for theirs. The project
itself needs none of them: the tests compare with the files written here.
"""

from __future__ import annotations

import sys
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from tests.oracles.sounds import FCPE_SOUNDS, SWIFT_SOUNDS
from tests.weights_maker import GOLDEN, fcpe_record


def write_swift() -> None:
    """Pitch and confidence of `SWIFT_SOUNDS` by the package's own ONNX file."""
    import onnxruntime

    spec = find_spec("swift_f0")
    assert spec is not None
    assert spec.origin is not None
    session = onnxruntime.InferenceSession(
        str(Path(spec.origin).parent / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    limits = {"fmin": 46.875, "fmax": 2093.75}
    found: dict[str, np.ndarray] = {}
    for name, make in SWIFT_SOUNDS.items():
        given = {"audio": make()[None]}
        for each in session.get_inputs()[1:]:
            given[each.name] = np.array(limits[each.name], np.float32).reshape(
                [1] * len(each.shape)
            )
        hz, confidence = session.run(None, given)
        found[f"{name}_hz"], found[f"{name}_confidence"] = hz[0], confidence[0]
    np.savez_compressed(GOLDEN / "swift.npz", **found)


def _without(*names: str) -> None:
    """Let a package import what it does not need for the networks in question."""
    for name in names:
        module = types.ModuleType(name)
        module.__getattr__ = lambda _: object  # type: ignore[method-assign]
        module.__path__ = []
        sys.modules[name] = module


def write_fcpe() -> None:
    """Salience and pitch of `FCPE_SOUNDS` by torchfcpe, with the weights of `fcpe_record`."""
    _without("torchaudio", "torchaudio.transforms", "einops", "einops.layers", "local_attention")
    from torchfcpe.models_infer import InferCFNaiveMelPE
    from torchfcpe.tools import DotDict

    record = fcpe_record()
    model = InferCFNaiveMelPE(DotDict(record["config_dict"]), record["model"])
    found: dict[str, np.ndarray] = {}
    for name, make in FCPE_SOUNDS.items():
        samples = torch.from_numpy(make())[None, :, None]
        with torch.no_grad():
            salience = model.model(model.wav2mel(samples, 16_000))[0]
            found[f"{name}_hz"] = model(samples, 16_000)[0, :, 0].numpy()
        found[f"{name}_salience"] = salience.numpy()[::10]
    np.savez_compressed(GOLDEN / "fcpe.npz", **found)


if __name__ == "__main__":
    write_swift()
    write_fcpe()
