"""What the Neural Engine is known to take, as far as a program shows it.

Collected from Apple's documents and public reports; a program that keeps these rules may still be
run elsewhere by Core ML. Only a Mac can tell where it runs.
"""

from __future__ import annotations

from typing import Any

from engine.accelerators.coreml.networks import WIDEST

_DEEPEST = 5

_ALLOWED = frozenset(
    {
        *("add", "sub", "mul", "real_div", "softmax", "gelu", "relu", "leaky_relu", "sigmoid"),
        *("tanh", "conv", "conv_transpose", "avg_pool", "linear", "matmul", "layer_norm"),
        *("batch_norm", "transpose", "reshape", "expand_dims", "squeeze", "concat", "split"),
        *("slice_by_index", "pad"),
    }
)
_FLOATS = {"fp32", "fp64"}


def obstacles(program: Any) -> list[str]:
    """Why the Neural Engine would refuse parts of a program, each reason once; empty is best."""
    from coremltools.converters.mil.mil import types

    main = program.functions["main"]
    operations = [each for each in main.operations if each.op_type != "const"]
    kinds = {each.op_type for each in operations}
    found = [f"the operation {kind}" for kind in kinds - _ALLOWED]
    results = [each for operation in operations for each in operation.outputs]
    for each in (*main.inputs.values(), *results):
        sizes = [int(size) for size in each.shape]
        if len(sizes) > _DEEPEST:
            found.append(f"{len(sizes)} dimensions")
        if max(sizes, default=0) > WIDEST:
            found.append(f"a dimension of more than {WIDEST:,}")
        if types.builtin_to_string(each.dtype) in _FLOATS:
            found.append("numbers of 32 bits")
    return sorted(set(found))
