"""Takes SwiftF0's weights out of its package once: ``python -m tests.oracles.swift_weights``.

Needs ``swift-f0`` and ``onnx``, which the project itself does not.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.models.swift import SwiftNetwork
from engine.pitch.swift import WEIGHTS

SHA256 = "6385e8c2ebc3872e82c9ff5946228de44cd3be77a750ea53698b7dbfe94b0a22"
"""Of ``model.onnx`` in swift-f0 0.3.0."""


def main() -> None:
    import onnx

    spec = find_spec("swift_f0")
    if spec is None or spec.origin is None:
        sys.exit("swift-f0 is not installed")
    content = (Path(spec.origin).parent / "model.onnx").read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit("this is another version of SwiftF0")
    graph = onnx.load_from_string(content).graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    # The graph has no names of its own; its convolutions come in the order of the layers.
    found = [
        arrays[name] for node in graph.node if node.op_type == "Conv" for name in node.input[1:]
    ]
    names = list(SwiftNetwork().state_dict())
    tensors = {name: torch.from_numpy(a.copy()) for name, a in zip(names, found, strict=True)}
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, WEIGHTS)
    print(f"{WEIGHTS}: {sum(a.size for a in found)} numbers")


if __name__ == "__main__":
    main()
