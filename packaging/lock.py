"""``python packaging/lock.py``: renew the locks in `packaging/locks` from `pyproject.toml`.

Each lock pins a version for every package that is needed, with the hashes of its wheels for Linux
(x86_64, aarch64) and macOS (arm64) and Python 3.11 to 3.14. Needs the network for a minute.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT

FOLDER = ROOT / "packaging" / "locks"
MLX_LOCK = ROOT / "resources" / "mlx" / "requirements.txt"
"""What the app installs as an add-on (`engine.library.mlx_add_on`); it goes into the bundle."""

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))

_CUDA = ("nvidia-", "cuda-", "triton")
"""Prefixes of packages that only torch's CUDA build for Linux needs; pip installs them with it."""

_UV = "uv>=0.9"
_WHEEL = re.compile(r"-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl$")
_SYSTEMS = {"linux": "manylinux", "darwin": "macosx"}
_HEADER = "# Written by `python packaging/lock.py`; edit pyproject.toml and run it again.\n"
_TORCH_HEADER = (
    "# Without a hash: on Linux a CPU build, which has another hash, may be installed.\n"
)


@dataclass(frozen=True)
class Pin:
    """One version of one package.

    Attributes
    ----------
    marker : where it is needed; empty for everywhere
    wheels : file name of each wheel → SHA-256
    """

    name: str
    version: str
    marker: str
    wheels: dict[str, str]

    @property
    def requirement(self) -> str:
        """As in a requirements file, without hashes."""
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")

    def is_needed(self, system: str, machine: str, python: str) -> bool:
        """Whether the marker holds there."""
        return not self.marker or Marker(self.marker).evaluate(environment(system, machine, python))

    def fitting_wheels(self, system: str, machine: str, python: str) -> list[str]:
        """Names of the wheels that can be installed there."""
        return [name for name in self.wheels if _fits(name, system, machine, python)]


