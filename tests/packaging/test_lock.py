"""The locks: complete for `pyproject.toml`, with hashes, and right for each system and Python."""

from __future__ import annotations

from pathlib import Path

import lock
import pytest
from lock import FOLDER, PYTHONS, Pin, faults, lock_file, read_pins, write_lock

LOCKS = ("runtime", "dev", "bundle", "mlx")


def test_the_locks_are_up_to_date() -> None:
    assert faults() == []


def test_a_requirement_that_a_lock_does_not_satisfy_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = {"runtime": ["numpy<1", "brand-new>=2"], "dev": ["pytest"], "bundle": []}
    monkeypatch.setattr(lock, "read_groups", lambda: wanted)
    older, new = faults()
    assert older.startswith("runtime.txt locks 2.")
    assert "numpy<1" in older
    assert new.startswith("runtime.txt locks nothing for brand-new>=2")


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes_and_nothing_else_is_in_a_lock(name: str) -> None:
    text = lock_file(name).read_text(encoding="utf-8")
    entries = text.replace("\\\n", "").splitlines()[2:]
    assert entries
    assert all(" --hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def test_torch_has_hashes_on_a_mac_and_the_same_version_without_them_on_linux() -> None:
    (mac,) = read_pins("runtime")["torch"]
    (linux,) = read_pins("torch")["torch"]
    assert mac.specifier == linux.specifier
    assert str(mac.marker) == 'sys_platform == "darwin"'
    assert str(linux.marker) == 'sys_platform != "darwin"'
    assert "--hash" not in (FOLDER / "torch.txt").read_text(encoding="utf-8")


def test_no_package_is_locked_twice() -> None:
    runtime = read_pins("runtime")
    for name in ("dev", "bundle"):
        assert not runtime.keys() & read_pins(name).keys()


def pin(*wheels: str, marker: str = "") -> Pin:
    return Pin("a", "1", marker, {name: f"hash of {name}" for name in wheels})


@pytest.mark.parametrize(
    ("wheel", "fits"),
    [
        ("a-1-py3-none-any.whl", True),
        ("a-1-py2.py3-none-any.whl", True),
        ("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", True),
        ("a-1-1-cp39-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", True),
        ("a-1-py3-none-manylinux_2_28_x86_64.whl", True),
        ("a-1-cp313-cp313-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp313-abi3-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp312-cp312t-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp312-cp312-musllinux_1_2_x86_64.whl", False),
        ("a-1-cp312-cp312-manylinux_2_28_aarch64.whl", False),
        ("a-1-cp312-cp312-macosx_11_0_arm64.whl", False),
        ("a-1-cp312-cp312-win_amd64.whl", False),
        ("a-1.tar.gz", False),
    ],
)
def test_a_wheel_fits_by_python_abi_and_platform(wheel: str, fits: bool) -> None:
    assert bool(pin(wheel).fitting_wheels("linux", "x86_64", "3.12")) is fits


def test_a_mac_takes_wheels_for_arm64_and_universal_ones() -> None:
    wheels = ("a-1-cp311-cp311-macosx_10_9_universal2.whl", "a-1-cp311-cp311-macosx_11_0_arm64.whl")
    intel = "a-1-cp311-cp311-macosx_10_9_x86_64.whl"
    assert pin(*wheels, intel).fitting_wheels("darwin", "arm64", "3.11") == list(wheels)


def test_a_lock_holds_the_hashes_of_the_wheels_that_can_be_used(tmp_path: Path) -> None:
    pure, other = "a-1-py3-none-any.whl", "a-1-py3-none-win_amd64.whl"
    write_lock(tmp_path / "a.txt", [pin(pure, other, marker="sys_platform == 'darwin'")])
    text = (tmp_path / "a.txt").read_text(encoding="utf-8")
    assert "a==1 ; sys_platform == 'darwin' \\\n" in text
    assert f"hash of {pure}" in text
    assert f"hash of {other}" not in text


def test_a_package_without_a_wheel_for_one_system_or_python_is_refused(tmp_path: Path) -> None:
    wheels = [f"a-1-cp3{python[2:]}-none-manylinux_2_28_x86_64.whl" for python in PYTHONS]
    with pytest.raises(ValueError, match="a==1 has no wheel for linux aarch64"):
        write_lock(tmp_path / "a.txt", [pin(*wheels)])
