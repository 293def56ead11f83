"""Small checkpoints that would cost minutes or gigabytes, and a process that reads them.

``python -m tests.engine.hostile_checkpoints FOLDER`` writes them, reads each and prints one line of
JSON per file: its name, the refusal, CPU seconds and the peak memory of the process so far.
"""

from __future__ import annotations

import io
import json
import pickle
import resource
import signal
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

SECONDS_PER_FILE = 120
"""Against a hang; each takes less than a second on a quiet machine."""

MEGABYTE = 2**20


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(data)) + data


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def integer(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8b" + struct.pack("<I", len(data)) + data


def nested(levels: int, kind: bytes = b"") -> bytes:
    """A tuple of two tuples of two tuples …, all shared; its last memo index is ``levels``."""
    pairs = (get(i) * 2 + b"\x86" + put(i + 1) for i in range(levels))
    return b")" + put(0) + b"".join(b"0" + pair for pair in pairs) + kind


def as_label(value: bytes) -> bytes:
    """A table with this value under one name."""
    return b"}" + text("config") + value + b"s"


STORAGE = b"(" + text("storage") + name("torch", "FloatStorage")

# Name → opcodes of the table.
TABLES: dict[str, Callable[[], bytes]] = {
    "name of nested lists": lambda: (
        b"]" + put(0)
        + b"".join(b"0]" + put(i + 1) + get(i) + b"a" + get(i) + b"a" for i in range(40))
        + get(40) + b"\x93"
    ),
    "eight million sets": lambda: b"\x8f" * (8 * MEGABYTE),
    "eight million marks": lambda: b"(" * (8 * MEGABYTE),
    "eight million dicts": lambda: b"}" * (8 * MEGABYTE),
    "deep lists": lambda: as_label(b"]" * 200_000 + b"a" * 199_999),
    "lists in themselves": lambda: as_label(b"]" + put(0) + get(0) + b"a"),
    "nested tuples": lambda: as_label(nested(100)),
    "keys of nested tuples": lambda: b"}" + put(101) + b"0" + nested(100) + b"0"
    + get(101) + get(100) + b"Ns",
    "set of nested tuples": lambda: b"\x8f" + nested(100) + b"\x90",
    "number type of nested tuples": lambda: (
        nested(60) + b"0" + name("numpy.core.multiarray", "scalar")
        + name("numpy", "dtype") + get(60) + b"\x85R" + b"C\x0812345678" + b"\x86R"
    ),
    "colliding keys": lambda: b"}"
    + b"".join(integer(k * (2**61 - 1)) + b"Ns" for k in range(1, 100_000)),
    "colliding small keys": lambda: b"}"
    + b"".join(integer(k << 40) + b"Ns" for k in range(1, 100_000)),
    "colliding memo": lambda: b"".join(
        b"N" + put(k << 12) for k in range(1, 200_000)
    ),
    "long equal keys": lambda: (
        text("k" * MEGABYTE) + put(0) + text("k" * MEGABYTE) + put(1) + b"}"
        + (get(0) + b"Ns" + get(1) + b"Ns") * 200_000
    ),
    "long keys of storages": lambda: (
        STORAGE + text("k" * MEGABYTE) + text("cpu") + integer(1) + b"t" + put(0)
        + (get(0) + b"Q") * 400_000
    ),
    "huge integer": lambda: as_label(integer(1 << (8 * 4 * MEGABYTE))),
    "huge length of a storage": lambda: (
        STORAGE + text("0") + text("cpu") + integer(1 << (8 * 4 * MEGABYTE)) + b"t" + put(0)
        + (get(0) + b"Q") * 400_000
    ),
    "integer that is not there": lambda: b"\x8b\xff\xff\xff\x7f",
    "text that is not there": lambda: b"\x8d" + struct.pack("<Q", 2**62),
    "bytes that are not there": lambda: b"\x96" + struct.pack("<Q", 2**40),
    "frame that is not there": lambda: b"\x95" + struct.pack("<Q", 2**62) + b"N",
    "frame in a frame": lambda: (b"\x95" + struct.pack("<Q", MEGABYTE)) * 100_000,
    "same pairs again and again": lambda: (
        b"](" + (text("k") + b"N\x86") * 100_000 + b"e" + put(0)
        + (name("collections", "OrderedDict") + get(0) + b"\x85R") * 50_000
    ),
    "same size again and again": lambda: (
        b"](" + b"K\x01" * MEGABYTE + b"e" + put(0)
        + (name("torch", "Size") + get(0) + b"\x85R") * 50_000
    ),
    "same text again and again": lambda: (
        text("k" * MEGABYTE) + put(0)
        + (name("_codecs", "encode") + get(0) + text("latin1") + b"\x86R") * 50_000
    ),
    "long names": lambda: (
        text("enum." + "k" * MEGABYTE) + put(0) + (get(0) * 2 + b"\x93") * 300_000
    ),
    "same table under many names": lambda: (
        b"}(" + b"".join(text(str(k)) + b"N" for k in range(50_000)) + b"u" + put(0) + b"}("
        + b"".join(text(str(k)) + get(0) for k in range(50_000)) + b"u"
    ),
    "many tensors": lambda: (
        b"(" + STORAGE + text("0") + text("cpu") + integer(4) + b"tQK\0K\1\x85K\1\x85t" + put(0)
        + b"0" + name("torch._utils", "_rebuild_tensor_v2") + put(1)
        + (get(1) + get(0) + b"R") * 300_000
    ),
    "duplicates": lambda: b"]" + b"2" * (8 * MEGABYTE),
    "extension": lambda: b"\x82\x01",
    "instance": lambda: b"(" + text("touch ran") + b"ios\nsystem\n",
    "object": lambda: b"(" + name("os", "system") + text("touch ran") + b"o",
    "attribute": lambda: name("torch.os", "system") + text("touch ran") + b"\x85R",
    "state": lambda: name("builtins", "int") + b")R" + b"}" + text("__class__") + b"Nsb" + b"b",
}  # fmt: skip


def zipped(table: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + table + b".")
        archive.writestr("a/byteorder", "little")
        archive.writestr("a/data/0", bytes(16))
    return file.getvalue()


def stream(*tables: bytes) -> bytes:
    """The older layout, with these pickles behind its head."""
    system = {"little_endian": True, "protocol_version": 1001, "type_sizes": {}}
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join([*head, *(b"\x80\x02" + table + b"." for table in tables)])


def many_records(count: int = 150_000) -> bytes:
    """A zip whose table of contents names one record under many names."""
    record = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    fields = (20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    start = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", *fields)
    table = b"".join(start + b"%08d" % number for number in range(count))
    sizes = (44, 45, 45, 0, 0, count, count, len(table), len(record))
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", *sizes)
    place = struct.pack("<4sLQL", b"PK\6\7", 0, len(record) + len(table), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    return record + table + end64 + place + end


FILES: dict[str, Callable[[], bytes]] = {
    **{key: lambda table=table: zipped(table()) for key, table in TABLES.items()},
    "list of nested tuples as keys": lambda: stream(
        b"}", nested(40) + b"0]" + put(41) + get(40) + b"a"
    ),
    "many records": many_records,
    "first pickle of sets": lambda: b"\x80\x02" + b"\x8f" * (8 * MEGABYTE) + b".",
    "frame over the storages": lambda: (
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + bytes(8 * MEGABYTE)
    ),
}


def read(path: Path) -> dict[str, object]:
    """What became of the file: the refusal (None if it loaded) and what it cost."""
    from engine.checkpoint import read_state_file
    from engine.errors import VoiceFileError

    started = time.process_time()
    refusal = None
    signal.alarm(SECONDS_PER_FILE)  # ends the process
    try:
        read_state_file(path, VoiceFileError)
    except VoiceFileError as error:
        refusal = str(error)
    signal.alarm(0)
    return {
        "name": path.stem,
        "refusal": refusal,
        "cpu_s": round(time.process_time() - started, 2),
        "peak_bytes": peak_bytes(),
    }


def peak_bytes() -> int:
    """Most memory that this process ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


BASELINE = "empty"
"""The file that is read first; its peak is that of the process itself."""


def main() -> None:
    folder = Path(sys.argv[1])
    for key, content in {BASELINE: bytes, **FILES}.items():
        path = folder / f"{key}.pth"
        path.write_bytes(content())
        print(json.dumps(read(path)), flush=True)
        path.unlink()


if __name__ == "__main__":
    main()
