"""Runs a Core ML program with torch, so that a conversion can be checked where there is no Mac.

A program is in MIL, the language of Core ML's ML programs, here as coremltools reads it. Each
operation is computed in float32 and rounded to the type that the program declares; shapes must be
those that it declares. This proves the graph and the weights, not Core ML's own kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere
from torch import Tensor

Given = dict[str, Any]
"""Arguments of an operation: tensors, and texts."""

_TYPES = {
    "fp16": torch.float16,
    "fp32": torch.float32,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "uint8": torch.uint8,
    "uint16": torch.int32,
    "bool": torch.bool,
}


class UnknownOperation(Exception):  # noqa: N818 - what stands in the way of a check
    """The interpreter does not know an operation of the program."""


def run_program(program: Any, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs of a program by name, each with the declared type.

    Parameters
    ----------
    program : of coremltools, with one function ``main``
    inputs : of exactly the declared shapes

    Raises
    ------
    UnknownOperation : the program has an operation that the interpreter does not know
    ValueError : an input or a result has another shape than the program declares
    """
    function = program.functions["main"]
    known: dict[str, Any] = {}
    for name, variable in function.inputs.items():
        known[variable.name] = _as_declared(inputs[name], variable)
    with torch.no_grad():
        for operation in function.operations:
            _run(operation, known)
    return {each.name: _value(each, known) for each in function.outputs}


def _run(operation: Any, known: dict[str, Any]) -> None:
    """Compute one operation from what is known so far, and add its results."""
    outputs = operation.outputs
    if operation.op_type == "const":
        known[outputs[0].name] = _constant(outputs[0].val)
        return
    compute = _OPERATIONS.get(operation.op_type)
    if compute is None:
        raise UnknownOperation(operation.op_type)
    given = {
        name: _widened(_value(each, known))
        for name, each in operation.inputs.items()
        if each is not None
    }
    try:
        result = compute(given)
    except KeyError as error:
        raise UnknownOperation(f"{operation.op_type} without {error}") from error
    for variable, value in zip(
        outputs, result if isinstance(result, tuple) else (result,), strict=True
    ):
        known[variable.name] = _as_declared(value, variable)


