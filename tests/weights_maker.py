"""Checkpoint files in the layout that people download, with weights that anyone can remake."""

from __future__ import annotations

import importlib.util
import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

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


def write_voice(name: str, folder: Path) -> Path:
    """A full-size voice (about 55 MB); make it once per session."""
    path = folder / f"{name}.pth"
    torch.save(voice_record(name), path)
    return path
