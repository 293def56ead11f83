"""Damage to files: anywhere, or inside with correct checksums, so that it reaches the parsers."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable

Mutation = Callable[[bytes, random.Random], bytes]

_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40)
_EXTREMES += (2**62, 2**63 - 1, 2**63, 2**64 - 1)


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def overwrite(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    place, length = rng.randrange(len(changed)), rng.choice((1, 2, 4, 8, 64, 512))
    changed[place : place + length] = rng.randbytes(length)
    return bytes(changed)


def put_extreme(data: bytes, rng: random.Random) -> bytes:
    """A number of some width becomes one at the edge of its range."""
    changed = bytearray(data)
    width = rng.choice((1, 2, 4, 8))
    place = rng.randrange(len(changed))
    value = rng.choice(_EXTREMES) & (256**width - 1)
    changed[place : place + width] = value.to_bytes(width, "little")
    return bytes(changed)


def put_extreme_in_head(data: bytes, rng: random.Random) -> bytes:
    """The same among the first bytes, where formats keep their sizes."""
    head = min(len(data), 160)
    return put_extreme(data[:head], rng) + data[head:]


def remove_run(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + data[place + rng.randrange(1, 64) :]


def repeat_run(data: bytes, rng: random.Random) -> bytes:
    place, length = rng.randrange(len(data)), rng.randrange(1, 256)
    return data[:place] + data[place : place + length] + data[place:]


def swap_runs(data: bytes, rng: random.Random) -> bytes:
    places = sorted(rng.randrange(len(data)) for _ in range(3))
    first, middle, last = places
    return data[:first] + data[middle:last] + data[first:middle] + data[last:]


def append(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.randrange(1, 64))


def several(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randrange(2, 6)):
        data = rng.choice(BLIND)(data, rng) or b"\0"
    return data


BLIND: tuple[Mutation, ...] = (
    flip_bit, flip_bit, cut, overwrite, put_extreme, put_extreme_in_head, remove_run, repeat_run,
    swap_runs, append,
)  # fmt: skip


def in_directory(data: bytes, rng: random.Random) -> bytes:
    """Of a zip: only headers and the table of contents are hit."""
    signature = rng.choice((b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"))
    places = [i for i in range(len(data)) if data.startswith(signature, i)]
    if not places:
        return flip_bit(data, rng)
    place = rng.choice(places)
    hit = rng.choice((flip_bit, overwrite, put_extreme))(data[place + 4 : place + 60], rng)
    return data[: place + 4] + hit[:56] + data[place + 60 :]


def in_member(data: bytes, rng: random.Random) -> bytes:
    """Of a zip: one file inside is hit, and packed again with right checksums."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    # The table of a .pth is where names, shapes and types stand.
    tables = [name for name in members if name.endswith("data.pkl")]
    name = tables[0] if tables and rng.random() < 0.7 else rng.choice(sorted(members))
    members[name] = rng.choice((*BLIND, several))(members[name] or b"\0", rng)
    if rng.random() < 0.1:
        other = rng.choice(sorted(members))
        members[other], members[name] = members[name], members[other]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return file.getvalue()


def in_header(data: bytes, rng: random.Random) -> bytes:
    """Of a safetensors file: its JSON is hit, with the length corrected."""
    (length,) = struct.unpack_from("<Q", data)
    header = rng.choice((*BLIND, several))(data[8 : 8 + length], rng)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def mutations_for(data: bytes) -> tuple[Mutation, ...]:
    """What may be done to such a file."""
    if data.startswith(b"PK"):
        return (*BLIND, several, *(in_directory,) * 6, *(in_member,) * 10)
    if data[8:9] == b"{":
        return (*BLIND, several, *(in_header,) * 6)
    return (*BLIND, several, *(put_extreme_in_head,) * 4)


def mutated(data: bytes, seed: int) -> bytes:
    """The file with the damage of this seed."""
    rng = random.Random(seed)
    return rng.choice(mutations_for(data))(data, rng)