def _value(variable: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(variable, list | tuple):
        return [_value(each, known) for each in variable]
    return known[variable.name] if variable.name in known else _constant(variable.val)


def _constant(value: Any) -> Any:
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    return torch.from_numpy(array.astype(np.int32) if array.dtype == np.uint16 else array.copy())


def _widened(value: Any) -> Any:
    """What an operation computes with: float32 instead of float16."""
    if isinstance(value, list):
        return [_widened(each) for each in value]
    is_half = isinstance(value, Tensor) and value.dtype == torch.float16
    return value.float() if is_half else value


def _as_declared(value: Tensor, variable: Any) -> Tensor:
    shape = tuple(variable.shape)
    if tuple(value.shape) != shape:
        raise ValueError(f"{variable.name} is {tuple(value.shape)}, declared as {shape}")
    return value.to(_TYPES[_type_name(variable.dtype)])


def _type_name(declared: Any) -> str:
    from coremltools.converters.mil.mil import types

    return str(types.builtin_to_string(declared))


def _numbers(value: Tensor) -> list[int]:
    return [int(each) for each in value.flatten().tolist()]


def _option(given: Given, name: str, default: Any) -> Any:
    value = given.get(name)
    return default if value is None else value.item() if isinstance(value, Tensor) else value


def _sizes(given: Given, name: str, count: int) -> list[int]:
    return _numbers(given[name]) if given.get(name) is not None else [1] * count


def _padding(given: Given, axes: int) -> list[int]:
    """Before and after each axis in time or space."""
    kind = _option(given, "pad_type", "valid")
    if kind == "valid":
        return [0] * (2 * axes)
    if kind != "custom":
        raise UnknownOperation(f'padding "{kind}"')
    return _numbers(given["pad"])


def _backwards(padding: list[int]) -> list[int]:
    """As torch orders it: the last axis first."""
    pairs = [padding[i : i + 2] for i in range(0, len(padding), 2)]
    return [each for pair in reversed(pairs) for each in pair]


def _conv(given: Given) -> Tensor:
    x, weight = given["x"], given["weight"]
    axes = x.dim() - 2
    x = F.pad(x, _backwards(_padding(given, axes)))
    convolve = F.conv1d if axes == 1 else F.conv2d
    strides, dilations = _sizes(given, "strides", axes), _sizes(given, "dilations", axes)
    groups = int(_option(given, "groups", 1))
    return convolve(x, weight, given.get("bias"), strides, 0, dilations, groups)


def _conv_transpose(given: Given) -> Tensor:
    x, weight = given["x"], given["weight"]
    axes = x.dim() - 2
    padding = _padding(given, axes)
    convolve = F.conv_transpose1d if axes == 1 else F.conv_transpose2d
    strides, dilations = _sizes(given, "strides", axes), _sizes(given, "dilations", axes)
    groups = int(_option(given, "groups", 1))
    whole = convolve(x, weight, given.get("bias"), strides, 0, 0, groups, dilations)
    shape = given.get("output_shape")
    for axis in range(axes):
        low, high = padding[2 * axis : 2 * axis + 2]
        size = whole.shape[2 + axis]
        wanted = size - low - high if shape is None else _numbers(shape)[2 + axis]
        after = [0, 0] * (axes - 1 - axis) + [0, max(low + wanted - size, 0)]
        whole = F.pad(whole, after).narrow(2 + axis, low, wanted)
    return whole


def _avg_pool(given: Given) -> Tensor:
    x = given["x"]
    axes = x.dim() - 2
    if any(_padding(given, axes)):
        raise UnknownOperation("pooling with padding")
    pool = F.avg_pool1d if axes == 1 else F.avg_pool2d
    return pool(x, _numbers(given["kernel_sizes"]), _sizes(given, "strides", axes))


def _matmul(given: Given) -> Tensor:
    x, y = given["x"], given["y"]
    x = x.mT if _option(given, "transpose_x", default=False) else x
    y = y.mT if _option(given, "transpose_y", default=False) else y
    return torch.as_tensor(x @ y)


def _layer_norm(given: Given) -> Tensor:
    x = given["x"]
    axes = sorted(axis % x.dim() for axis in _numbers(given["axes"]))
    if axes != list(range(x.dim() - len(axes), x.dim())):
        raise UnknownOperation("layer_norm over axes that are not the last ones")
    shape = [x.shape[axis] for axis in axes]
    epsilon = _option(given, "epsilon", 1e-5)
    return F.layer_norm(x, shape, given.get("gamma"), given.get("beta"), epsilon)


def _batch_norm(given: Given) -> Tensor:
    statistics = given["mean"], given["variance"]
    weights = given.get("gamma"), given.get("beta")
    return F.batch_norm(given["x"], *statistics, *weights, eps=_option(given, "epsilon", 1e-5))


def _reshape(given: Given) -> Tensor:
    x, shape = given["x"], _numbers(given["shape"])
    return torch.as_tensor(
        x.reshape([x.shape[axis] if n == 0 else n for axis, n in enumerate(shape)])
    )


def _expand_dims(given: Given) -> Tensor:
    x, axes = given["x"], _numbers(given["axes"])
    rank = x.dim() + len(axes)
    for axis in sorted(each % rank for each in axes):
        x = x.unsqueeze(axis)
    return torch.as_tensor(x)


def _squeeze(given: Given) -> Tensor:
    x = given["x"]
    return torch.as_tensor(x.squeeze(_numbers(given["axes"])) if "axes" in given else x.squeeze())


def _split(given: Given) -> tuple[Tensor, ...]:
    x, axis = given["x"], int(_option(given, "axis", 0))
    if given.get("split_sizes") is not None:
        return torch.split(x, _numbers(given["split_sizes"]), axis)
    return torch.chunk(x, int(_option(given, "num_splits", 1)), axis)


def _slices(given: Given) -> list[slice | int]:
    """The part that ``begin``, ``end``, ``stride`` and their masks describe."""
    begin, end = _numbers(given["begin"]), _numbers(given["end"])
    steps = _sizes(given, "stride", len(begin))
    if min(steps) < 1:
        raise UnknownOperation("slice_by_index backwards")

    def masked(name: str) -> list[bool]:
        mask = given.get(name)
        return [False] * len(begin) if mask is None else [bool(each) for each in mask.tolist()]

    rows = zip(begin, end, steps, masked("begin_mask"), masked("end_mask"), strict=True)
    parts: list[slice | int] = [
        slice(None if from_start else low, None if to_end else high, step)
        for low, high, step, from_start, to_end in rows
    ]
    for axis, alone in enumerate(masked("squeeze_mask")):
        if alone:
            parts[axis] = begin[axis]
    return parts


def _slice_update(given: Given) -> Tensor:
    x: Tensor = given["x"].clone()
    x[tuple(_slices(given))] = given["update"]
    return x


def _gather(given: Given) -> Tensor:
    x, indices = given["x"], given["indices"].long()
    if _option(given, "batch_dims", 0):
        raise UnknownOperation("gather with batch dimensions")
    axis = int(_option(given, "axis", 0)) % x.dim()
    taken = x.index_select(axis, indices.flatten())
    return torch.as_tensor(taken.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _pad(given: Given) -> Tensor:
    x, padding = given["x"], _backwards(_numbers(given["pad"]))
    mode = str(_option(given, "mode", "constant"))
    if mode == "constant":
        return F.pad(x, padding, value=float(_option(given, "constant_val", 0.0)))
    return F.pad(x, padding, mode)


def _crop(given: Given) -> Tensor:
    x = given["x"]
    (top, bottom), (left, right) = (_numbers(given[f"crop_{side}"]) for side in ("height", "width"))
    return torch.as_tensor(x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right])


def _gelu(given: Given) -> Tensor:
    mode = _option(given, "mode", "EXACT")
    if mode not in ("EXACT", "TANH_APPROXIMATION"):
        raise UnknownOperation(f"gelu {mode}")
    return F.gelu(given["x"], approximate="none" if mode == "EXACT" else "tanh")


def _of_one(compute: Callable[[Tensor], Tensor]) -> Callable[[Given], Tensor]:
    return lambda given: compute(given["x"])


def _of_two(compute: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Given], Tensor]:
    return lambda given: compute(given["x"], given["y"])


