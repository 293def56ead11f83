"""The form in which the library keeps a voice: safetensors, with its labels in the header.

The tensors are the trainer's own, in their own precision (weight norm is folded at every load, as
for a ``.pth``), so both forms give the same samples; but nothing in this one is a pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.checkpoint import read_state_file
from engine.errors import VoiceFileError

LABELS = "urvc.voice"
"""The key in the header of a safetensors file; its value is a JSON object."""

TRAINING_ONLY = "enc_q."
"""The posterior encoder, which turns spectrograms into latents; inference never needs it."""

_LONGEST_LABELS = 2**20
_LONGEST_TEXT = 10_000
_GET_AGAIN = "get the file again from where it came from"


def read_record(path: Path) -> dict[str, Any]:
    """What a trainer saved, from its ``.pth`` or from the library's own form.

    Returns
    -------
    ``weight`` (a table of tensors), ``config`` and labels, if the file is a voice at all.

    Raises
    ------
    VoiceFileError : missing, damaged, dangerous or of another kind
    """
    record = read_state_file(path, VoiceFileError)
    return {**_labels_in(path), "weight": record} if _is_safetensors(path) else record


def write_stored(record: Mapping[str, Any], path: Path) -> None:
    """Write a record that `engine.voice_checkpoint` has accepted.

    Raises
    ------
    OSError : the file cannot be written
    """
    # Clones, because tensors of one storage may not share it in this format.
    weights = {name: tensor.contiguous().clone() for name, tensor in _weights(record).items()}
    labels = json.dumps(portable_labels(record))
    try:
        save_file(weights, str(path), metadata={LABELS: labels})
    except SafetensorError as error:  # how the library tells a full disk
        raise OSError(str(error)) from error


def write_checkpoint(record: Mapping[str, Any], file: BinaryIO) -> None:
    """Write a record as other programs read it: ``torch.save`` of a plain table.

    Raises
    ------
    OSError, RuntimeError : the file cannot be written
    """
    weights = OrderedDict((name, tensor.clone()) for name, tensor in _weights(record).items())
    torch.save({"weight": weights, **portable_labels(record)}, file)


def content_sha256(record: Mapping[str, Any]) -> str:
    """Tells a voice by what it sounds like: its weights and sizes, not its labels or packing."""
    digest = hashlib.sha256(json.dumps(_plain(record["config"])).encode())
    for name, tensor in sorted(_weights(record).items()):
        shape = ",".join(map(str, tensor.shape))
        digest.update(f"\n{name} {tensor.dtype} {shape}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def portable_labels(record: Mapping[str, Any]) -> dict[str, Any]:
    """The labels that are plain texts and numbers, and the config."""
    labels = {
        name: value[:_LONGEST_TEXT] if isinstance(value, str) else value
        for name, value in record.items()
        if name not in ("weight", "config") and len(name) <= 100 and _is_simple(value)
    }
    return {"config": _plain(record["config"]), **labels}


def _weights(record: Mapping[str, Any]) -> dict[str, Tensor]:
    weights: Mapping[str, Tensor] = record["weight"]
    return {name: tensor for name, tensor in weights.items() if not name.startswith(TRAINING_ONLY)}


def _is_simple(value: object) -> bool:
    if isinstance(value, str):
        return _can_be_written(value)
    return isinstance(value, bool | float) or (type(value) is int and abs(value) < 2**63)


def _can_be_written(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(config: object) -> object:
    """The config's tuples as lists."""
    return [_plain(each) for each in config] if isinstance(config, list | tuple) else config


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _labels_in(path: Path) -> dict[str, Any]:
    """The labels of the library's own form; none in any other safetensors file."""
    what = f'Cannot read "{path.name}"'
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get(LABELS, "")
        labels = json.loads(text) if 0 < len(text) <= _LONGEST_LABELS else {}
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise VoiceFileError(what, "its labels are damaged", _GET_AGAIN) from error
    return labels if isinstance(labels, dict) else {}
