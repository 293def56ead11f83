"""``python packaging/signing.py APP``: what codesign must be given, one path a line, inside first.

A signature covers what lies within: so libraries come before frameworks, these before programs,
and the app comes last. ``codesign --deep`` does not do: it overlooks libraries in Resources.
"""

from __future__ import annotations

import sys
from pathlib import Path

_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")


def signing_order(app: Path) -> list[Path]:
    """Every Mach-O file and every framework, deepest first; then the programs; then the app."""
    programs = app / "Contents" / "MacOS"
    files = [path for path in app.rglob("*") if _is_library(path)]
    libraries = [path for path in files if programs not in path.parents and not _is_heart(path)]
    frameworks = [path for path in app.rglob("*.framework") if not path.is_symlink()]
    inside = sorted([*libraries, *frameworks], key=lambda path: (-len(path.parts), path))
    main = programs / app.stem
    others = sorted(path for path in files if programs in path.parents and path != main)
    return [*inside, *others, app]  # the main program is signed with the app


def _is_heart(path: Path) -> bool:
    """Whether it is a framework's own library, which is signed with the framework."""
    versions = path.parent.parent
    return versions.name == "Versions" and versions.parent.suffix == ".framework"


def _is_library(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in _MACH_O


if __name__ == "__main__":
    print("\n".join(map(str, signing_order(Path(sys.argv[1]).resolve()))))
