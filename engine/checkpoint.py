"""Reads checkpoints (``.pth``, ``.pt``, ``.bin``, ``.safetensors``); every file comes in here.

Nothing in a file is ever run (`engine.inert_pickle`), and memory is taken only for bytes that the
file really has: every tensor is a view of them. Both layouts of ``torch.save`` are read: the zip
of today and the older plain stream.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.errors import Message, NotAFileError, Text, UserError
from engine.files import open_file
from engine.inert_pickle import (
    ForeignObjectError,
    Name,
    OverBudgetError,
    PickleError,
    Storage,
    StorageReader,
    read_pickle,
)
from engine.safetensors_file import Bytes, as_tensor, is_safetensors, read_tensors, unset_bytes

MAX_FILE_BYTES = 4 * 1024**3
"""The largest networks of this kind (HuBERT large) take 1.3 GB."""

MAX_PICKLE_BYTES = 16 * 1024**2
"""Names and shapes only: 60 kB in a voice, 2 MB in fairseq's files."""

GET_AGAIN = "download the file again or ask its author for an undamaged copy"

_MIN_FILE_BYTES = 64
_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Before each record of a zip archive: its mark, and the lengths of name and extra field."""

_ENCRYPTED = 1
_MAX_STORAGE_KEY_CHARS = 100
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
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
    RecursionError,
    struct.error,
    zipfile.BadZipFile,
)
"""What a damaged stream raises in the parsers below; an undamaged one raises none of them."""

_DTYPES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def read_state_file(path: Path, error: type[UserError]) -> dict[str, Any]:
    """What ``torch.save`` or safetensors wrote, as plain Python values and CPU tensors.

    Objects of foreign classes (fairseq, omegaconf, argparse) come as `Inert`; the tensors keep
    the file's dtype and may share memory with each other.

    Parameters
    ----------
    path : the content decides which format it is, not the ending
    error : the class to raise, e.g. `VoiceFileError`

    Raises
    ------
    error : the file is missing, damaged, of another kind, or asks to run something
    """
    what = Text('Cannot read "{name}"', name=path.name)
    try:
        value, size_bytes = _read(path)
    except OSError as cause:
        why = (
            "the file does not exist" if isinstance(cause, FileNotFoundError) else "cannot open it"
        )
        raise error(what, why, "choose a file that can be read") from cause
    except _WrongKindError as cause:
        raise error(what, cause.why, cause.advice) from cause
    except ForeignObjectError as cause:
        raise error(
            what,
            Text(
                "it asks to run {function} when it is opened, which a voice or network never needs",
                function=quoted(cause.name),
            ),
            "do not use it, it may be malicious",
        ) from cause
    except OverBudgetError as cause:
        why = "it contains far more objects than a voice or network"
        raise error(what, why, "do not use it, it may be malicious") from cause
    except _DAMAGE as cause:
        raise error(what, "it is damaged or incomplete", GET_AGAIN) from cause
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise error(what, "it does not contain a table of weights", "choose another file")
    if _count_elements(value) > 2 * size_bytes:
        raise error(what, "it repeats its numbers more often than a network does", GET_AGAIN)
    return value


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether no number is NaN or infinite.

    A sum is read once and needs no memory, a tenth of the time; it can overflow without either.
    """
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())


