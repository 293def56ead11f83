"""``python packaging/size_budget.py APP``: no part of the bundle may outgrow its budget.

``--wheels`` measures without a Mac: it downloads the macOS wheels of the locked versions,
unpacks, trims and weighs them, and checks the references of their libraries.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bundle import Bundle, trim_library
from contents import IMPORT_NAMES
from lock import read_pins
from mach_o import lost_references, too_new
from packaging.utils import canonicalize_name
from project import read_project

REST = "everything else"
BUDGET_MB = {
    "torch": 480,
    "PySide6": 75,
    "scipy": 75,
    "sympy": 50,
    "faiss": 21,
    "numpy": 20,
    "PIL": 12,
    "pip": 14,
    "engine": 4,
    "desktop": 3,
    "resources": 32,
    REST: 60,
}
"""The most megabytes of each part after trimming; all but the last are folders of packages."""

_MB = 1_000_000


def part_sizes(library: Path, whole: Path) -> dict[str, float]:
    """Megabytes of each part that has a budget; the rest of `whole` is one more part."""
    sizes = {name: _size(library / name) for name in BUDGET_MB if name != REST}
    return sizes | {REST: _size(whole) - sum(sizes.values())}


def too_large(sizes: dict[str, float]) -> list[str]:
    """The parts over their budget, as sentences."""
    return [
        f"{name} has {size:.1f} MB; its budget is {BUDGET_MB[name]:.0f} MB"
        for name, size in sizes.items()
        if size > BUDGET_MB[name]
    ]


def unpack_wheels(folder: Path) -> None:
    """Download the macOS wheels of the locked versions and unpack them as in the bundle."""
    pins = read_pins("runtime")
    names = [each for each in read_project().distributions if IMPORT_NAMES[each]]
    for name in [*names, "shiboken6"]:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
        command += ["--only-binary=:all:", "--platform", "macosx_15_0_arm64"]
        command += ["--python-version", "3.11", "--implementation", "cp"]
        command += ["--abi", "cp311", "--abi", "abi3", "--abi", "none"]
        command.append(f"{name}{pins[canonicalize_name(name)][0].specifier}")
        subprocess.run(command, check=True)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as file:
            file.extractall(folder)
        wheel.unlink()


def main() -> int:
    """Print the sizes and what is too large; the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if sys.argv[1] == "--wheels":
            unpack_wheels(folder)
            trim_library(folder)
            sizes = part_sizes(folder, folder)
            lost = [*lost_references(folder), *too_new(folder)]
        else:
            bundle = Bundle(Path(sys.argv[1]).resolve())
            sizes = part_sizes(bundle.library, bundle.app)
            lost = []
    for name, size in sorted(sizes.items(), key=lambda each: -each[1]):
        print(f"{size:8.1f} MB  {name}")
    print(f"{sum(sizes.values()):8.1f} MB  together")
    faults = [*too_large(sizes), *lost]
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _size(path: Path) -> float:
    files = (each for each in path.rglob("*") if each.is_file() and not each.is_symlink())
    return sum(file.stat().st_size for file in files) / _MB


if __name__ == "__main__":
    sys.exit(main())
