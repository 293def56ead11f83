"""``python packaging/trim.py APP``: after py2app, before signing, make the bundle small and fast.

Takes out what nobody needs, keeps one architecture of libraries that hold two, and compiles all
Python files: the bundle cannot be written where it is installed, so that a start would otherwise
compile torch each time.
"""

from __future__ import annotations

import compileall
import plistlib
import shutil
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

from bundle import Bundle, check
from contents import DELETED, NOT_ARCHIVED

_FAT = 0xCAFEBABE
_FAT_64 = 0xCAFEBABF
_ARM64 = 0x0100000C
_MANY = 30
"""More architectures than this has no library; a Java class begins with the same four bytes."""


def trim(bundle: Bundle) -> None:
    """All of it."""
    trim_library(bundle.library)
    packages = {path.name for path in bundle.library.iterdir() if path.is_dir()}
    trim_archive(bundle.archive, packages)
    shutil.rmtree(bundle.resources / "__pycache__", ignore_errors=True)  # names the builder
    for name in ("Frameworks", "MacOS"):
        for path in sorted((bundle.app / "Contents" / name).rglob("*")):
            keep_arm64(path)
    forget_builder(bundle.plist)


def trim_library(library: Path) -> None:
    """The folder of packages."""
    delete(library, DELETED)
    for framework in library.rglob("*.framework"):
        mend_framework(framework)
    for path in library.rglob("*"):
        keep_arm64(path)
    compile_all(library)


def trim_archive(archive: Path, beside: set[str]) -> None:
    """The zip: without what only development needs, and without data of packages that lie beside.

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


def mend_framework(framework: Path) -> None:
    """Give it the links that a wheel cannot hold, and without which codesign does not know it.

    ``Versions/Current`` leads to the one version there is; what lies at the top is links to it.
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


def keep_arm64(path: Path) -> bool:
    """Reduce a Mach-O file of several architectures to that of Apple silicon; whether it was one.

    Links and folders are left as they are.

    Raises
    ------
    ValueError : if it has none for Apple silicon
    """
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8 or struct.unpack(">I", head[:4])[0] not in (_FAT, _FAT_64):
            return False
        magic, count = struct.unpack(">II", head)
        if not 0 < count <= _MANY:
            return False
        found = [part for part in _parts(file.read(32 * count), count, magic) if part[0] == _ARM64]
        if not found:
            raise ValueError(f"{path} is not built for Apple silicon")
        _, offset, size = found[0]
        file.seek(offset)
        content = file.read(size)
    mode = path.stat().st_mode
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    temporary.chmod(mode)
    temporary.replace(path)
    return True


def _parts(table: bytes, count: int, magic: int) -> Iterator[tuple[int, int, int]]:
    """Architecture, offset and size of each part."""
    layout = struct.Struct(">iIIII" if magic == _FAT else ">iIQQII")
    for number in range(count):
        fields = layout.unpack_from(table, number * layout.size)
        yield fields[0], fields[2], fields[3]


def forget_builder(plist: Path) -> None:
    """Take the path of the Python that built it out of Info.plist; nothing reads it."""
    content = plistlib.loads(plist.read_bytes())
    content.get("PythonInfoDict", {}).pop("PythonExecutable", None)
    plist.write_bytes(plistlib.dumps(content))


def compile_all(library: Path) -> None:
    """Write a cache beside each module that is used whatever its time of change says.

    Raises
    ------
    SyntaxError : a module of ours cannot be compiled
    """
    for folder in sorted(path for path in library.iterdir() if path.is_dir()):
        well = compileall.compile_dir(
            folder,
            maxlevels=30,
            quiet=2,
            stripdir=str(library),
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        if not well and folder.name in ("engine", "desktop"):
            raise SyntaxError(f"{folder.name} cannot be compiled")


def main() -> int:
    """Trim, and say which rule is broken; the exit code."""
    bundle = Bundle(Path(sys.argv[1]).resolve())
    trim(bundle)
    faults = check(bundle)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