def quoted(text: str) -> str:
    """A name from a file in quotes, short and printable."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[:80])
    return f'"{clean}"'


_WRAPPERS = frozenset({"module", "_orig_mod"})
_OUTER = _WRAPPERS | {"model", "net", "net_g", "generator", "hubert"}


def plain_names(table: Mapping[Any, Any]) -> dict[Any, Any]:
    """The same table without what wrappers put into the names of a network's tensors.

    ``module`` comes from data-parallel training and ``_orig_mod`` from ``torch.compile``, wherever
    they were applied; a network that was saved as a part of something begins all names alike.
    """
    names = {name: _plain_name(name) for name in table}
    firsts = {new.partition(".")[0] for new in names.values() if isinstance(new, str)}
    if len(firsts) == 1 and firsts <= _OUTER:
        names = {
            name: new.partition(".")[2] if isinstance(new, str) and "." in new else new
            for name, new in names.items()
        }
    if len(set(names.values())) < len(names):
        return dict(table)  # two would get one name
    return {names[name]: value for name, value in table.items()}


def _plain_name(name: object) -> object:
    if not isinstance(name, str) or not _WRAPPERS.intersection(parts := name.split(".")):
        return name
    return ".".join(part for part in parts if part not in _WRAPPERS)


COUNTER = ".num_batches_tracked"
"""How the names of counters end that inference never reads."""


def mismatch(
    shapes: Mapping[str, Sequence[int]], expected: Mapping[str, Sequence[int]]
) -> Text | None:
    """The first difference of tensors, by name and shape, from those that a network has."""
    missing = [name for name in expected if name not in shapes]
    unknown = [name for name in shapes if name not in expected]
    if missing or unknown:
        first, others = quoted((missing or unknown)[0]), len(missing or unknown) - 1
        if not others:
            return Text("{tensor} is missing" if missing else "{tensor} is unknown", tensor=first)
        return (
            Text("{tensor} and {others} more tensors are missing", tensor=first, others=others)
            if missing
            else Text("{tensor} and {others} more tensors are unknown", tensor=first, others=others)
        )
    for name, shape in shapes.items():
        if list(shape) != list(expected[name]):
            return wrong_shape(name, shape, expected[name])
    return None


def wrong_shape(name: str, shape: Sequence[int], expected: Sequence[int]) -> Text:
    """What to say of a tensor with another shape than its network needs."""
    return Text(
        "{tensor} has the shape {shape} instead of {expected}",
        tensor=quoted(name),
        shape=list(shape),
        expected=list(expected),
    )


def _count_elements(table: dict[str, Any]) -> int:
    """Numbers in all tensors of a table and of the tables in it; shared tensors count each time.

    Callers convert tensors to float32 one by one, so a few bytes under a million names would
    otherwise fill the memory.
    """
    tables = {id(value): value for value in (table, *table.values()) if isinstance(value, dict)}
    return sum(
        value.numel()
        for each in tables.values()
        for value in each.values()
        if isinstance(value, torch.Tensor)
    )


class _WrongKindError(Exception):
    """The file is undamaged but is something else."""

    def __init__(self, why: Message, advice: str) -> None:
        super().__init__(why, advice)
        self.why = why
        self.advice = advice


def _read(path: Path) -> tuple[Any, int]:
    """The value in the file and the file's size in bytes."""
    try:
        file = open_file(path)
    except NotAFileError as cause:
        if path.is_dir():
            raise _WrongKindError("it is a folder", "choose the file itself") from cause
        raise _WrongKindError("it is not a regular file", "choose another file") from cause
    with file:
        size_bytes = os.fstat(file.fileno()).st_size
        head = file.read(512)
        file.seek(0)
        _refuse_other_kinds(head, size_bytes)
        if is_safetensors(head, size_bytes):
            return read_tensors(file), size_bytes
        if head.startswith(b"PK\x03\x04"):
            source = _ZipSource(file.fileno(), closefd=False)
            with source, zipfile.ZipFile(source) as archive:
                source.limit_bytes = size_bytes
                return _read_zip(archive, source, size_bytes), size_bytes
        if head.startswith((b"7z\xbc\xaf", b"Rar!", b"\x1f\x8b")):
            raise _WrongKindError("it is a packed archive", "unpack it and choose the .pth inside")
        if head[:1] != b"\x80":
            raise _WrongKindError("it is not a PyTorch checkpoint", "choose a .pth file")
        return _read_stream(file.read(size_bytes)), size_bytes


def _refuse_other_kinds(head: bytes, size_bytes: int) -> None:
    if size_bytes == 0:
        raise _WrongKindError("it is empty", GET_AGAIN)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _WrongKindError("it is a web page, not a voice or network file", GET_AGAIN)
    if text.startswith(b"version https://git-lfs"):
        raise _WrongKindError("it only points to the file (Git LFS)", "download the file itself")
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        raise _WrongKindError("it is a text, not a voice or network file", GET_AGAIN)
    if size_bytes < _MIN_FILE_BYTES:
        raise _WrongKindError(
            Text("it is only {size_bytes} bytes long", size_bytes=size_bytes), GET_AGAIN
        )
    if size_bytes > MAX_FILE_BYTES:
        raise _WrongKindError("it is larger than any voice or network", "choose another file")


class _ZipSource(io.FileIO):
    """A file whose table of contents is read only if it is small."""

    limit_bytes = 2 * 2**20  # 20,000 records; a training checkpoint has 3,000

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self.limit_bytes:
            raise OverBudgetError("too many records")
        return super().read(size) or b""


def _read_zip(archive: zipfile.ZipFile, source: _ZipSource, size_bytes: int) -> Any:
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
    if order is not None and _record(source, order).tobytes() != b"little":
        raise _WrongKindError("it was written on a big-endian machine", "ask for another copy")
    if entries[pickles[0]].file_size > MAX_PICKLE_BYTES:
        raise OverBudgetError("a table too large")
    known: dict[str, Storage] = {}

    def storage(identity: tuple[Any, ...]) -> Storage:
        dtype, key, count = _identity(identity)
        if key not in known:
            raw = _record(source, entries[f"{folder}data/{key}"])
            known[key] = _storage_of(raw, dtype, count)
        if known[key].values.dtype != dtype:
            raise PickleError("a storage of two types")
        return known[key]

    return read_pickle(io.BytesIO(_record(source, entries[pickles[0]]).data), storage)


