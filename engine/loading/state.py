"""Putting tensors into a network: every name, every shape, every number is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.bundle import advised
from engine.errors import WeightsError

Network = TypeVar("Network", bound=nn.Module)
GET_AGAIN = advised(
    'download it again; "urvc doctor" shows where it belongs',
    "download it again in Settings › Models",
)


def tensors_of(state: object, path: Path) -> dict[str, Tensor]:
    """The float tensors of a checkpoint as float32, counters as they are.

    Raises
    ------
    WeightsError : not a table of named tensors
    """
    what = f'Cannot use "{path.name}"'
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(what, "it holds no table of named tensors", GET_AGAIN)
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(what, f"{_short(name)} in it is not a tensor", GET_AGAIN)
        tensors[name] = value.float() if value.is_floating_point() else value
    return tensors


def load_strictly(network: Network, tensors: Mapping[str, Tensor], path: Path) -> Network:
    """Fill a network that was built on the ``meta`` device; evaluation mode, no gradients.

    Raises
    ------
    WeightsError : a tensor is missing, left over, of another shape, or holds no finite numbers
    """
    what = f'Cannot use "{path.name}"'
    wanted = network.state_dict()
    for name in wanted:
        if name not in tensors:
            why = f"{_short(name)} is missing{_others(wanted.keys() - tensors.keys())}"
            raise WeightsError(what, why, "it is another network or damaged: " + GET_AGAIN)
    for name, tensor in tensors.items():
        if name not in wanted:
            why = f"{_short(name)} is unknown{_others(tensors.keys() - wanted.keys())}"
            raise WeightsError(what, why, "it is another kind of network: " + GET_AGAIN)
        shape, expected = tuple(tensor.shape), tuple(wanted[name].shape)
        if shape != expected:
            why = f"{_short(name)} has the shape {list(shape)} instead of {list(expected)}"
            raise WeightsError(what, why, "it is another kind of network: " + GET_AGAIN)
        if tensor.is_floating_point() != wanted[name].is_floating_point():
            raise WeightsError(what, f"{_short(name)} has another type of number", GET_AGAIN)
        if not torch.isfinite(tensor).all():
            raise WeightsError(what, f"{_short(name)} holds values that are no numbers", GET_AGAIN)
    network.load_state_dict(dict(tensors), strict=True, assign=True)
    return network.eval().requires_grad_(requires_grad=False)


def fold_weight_norm(
    tensors: dict[str, Tensor], prefix: str, dim: int, path: Path
) -> dict[str, Tensor]:
    """Replace ``weight_g``/``weight_v`` of one layer, in either spelling, by its ``weight``.

    The weight is v / |v| * g with the norm over every dimension but ``dim``.

    Raises
    ------
    WeightsError : one of the two is there without the other, or their shapes contradict
    """
    spellings = (
        (f"{prefix}.weight_g", f"{prefix}.weight_v"),
        (
            f"{prefix}.parametrizations.weight.original0",
            f"{prefix}.parametrizations.weight.original1",
        ),
    )
    rest = dict(tensors)
    for g_name, v_name in spellings:
        g, v = rest.pop(g_name, None), rest.pop(v_name, None)
        if g is None and v is None:
            continue
        if g is None or v is None:
            missing = g_name if g is None else v_name
            raise WeightsError(f'Cannot use "{path.name}"', f'"{missing}" is missing', GET_AGAIN)
        kept = [n if axis == dim else 1 for axis, n in enumerate(v.shape)]
        if v.dim() <= dim or list(g.shape) != kept or not v.is_floating_point():
            why = f'"{g_name}" has the shape {list(g.shape)} instead of {kept}'
            raise WeightsError(f'Cannot use "{path.name}"', why, GET_AGAIN)
        axes = [axis for axis in range(v.dim()) if axis != dim]
        rest[f"{prefix}.weight"] = v * (g / torch.linalg.vector_norm(v, dim=axes, keepdim=True))
    return rest


def _short(name: object) -> str:
    """A name from the file, fit for a sentence."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(name)[:80])
    return f'"{text}"'


def _others(names: Iterable[str]) -> str:
    count = len(set(names)) - 1
    return f" (and {count} more)" if count else ""