def environment(system: str, machine: str, python: str) -> dict[str, str]:
    """Values of a requirement's marker on one of `PLATFORMS`."""
    return {
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "platform_machine": machine,
        "os_name": "posix",
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def targets() -> list[tuple[str, str, str]]:
    """Every system, machine and Python that the locks are for."""
    return [(*platform, python) for platform in PLATFORMS for python in PYTHONS]


def read_groups() -> dict[str, list[str]]:
    """The requirements of `pyproject.toml`: runtime, dev, bundle and, for Macs only, mlx."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        table = tomllib.load(file)
    groups, optional = table["dependency-groups"], table["project"]["optional-dependencies"]
    return {
        "runtime": table["project"]["dependencies"],
        "dev": groups["dev"],
        "bundle": groups["bundle"],
        "mlx": [line for line in optional["mlx"] if "darwin" in line],
    }


def lock_file(group: str) -> Path:
    """Where the pins of a group stand."""
    return MLX_LOCK if group == "mlx" else FOLDER / f"{group}.txt"


def read_pins(name: str) -> dict[str, list[Requirement]]:
    """The pinned requirements of a lock, by package; one package may have several."""
    found: dict[str, list[Requirement]] = {}
    for line in lock_file(name).read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#- ":
            pin = Requirement(line.removesuffix("\\"))
            found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


def faults() -> list[str]:
    """Requirements of `pyproject.toml` that the locks do not satisfy, as sentences."""
    found = []
    runtime = read_pins("runtime")
    for group, lines in read_groups().items():
        pins = runtime if group == "runtime" else runtime | read_pins(group)
        for wanted in map(Requirement, lines):
            given = pins.get(canonicalize_name(wanted.name), [])
            versions = [str(each.specifier).removeprefix("==") for each in given]
            if not versions or not all(map(wanted.specifier.contains, versions)):
                locked = ", ".join(versions) or "nothing"
                name = lock_file(group).name
                found.append(f"{name} locks {locked} for {wanted}; run packaging/lock.py")
    return found


def resolve(uv: Path, requirements: list[str], constraints: list[Pin]) -> list[Pin]:
    """Ask uv for versions that fit all targets, the same ones for every Python where possible."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, given, result = (Path(folder) / name for name in ("in.txt", "c.txt", "pylock.toml"))
        wanted.write_text("\n".join(requirements))
        given.write_text("\n".join(pin.requirement for pin in constraints))
        command = [str(uv), "pip", "compile", "--quiet", "--universal", "--no-config"]
        command += ["--python-version", PYTHONS[0], "--fork-strategy", "fewest"]
        command += ["--only-binary", ":all:", "--format", "pylock.toml"]
        command += ["--constraints", str(given), "--output-file", str(result), str(wanted)]
        subprocess.run(command, check=True)
        packages = tomllib.loads(result.read_text(encoding="utf-8"))["packages"]
    pins = []
    for package in packages:
        wheels = {
            wheel["url"].rpartition("/")[2]: wheel["hashes"]["sha256"]
            for wheel in package["wheels"]
        }
        pin = Pin(package["name"], package["version"], package.get("marker", ""), wheels)
        if not pin.name.startswith(_CUDA) and any(pin.is_needed(*each) for each in targets()):
            pins.append(_without_needless_marker(pin))
    return pins


def write_lock(path: Path, pins: list[Pin]) -> None:
    """Write the pins with the hashes of all wheels that some target can use.

    Raises
    ------
    ValueError : if a package has no wheel for one of them
    """
    lines = [_HEADER, "--only-binary :all:\n"]
    for pin in sorted(pins, key=lambda each: (each.name, each.version)):
        hashes = set()
        for target in targets():
            if not pin.is_needed(*target) or _is_plain_torch(pin, target[0]):
                continue
            fitting = pin.fitting_wheels(*target)
            if not fitting:
                raise ValueError(f"{pin.requirement} has no wheel for {' '.join(target)}")
            hashes |= {pin.wheels[name] for name in fitting}
        marked = f"{pin.name}=={pin.version} ; sys_platform == 'darwin'"
        lines.append(marked if pin.name == "torch" else pin.requirement)
        lines += [f" \\\n    --hash=sha256:{each}" for each in sorted(hashes)]
        lines.append("\n")
    path.write_text("".join(lines), encoding="utf-8")


def renew() -> None:
    """Write all locks."""
    groups = read_groups()
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", _UV]
        subprocess.run(pip, check=True)
        uv = Path(folder, "bin", "uv")
        wanted = groups.pop("runtime")
        runtime = resolve(uv, wanted, [])
        write_lock(FOLDER / "runtime.txt", runtime)
        known = {pin.name for pin in runtime}
        for group, more in groups.items():
            pins = resolve(uv, [*wanted, *more], runtime)
            write_lock(lock_file(group), [pin for pin in pins if pin.name not in known])
    (torch,) = [pin for pin in runtime if pin.name == "torch"]
    marked = f"torch=={torch.version} ; sys_platform != 'darwin'\n"
    (FOLDER / "torch.txt").write_text(_HEADER + _TORCH_HEADER + marked, encoding="utf-8")


def _fits(wheel: str, system: str, machine: str, python: str) -> bool:
    found = _WHEEL.search(wheel)
    if found is None:
        return False
    minor = int(python.partition(".")[2])
    own = f"cp3{minor}"
    older = {f"cp3{each}" for each in range(2, minor + 1)}
    tags, abis = set(found["python"].split(".")), set(found["abi"].split("."))
    if not (
        (own in tags and abis & {own, "none"})
        or ("abi3" in abis and tags & older)
        or ("none" in abis and "py3" in tags)
    ):
        return False
    machines = (machine, "universal2") if system == "darwin" else (machine,)
    return any(
        platform == "any" or (platform.startswith(_SYSTEMS[system]) and platform.endswith(machines))
        for platform in found["platform"].split(".")
    )


def _is_plain_torch(pin: Pin, system: str) -> bool:
    """Whether it is in torch.txt, and not in a lock."""
    return pin.name == "torch" and system != "darwin"


def _without_needless_marker(pin: Pin) -> Pin:
    """Drop a marker that holds for all targets, e.g. that of the oldest Python."""
    if all(pin.is_needed(*each) for each in targets()):
        return Pin(pin.name, pin.version, "", pin.wheels)
    return pin


def main() -> int:
    """Renew the locks; the exit code."""
    renew()
    found = faults()
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