def _record(source: _ZipSource, entry: zipfile.ZipInfo) -> Bytes:
    """One record, checked against its CRC.

    Read into its place at once, because `zipfile` would copy it twice.
    """
    if entry.flag_bits & _ENCRYPTED:
        raise PickleError("an encrypted record")
    source.seek(entry.header_offset)
    head = source.read(_LOCAL_HEADER.size)
    if len(head) != _LOCAL_HEADER.size:
        raise PickleError("an incomplete record")
    magic, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(head)
    if magic != b"PK\x03\x04":
        raise PickleError("a record that is not where the table says")
    source.seek(name_bytes + extra_bytes, os.SEEK_CUR)
    data = unset_bytes(entry.file_size)
    if source.readinto(data.data) != len(data) or zlib.crc32(data.data) != entry.CRC:
        raise PickleError("an incomplete record")
    return data


def _identity(identity: object) -> tuple[torch.dtype, str, int]:
    """``("storage", HalfStorage, key, device, count, ...)`` of a persistent id."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise PickleError("a reference that is not to a storage")
    kind, key, count = identity[1], identity[2], identity[4]
    if not isinstance(kind, Name) or type(count) is not int:
        raise PickleError("a storage without a type or length")
    if not isinstance(key, str) or len(key) > _MAX_STORAGE_KEY_CHARS:
        raise PickleError("a storage without a key")
    if len(identity) > 5 and identity[5] is not None:
        raise PickleError("a storage that is part of another (PyTorch 0.1)")
    return _DTYPES[kind.text.rsplit(".", 1)[-1]], key, count


def _storage_of(raw: Bytes, dtype: torch.dtype, count: int) -> Storage:
    if len(raw) != count * dtype.itemsize:
        raise PickleError("a storage of another length than stated")
    return Storage(as_tensor(raw, dtype))


def _read_stream(data: bytes) -> Any:
    """The layout before PyTorch 1.6: five pickles, then each storage's length and numbers.

    The table is read twice: first with storages that have a length but no memory (``meta``),
    because the numbers follow only after it.
    """
    stream = _PickleSequence(data)
    _check_legacy_head(stream)
    table_start = stream.position
    stated: dict[str, Storage] = {}

    def outline(identity: tuple[Any, ...]) -> Storage:
        dtype, key, count = _identity(identity)
        if not 0 <= count * dtype.itemsize <= len(data):
            raise PickleError("a storage larger than the file")
        if key not in stated:
            stated[key] = Storage(torch.empty(count, dtype=dtype, device="meta"))
        if (stated[key].values.dtype, stated[key].values.numel()) != (dtype, count):
            raise PickleError("a storage of two types or lengths")
        return stated[key]

    stream.read(outline)
    keys = stream.read()
    if not isinstance(keys, list) or sorted(keys) != sorted(stated):
        raise PickleError("storages other than those of the table")
    real: dict[str, Storage] = {}
    for key in keys:
        values = stated[key].values
        if struct.unpack("<q", stream.take(8)) != (values.numel(),):
            raise PickleError("a storage of another length than stated")
        raw = stream.take(values.numel() * values.itemsize)
        real[key] = _storage_of(
            np.frombuffer(bytearray(raw), np.uint8), values.dtype, values.numel()
        )
    stream.position = table_start
    return stream.read(lambda identity: real[_identity(identity)[1]])


def _check_legacy_head(stream: _PickleSequence) -> None:
    """Read the three pickles in front of the table."""
    try:
        magic = stream.read()
    except (ForeignObjectError, OverBudgetError):
        raise
    except _DAMAGE as cause:
        raise _WrongKindError("it is not a PyTorch checkpoint", "choose a .pth file") from cause
    if magic != _LEGACY_MAGIC:
        raise _WrongKindError("it is a pickle but not a PyTorch checkpoint", "choose a .pth file")
    if stream.read() != _LEGACY_PROTOCOL:
        raise PickleError("an unknown protocol")
    system = stream.read()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _WrongKindError("it was written on a big-endian machine", "ask for another copy")


class _PickleSequence:
    """Pickles and raw bytes, one behind the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def read(self, storage: StorageReader | None = None) -> Any:
        """The next pickle."""
        stream = io.BytesIO(self._data[self.position : self.position + MAX_PICKLE_BYTES])
        value = read_pickle(stream, storage or _no_storage)
        self.position += stream.tell()
        return value

    def take(self, size_bytes: int) -> bytes:
        self.position += size_bytes
        return self._data[self.position - size_bytes : self.position]


def _no_storage(_: object) -> Storage:
    raise PickleError("a tensor in the wrong place")
