"""``python packaging/bundle.py APP``: after py2app, before signing, trim the bundle and check it.

Trimming removes what the app does not need, keeps one architecture of libraries that hold two, and
compiles all Python files: where the app is installed nothing can be written, so each start would
compile torch again.
"""

from __future__ import annotations

import compileall
import json
import plistlib
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from contents import (
    DELETED,
    EXCLUDED,
    LEFT_OUT,
    LICENCES,
    NOT_ARCHIVED,
    OWN_PACKAGES,
    data_files,
    is_shipped,
    library_folder,
)
from lock import read_pins
from mach_o import keep_arm64
from packaging.utils import canonicalize_name
from project import ROOT, info_plist

_GPL_LIBRARY = re.compile(r"x26[45]|libav(codec|format|util)|libsw(scale|resample)|libpostproc")
_TESTS = re.compile(r"(^|/)(conftest\.py|test_[^/]*\.py)$")


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder.

    Attributes
    ----------
    app : ``… .app``
    """

    app: Path

    @property
    def resources(self) -> Path:
        """``Contents/Resources``."""
        return self.app / "Contents" / "Resources"

    @property
    def library(self) -> Path:
        """The folder of whole packages."""
        return self.resources / library_folder()

    @property
    def archive(self) -> Path:
        """The zip of all other Python modules."""
        version = sys.version_info
        return self.resources / "lib" / f"python{version.major}{version.minor}.zip"

    @property
    def plist(self) -> Path:
        """``Info.plist``."""
        return self.app / "Contents" / "Info.plist"

    def search_path(self) -> list[str]:
        """Where Python looks for modules when it is started by the bundle's program."""
        return [str(each) for each in (self.archive, self.library, self.library / "lib-dynload")]

    def own_files(self) -> Iterator[Path]:
        """Files of this project, and those that py2app wrote for it."""
        for name in (*OWN_PACKAGES, "resources"):
            yield from (path for path in (self.library / name).rglob("*") if path.is_file())
        yield from self.resources.glob("*.py*")
        yield self.plist


def check(bundle: Bundle, root: Path = ROOT) -> list[str]:
    """Every rule that is broken, as a sentence."""
    return [
        *_plist_faults(bundle),
        *_forbidden(bundle),
        *_missing_resources(bundle),
        *_missing_licences(bundle),
        *_foreign_paths(bundle, root),
    ]


def _plist_faults(bundle: Bundle) -> Iterator[str]:
    found = plistlib.loads(bundle.plist.read_bytes())
    for key, value in info_plist().items():
        if found.get(key) != value:
            yield f"Info.plist: {key} is {found.get(key)!r}, not {value!r}"
    if not (bundle.resources / found["CFBundleIconFile"]).is_file():
        yield "Info.plist names an icon that does not exist"


def _forbidden(bundle: Bundle) -> Iterator[str]:
    names = {path.name.partition(".")[0] for path in bundle.library.iterdir()}
    dynamic = bundle.library / "lib-dynload"
    if dynamic.is_dir():
        names |= {path.name.partition(".")[0] for path in dynamic.iterdir()}
    with zipfile.ZipFile(bundle.archive) as file:
        names |= {name.partition("/")[0].partition(".")[0] for name in file.namelist()}
    for name in sorted(names & set(EXCLUDED)):
        yield f"{name} must not be inside"
    with zipfile.ZipFile(bundle.archive) as file:
        kept = [name for name in file.namelist() if NOT_ARCHIVED & set(name.split("/"))]
    if kept:
        yield f"{bundle.archive.name} holds what only development needs, e.g. {kept[0]}"
    for path in bundle.library.rglob("tests"):
        yield f"{path.relative_to(bundle.app)} is for development only"
    for path in bundle.app.rglob("*"):
        if _GPL_LIBRARY.search(path.name) and path.is_file():
            yield f"{path.relative_to(bundle.app)} looks like a library under the GPL"
    for path in bundle.own_files():
        if _TESTS.search(path.as_posix()) or (
            "resources" in path.parts and not is_shipped(path.relative_to(bundle.library))
        ):
            yield f"{path.relative_to(bundle.app)} is for development only"


def _missing_resources(bundle: Bundle) -> Iterator[str]:
    for folder, files in data_files():
        for file in files:
            if not (bundle.resources / folder / Path(file).name).is_file():
                yield f"{folder}/{Path(file).name} is missing"


