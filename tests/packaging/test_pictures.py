from __future__ import annotations

from pathlib import Path

import pytest
from pictures import PIXELS, read_icns, write_icns
from PySide6.QtGui import QImage


@pytest.fixture(scope="module")
def icns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("icon") / "icon.icns"
    write_icns(path)
    return path


def test_every_size_of_the_icon_is_a_picture_of_that_size(icns: Path) -> None:
    found = read_icns(icns)
    assert set(found) == set(PIXELS)
    for tag, pixels in PIXELS.items():
        image = QImage.fromData(found[tag], "PNG")
        assert (image.width(), image.height()) == (pixels, pixels), tag


def test_the_icon_is_transparent_outside_and_keeps_apples_margin(icns: Path) -> None:
    image = QImage.fromData(read_icns(icns)[b"ic10"], "PNG")
    assert image.hasAlphaChannel()
    assert image.pixelColor(4, 4).alpha() == 0
    assert image.pixelColor(512, 150).alpha() == 255
    assert image.pixelColor(90, 512).alpha() == 0


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"JUNK" + b[4:], lambda b: b + b"x"]
)
def test_a_damaged_file_is_refused(icns: Path, tmp_path: Path, damage: object) -> None:
    path = tmp_path / "damaged.icns"
    path.write_bytes(damage(icns.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ValueError, match="damaged"):
        read_icns(path)
