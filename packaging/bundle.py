"""A built bundle: where its parts lie, and the rules that it must keep."""

from __future__ import annotations

import plistlib
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contents import (
    EXCLUDED,
    NOT_ARCHIVED,
    OWN_PACKAGES,
    data_files,
    is_shipped,
    library_folder,
)
from info_plist import info_plist
from project import ROOT

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
        """Where whole packages lie."""
        return self.resources / library_folder()

    @property
    def archive(self) -> Path:
        """Everything else of Python, zipped."""
        version = sys.version_info
        return self.resources / "lib" / f"python{version.major}{version.minor}.zip"

    @property
    def plist(self) -> Path:
        """What macOS reads first."""
        return self.app / "Contents" / "Info.plist"

    def search_path(self) -> list[str]:
        """Where Python looks for modules when it is started by the bundle's program."""
        return [str(each) for each in (self.archive, self.library, self.library / "lib-dynload")]

    def own_files(self) -> Iterator[Path]:
        """What comes from this project, and what py2app wrote for it."""
        for name in (*OWN_PACKAGES, "resources"):
            yield from (path for path in (self.library / name).rglob("*") if path.is_file())
        yield from self.resources.glob("*.py*")
        yield self.plist


def check(bundle: Bundle, root: Path = ROOT) -> list[str]:
    """Every rule that is broken, as a sentence; empty if the bundle may go on."""
    return [
        *_plist_faults(bundle),
        *_forbidden(bundle),
        *_missing_resources(bundle),
        *_foreign_paths(bundle, root),
    ]


def _plist_faults(bundle: Bundle) -> Iterator[str]:
    found = plistlib.loads(bundle.plist.read_bytes())
    for key, value in info_plist().items():
        if found.get(key) != value:
            yield f"Info.plist: {key} is {found.get(key)!r}, not {value!r}"
    if not (bundle.resources / found["CFBundleIconFile"]).is_file():
        yield "Info.plist names an icon that is not there"


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


def _foreign_paths(bundle: Bundle, root: Path) -> Iterator[str]:
    """Files of ours that name a folder of the machine that built them."""
    folders = {str(root).encode(), str(Path.home()).encode(), sys.prefix.encode()}
    for path in bundle.own_files():
        content = path.read_bytes()
        for folder in sorted(folders):
            if folder + b"/" in content:
                yield f"{path.relative_to(bundle.app)} names {folder.decode()} of this machine"
    # What others have built may name a home, and it may be called like this one: not the tree.
    folders.discard(str(Path.home()).encode())
    with zipfile.ZipFile(bundle.archive) as file:
        for name in file.namelist():
            content = file.read(name)
            if any(folder + b"/" in content for folder in folders):
                yield f"{bundle.archive.name}: {name} names a folder of this machine"