_OPERATIONS: dict[str, Callable[[Given], Tensor | tuple[Tensor, ...]]] = {
    "add": _of_two(torch.add),
    "sub": _of_two(torch.sub),
    "mul": _of_two(torch.mul),
    "real_div": _of_two(torch.true_divide),
    "greater_equal": _of_two(torch.ge),
    "select": lambda given: torch.where(given["cond"], given["a"], given["b"]),
    "exp": _of_one(torch.exp),
    "relu": _of_one(torch.relu),
    "sigmoid": _of_one(torch.sigmoid),
    "tanh": _of_one(torch.tanh),
    "identity": _of_one(torch.clone),
    "cast": _of_one(torch.clone),  # the declared type does it
    "leaky_relu": lambda given: F.leaky_relu(given["x"], _option(given, "alpha", 0.01)),
    "gelu": _gelu,
    "softmax": lambda given: given["x"].softmax(int(_option(given, "axis", -1))),
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "avg_pool": _avg_pool,
    "linear": lambda given: F.linear(given["x"], given["weight"], given.get("bias")),
    "matmul": _matmul,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "transpose": lambda given: given["x"].permute(_numbers(given["perm"])),
    "reshape": _reshape,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "concat": lambda given: torch.cat(given["values"], int(_option(given, "axis", 0))),
    "stack": lambda given: torch.stack(given["values"], int(_option(given, "axis", 0))),
    "split": _split,
    "slice_by_index": lambda given: given["x"][tuple(_slices(given))],
    "slice_update": _slice_update,
    "reverse": lambda given: given["x"].flip(_numbers(given["axes"])),
    "gather": _gather,
    "pad": _pad,
    "crop": _crop,
    "tile": lambda given: given["x"].repeat(_numbers(given["reps"])),
    "reduce_mean": lambda given: given["x"].mean(
        _numbers(given["axes"]), keepdim=bool(_option(given, "keep_dims", default=False))
    ),
}
"""By their names in MIL; see https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html"""
