"""The two forms of a voice on disk: a trainer's ``.pth``, and the library's ``voice.safetensors``.

The library's form holds the trainer's own tensors in their own precision, with the labels in the
header. Weight norm is folded at every load, as for a ``.pth``: both forms give the same samples.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from engine.checkpoint import GET_AGAIN, plain_names, read_state_file
from engine.errors import Text, VoiceFileError
from engine.files import open_file
from engine.safetensors_file import is_safetensors, read_metadata

POSTERIOR = "enc_q."
"""Where the names of the posterior encoder begin, which only training needs."""

_LABELS = "urvc.voice"
"""The key in the header of a safetensors file; its value is a JSON object."""

_MAX_LABELS_CHARS = 2**20
_MAX_LABEL_CHARS = 10_000


def read_record(path: Path) -> dict[str, Any]:
    """What a trainer saved: ``weight`` (a table of tensors), ``config`` and labels.

    The names of the tensors are those of `plain_names`.

    Raises
    ------
    VoiceFileError : missing, damaged, dangerous or of another kind
    """
    record = read_state_file(path, VoiceFileError)
    labels = _labels_in(path)
    if labels is not None:
        record = {**labels, "weight": record}
    weights = record.get("weight")
    return {**record, "weight": plain_names(weights)} if isinstance(weights, dict) else record


def write_stored(record: Mapping[str, Any], path: Path) -> None:
    """Write a record that `engine.voice_checkpoint` has accepted, in the library's form.

    Raises
    ------
    OSError : the file cannot be written
    """
    # Clones, because tensors of one storage may not share it in this format.
    weights = {name: tensor.contiguous().clone() for name, tensor in _weights(record).items()}
    labels = json.dumps(_portable_labels(record))
    try:
        save_file(weights, str(path), metadata={_LABELS: labels})
    except SafetensorError as error:  # a full disk, among others
        raise OSError(str(error)) from error


def write_checkpoint(record: Mapping[str, Any], file: BinaryIO) -> None:
    """Write a record as other programs read it: ``torch.save`` of a plain table.

    Raises
    ------
    OSError, RuntimeError : the file cannot be written
    """
    weights = OrderedDict((name, tensor.clone()) for name, tensor in _weights(record).items())
    torch.save({"weight": weights, **_portable_labels(record)}, file)


def content_sha256(record: Mapping[str, Any]) -> str:
    """Identifies a voice by its weights and sizes, whatever its labels or file format."""
    digest = hashlib.sha256(json.dumps(_plain(record["config"])).encode())
    for name, tensor in sorted(_weights(record).items()):
        shape = ",".join(map(str, tensor.shape))
        digest.update(f"\n{name} {tensor.dtype} {shape}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def is_simple(value: object) -> bool:
    """Whether a label is a text or a number that every file format can hold."""
    if isinstance(value, str):
        return _is_valid_unicode(value)
    return isinstance(value, bool | float) or (type(value) is int and abs(value) < 2**63)


def _weights(record: Mapping[str, Any]) -> dict[str, Tensor]:
    weights: Mapping[str, Tensor] = record["weight"]
    return {name: tensor for name, tensor in weights.items() if not name.startswith(POSTERIOR)}


def _portable_labels(record: Mapping[str, Any]) -> dict[str, Any]:
    """The config, and the labels that are plain texts and numbers, as many as a header may hold."""
    labels = {"config": _plain(record["config"])}
    chars = len(json.dumps(labels))
    for name, value in record.items():
        if name in ("weight", "config") or len(name) > 100 or not is_simple(value):
            continue
        label = value[:_MAX_LABEL_CHARS] if isinstance(value, str) else value
        chars += len(json.dumps({name: label}))
        if chars <= _MAX_LABELS_CHARS:
            labels[name] = label
    return labels


def _is_valid_unicode(text: str) -> bool:
    """False for half of a surrogate pair, which cannot be stored in a file."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(config: object) -> object:
    """The config's tuples as lists."""
    return [_plain(each) for each in config] if isinstance(config, list | tuple) else config


def _labels_in(path: Path) -> dict[str, Any] | None:
    """The labels of the library's form, none in any other safetensors file; None for a pickle."""
    try:
        with open_file(path) as file:
            if not is_safetensors(file.read(9), os.fstat(file.fileno()).st_size):
                return None
            text = read_metadata(file).get(_LABELS, "")
        labels = json.loads(text) if isinstance(text, str) and text else {}
    except (OSError, ValueError, RecursionError) as error:
        what = Text('Cannot read "{name}"', name=path.name)
        raise VoiceFileError(what, "its labels are damaged", GET_AGAIN) from error
    return labels if isinstance(labels, dict) else {}
