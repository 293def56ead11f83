"""Pictures are known by their headers alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.library.picture import PictureError, PictureHeader, read_picture_header
from tests.engine.loading import zoo

LOSSY = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x20\0\x10\0" + b"\0" * 9
LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + (31 | 15 << 14).to_bytes(4, "little") + b"\0" * 9


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (zoo.png(32, 16), PictureHeader(".png", 32, 16)),
        (zoo.JPEG, PictureHeader(".jpg", 32, 16)),
        (zoo.WEBP, PictureHeader(".webp", 32, 16)),
        (LOSSY, PictureHeader(".webp", 32, 16)),
        (LOSSLESS, PictureHeader(".webp", 32, 16)),
    ],
    ids=["png", "jpeg", "webp extended", "webp lossy", "webp lossless"],
)
def test_kind_and_size_are_read_from_the_header(
    tmp_path: Path, content: bytes, header: PictureHeader
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(content)
    assert read_picture_header(path) == header
    for length in range(len(content) - 12):
        path.write_bytes(content[:length])
        try:
            assert read_picture_header(path) == header
        except PictureError:
            continue


@pytest.mark.parametrize("content", [zoo.png(), zoo.JPEG, zoo.WEBP])
def test_damaged_headers_are_refused_or_read(tmp_path: Path, content: bytes) -> None:
    dice, path = random.Random(1), tmp_path / "picture"
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(dice.randrange(1, 4)):
            changed[dice.randrange(min(60, len(changed)))] = dice.randrange(256)
        path.write_bytes(changed)
        try:
            header = read_picture_header(path)
        except PictureError:
            continue
        assert 0 < header.width * header.height <= 50_000_000


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "isn't a PNG"),
        (b"<svg>", "isn't a PNG"),
        (b"GIF89a" + b"\0" * 20, "isn't a PNG"),
        (zoo.png(0, 5), "0 × 5"),
        (zoo.png(30_000, 30_000), "30000 × 30000"),
        (zoo.png() + b"\0" * (21 * 2**20), "more than 20 MB"),
        (b"\xff\xd8\xff\xe0\0\1", "damaged"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=why):
        read_picture_header(path)
