"""The one door through which checkpoints (``.pth``, ``.pt``, ``.bin``, ``.safetensors``) come in.

Nothing in a file is ever run, and no memory is asked for that the file does not itself fill:
the pickle is read as data (`engine.checkpoint_pickle`) and every tensor is a view of bytes that
were there. Both layouts of ``torch.save`` are read: the zip of today and the older plain stream.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from engine.checkpoint_object import DTYPES, ForeignObjectError, Name, PickleError, Storage
from engine.checkpoint_pickle import read_pickle
from engine.errors import UserError

MAX_FILE_BYTES = 4 * 1024**3
"""The largest networks of this kind (HuBERT large) take 1.3 GB."""

MAX_PICKLE_BYTES = 64 * 1024**2
"""The pickle of a zip holds names and shapes only: 60 kB in a voice, 2 MB in fairseq's files."""

_SMALLEST_BYTES = 64
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_GET_AGAIN = "get the file again from where it came from"
_DAMAGE = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)
"""What a damaged stream provokes in the parsers below; never anything that a sound one does."""


def read_state_file(path: Path, error: type[UserError]) -> dict[str, Any]:
    """What ``torch.save`` or safetensors wrote, as plain Python values and CPU tensors.

    Objects of foreign classes (fairseq, omegaconf, argparse) come as `Inert`; the tensors keep
    the file's dtype and may share memory with each other.

    Parameters
    ----------
    path : a ``.pth``/``.pt``/``.bin``/``.safetensors`` file; the content decides, not the ending
    error : the kind of sentence to raise, e.g. `VoiceFileError`

    Raises
    ------
    error : the file is missing, damaged, of another kind, or wants to run something
    """
    what = f'Cannot read "{path.name}"'
    try:
        size_bytes = path.stat().st_size
        if path.is_dir():
            raise error(what, "it is a folder", "choose the file itself")
        with path.open("rb") as file:
            head = file.read(512)
        _refuse_other_kinds(head, size_bytes, what, error)
        value = _read_any(path, head, size_bytes)
    except OSError as cause:
        why = "there is no such file" if isinstance(cause, FileNotFoundError) else "cannot open it"
        raise error(what, why, "choose a file that can be read") from cause
    except _WrongKindError as cause:
        raise error(what, cause.why, cause.advice) from cause
    except ForeignObjectError as cause:
        why = f"it asks to run {_quoted(cause.name)} when it is opened, which no such file needs"
        raise error(what, why, "do not use it, it may be malicious") from cause
    except SafetensorError as cause:
        raise error(what, "it is damaged or cut short", _GET_AGAIN) from cause
    except _DAMAGE as cause:
        raise error(what, "it is damaged or cut short", _GET_AGAIN) from cause
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise error(what, "it holds no table of weights", "choose another file")
    if _elements(value) > 2 * size_bytes:
        raise error(what, "it repeats its numbers more often than any network", _GET_AGAIN)
    return value


def _elements(table: dict[str, Any]) -> int:
    """Numbers in all tensors of a table and of the tables in it; shared ones count each time.

    Callers turn tensors into float32 one by one, so a few bytes under a million names would
    otherwise fill the memory.
    """
    values = [*table.values()]
    values += [inner for value in values if isinstance(value, dict) for inner in value.values()]
    return sum(value.numel() for value in values if isinstance(value, torch.Tensor))


class _WrongKindError(Exception):
    """The file is sound but is something else."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why, advice)
        self.why = why
        self.advice = advice


def _quoted(text: str) -> str:
    """A name from the file, fit for a sentence."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f'"{clean[:60]}"'


def _refuse_other_kinds(head: bytes, size_bytes: int, what: str, error: type[UserError]) -> None:
    if size_bytes == 0:
        raise error(what, "it is empty", _GET_AGAIN)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise error(what, "it is a web page, not a voice or network file", _GET_AGAIN)
    if text.startswith(b"version https://git-lfs"):
        raise error(what, "it only points to the file (Git LFS)", "download the file itself")
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        raise error(what, "it is a text, not a voice or network file", _GET_AGAIN)
    if size_bytes < _SMALLEST_BYTES:
        raise error(what, f"it is only {size_bytes} bytes long", _GET_AGAIN)
    if size_bytes > MAX_FILE_BYTES:
        raise error(what, "it is larger than any voice or network", "choose another file")


def _read_any(path: Path, head: bytes, size_bytes: int) -> Any:
    header_bytes = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and header_bytes <= size_bytes - 8:
        with safe_open(str(path), framework="pt", device="cpu") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    if head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            return _read_zip(archive, size_bytes)
    if head.startswith((b"7z\xbc\xaf", b"Rar!", b"\x1f\x8b")):
        raise _WrongKindError("it is a packed archive", "unpack it and choose the .pth inside")
    if head[:1] != b"\x80":
        raise _WrongKindError("it is no checkpoint of PyTorch", "choose a .pth file")
    return _read_stream(path.read_bytes())


