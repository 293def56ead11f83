"""Writes the answers of other people's packages: ``python -m tests.oracles.pitch_golden``.

Needs ``swift-f0`` and ``onnxruntime``; ``torchfcpe`` and ``torchcrepe`` for theirs. The project
itself needs none of them: the tests compare with the files written here.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tests.oracles.sounds import SWIFT_SOUNDS
from tests.weights_maker import GOLDEN


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


if __name__ == "__main__":
    write_swift()