def _missing_licences(bundle: Bundle) -> Iterator[str]:
    path = bundle.library / LICENCES
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    named = {canonicalize_name(each["name"]) for each in stored if each["text"]}
    for name, pins in read_pins("runtime").items():
        is_inside = any(pin.marker is None or pin.marker.evaluate() for pin in pins)
        if is_inside and name not in named and name not in LEFT_OUT:
            yield f"{LICENCES} has no licence of {name}"


def _foreign_paths(bundle: Bundle, root: Path) -> Iterator[str]:
    """Files that name a folder of the building machine."""
    folders = {str(root).encode(), str(Path.home()).encode(), sys.prefix.encode()}
    for path in bundle.own_files():
        content = path.read_bytes()
        for folder in sorted(folders):
            if folder + b"/" in content:
                yield f"{path.relative_to(bundle.app)} names {folder.decode()} of this machine"
    # Packages built elsewhere may name a home folder that happens to be called like this one.
    folders.discard(str(Path.home()).encode())
    with zipfile.ZipFile(bundle.archive) as file:
        for name in file.namelist():
            content = file.read(name)
            if any(folder + b"/" in content for folder in folders):
                yield f"{bundle.archive.name}: {name} names a folder of this machine"


def trim(bundle: Bundle) -> None:
    """Make the whole bundle small and fast."""
    trim_library(bundle.library)
    packages = {path.name for path in bundle.library.iterdir() if path.is_dir()}
    trim_archive(bundle.archive, packages)
    shutil.rmtree(bundle.resources / "__pycache__", ignore_errors=True)  # names the builder
    for name in ("Frameworks", "MacOS"):
        for path in sorted((bundle.app / "Contents" / name).rglob("*")):
            keep_arm64(path)
    forget_builder(bundle.plist)


def trim_library(library: Path) -> None:
    """Trim the folder of packages."""
    delete(library, DELETED)
    for framework in library.rglob("*.framework"):
        link_framework(framework)
    for path in library.rglob("*"):
        keep_arm64(path)
    compile_all(library)


def trim_archive(archive: Path, beside: set[str]) -> None:
    """Remove from the zip what only development needs, and data of packages that lie beside it.

    Parameters
    ----------
    beside : names in the folder of packages, where their data are
    """
    whole = archive.with_name(archive.name + ".part")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(whole, "w") as new:
        for info in old.infolist():
            folders = info.filename.split("/")
            if folders[0] not in beside and not NOT_ARCHIVED & set(folders):
                new.writestr(info, old.read(info), info.compress_type)
    whole.replace(archive)


def delete(folder: Path, patterns: tuple[str, ...]) -> None:
    """Remove what matches, and links that then lead nowhere."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.exists():
            path.unlink()


def link_framework(framework: Path) -> None:
    """Make the links that a wheel cannot hold and that codesign needs.

    ``Versions/Current`` leads to the only version; the files at the top are links to it.
    """
    versions = framework / "Versions"
    found = [path for path in versions.glob("*") if path.is_dir() and not path.is_symlink()]
    if len(found) != 1 or (versions / "Current").is_symlink():
        return
    (versions / "Current").symlink_to(found[0].name)
    for path in found[0].iterdir():
        top = framework / path.name
        if top.is_dir() and not top.is_symlink():
            shutil.rmtree(top)
        else:
            top.unlink(missing_ok=True)
        top.symlink_to(Path("Versions", "Current", path.name))


def forget_builder(plist: Path) -> None:
    """Remove the path of the Python that built it from Info.plist; nothing reads it."""
    content = plistlib.loads(plist.read_bytes())
    content.get("PythonInfoDict", {}).pop("PythonExecutable", None)
    plist.write_bytes(plistlib.dumps(content))


def compile_all(library: Path) -> None:
    """Write a cache beside each module; it is used whatever the module's time of change is.

    Raises
    ------
    SyntaxError : a module of ours cannot be compiled
    """
    for folder in sorted(path for path in library.iterdir() if path.is_dir()):
        done = compileall.compile_dir(
            folder,
            maxlevels=30,
            quiet=2,
            stripdir=str(library),
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        if not done and folder.name in OWN_PACKAGES:
            raise SyntaxError(f"{folder.name} cannot be compiled")


def main() -> int:
    """Trim, and print which rule is broken; the exit code."""
    bundle = Bundle(Path(sys.argv[1]).resolve())
    trim(bundle)
    faults = check(bundle)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