def _read_zip(archive: zipfile.ZipFile, size_bytes: int) -> Any:
    """The layout since PyTorch 1.6: ``NAME/data.pkl`` and one raw record per storage."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if any(name.endswith("/constants.pkl") for name in entries):
        raise _WrongKindError("it is a TorchScript program", "choose the plain .pth instead")
    if len(pickles) != 1:
        raise _WrongKindError(
            "it is a zip archive of other files", "unpack it and choose the .pth inside"
        )
    folder = pickles[0].removesuffix("data.pkl")
    if sum(entry.file_size for entry in entries.values()) > size_bytes or any(
        entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()
    ):
        raise PickleError("records that do not fit into the file")
    order = entries.get(f"{folder}byteorder")
    if order is not None and _record(archive, order) != b"little":
        raise _WrongKindError("it was written on a big-endian machine", "ask for another copy")
    if entries[pickles[0]].file_size > MAX_PICKLE_BYTES:
        raise PickleError("a table too large")
    stream = io.BytesIO(_record(archive, entries[pickles[0]]))
    known: dict[str, Storage] = {}

    def storage(identity: tuple[Any, ...]) -> Storage:
        dtype, key, count = _identity(identity)
        if key not in known:
            raw = _record(archive, entries[f"{folder}data/{key}"])
            known[key] = _numbers(raw, dtype, count)
        if known[key].values.dtype != dtype:
            raise PickleError("a storage of two types")
        return known[key]

    return read_pickle(stream, storage)


def _record(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytearray:
    """One record, checked against its CRC."""
    data = bytearray(archive.read(entry))
    if len(data) != entry.file_size:
        raise PickleError("a record cut short")
    return data


def _identity(identity: object) -> tuple[torch.dtype, str, int]:
    """``("storage", HalfStorage, key, device, count, ...)`` of a persistent id."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise PickleError("a reference to what is no storage")
    kind, key, count = identity[1], identity[2], identity[4]
    if not isinstance(kind, Name) or not isinstance(key, str) or type(count) is not int:
        raise PickleError("a storage without type, key or length")
    if len(identity) > 5 and identity[5] is not None:
        raise PickleError("a storage that is part of another (PyTorch 0.1)")
    return DTYPES[kind.text.rsplit(".", 1)[-1]], key, count


def _numbers(raw: bytearray, dtype: torch.dtype, count: int) -> Storage:
    if len(raw) != count * dtype.itemsize:
        raise PickleError("a storage of another length than stated")
    if dtype == torch.bool:
        return Storage(torch.frombuffer(raw, dtype=torch.uint8).ne(0)) if raw else _EMPTY
    return Storage(torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype))


_EMPTY = Storage(torch.empty(0, dtype=torch.bool))


def _read_stream(data: bytes) -> Any:
    """The layout before PyTorch 1.6: five pickles, then each storage's length and numbers.

    The table is read twice: first with storages that have a length but no memory (``meta``),
    because the numbers follow only after it.
    """
    stream = io.BytesIO(data)
    try:
        magic = read_pickle(stream, _no_storage)
    except ForeignObjectError:
        raise
    except _DAMAGE as cause:
        raise _WrongKindError("it is no checkpoint of PyTorch", "choose a .pth file") from cause
    if magic != _LEGACY_MAGIC:
        raise _WrongKindError("it is a pickle but no checkpoint of PyTorch", "choose a .pth file")
    if read_pickle(stream, _no_storage) != _LEGACY_PROTOCOL:
        raise PickleError("an unknown protocol")
    system = read_pickle(stream, _no_storage)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _WrongKindError("it was written on a big-endian machine", "ask for another copy")
    table_start = stream.tell()
    stated: dict[str, tuple[torch.dtype, int]] = {}

    def promised(identity: tuple[Any, ...]) -> Storage:
        dtype, key, count = _identity(identity)
        if not 0 <= count * dtype.itemsize <= len(data):
            raise PickleError("a storage larger than the file")
        if stated.setdefault(key, (dtype, count)) != (dtype, count):
            raise PickleError("a storage of two types")
        return Storage(torch.empty(count, dtype=dtype, device="meta"))

    read_pickle(stream, promised)
    keys = read_pickle(stream, _no_storage)
    if not isinstance(keys, list) or len(set(keys)) != len(keys) or set(keys) != set(stated):
        raise PickleError("storages that were not promised")
    real: dict[str, Storage] = {}
    for key in keys:
        dtype, count = stated[key]
        if struct.unpack("<q", stream.read(8)) != (count,):
            raise PickleError("a storage of another length than stated")
        real[key] = _numbers(bytearray(stream.read(count * dtype.itemsize)), dtype, count)
    stream.seek(table_start)
    fill: Callable[[tuple[Any, ...]], Storage] = lambda identity: real[_identity(identity)[1]]  # noqa: E731
    return read_pickle(stream, fill)


def _no_storage(_: object) -> Storage:
    raise PickleError("a tensor where none belongs")
