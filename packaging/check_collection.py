"""``python packaging/check_collection.py``: build the bundle's tree here, and run the app from it.

py2app's own collection over the app, on Linux: what it does to Mach-O files is left out, all else
is as on the Mac. Then the tree is trimmed and its rules are checked. At last it is started from
another folder, by py2app's own first script as its program would: the self-test imports all that
the app can, and fails where a module comes from outside. Takes some minutes; needs py2app (see
README).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from bundle import Bundle, check
from contents import EXCLUDED
from project import APP_NAME, ROOT
from trim import trim

TREE = ROOT / "build" / "collection"

_MEASURE = ("--synthetic", "--seconds", "1", "--index-rows", "64", "--flags", "use_fp16")
RUNS = (
    ("--self-test",),
    ("--engine", "doctor"),
    ("--engine", "benchmark", *_MEASURE, "--chart", "{scratch}/chart.png"),
    ("--engine", "tune", "--seconds", "2", "--flags", "use_fp16"),
)
"""What the bundle must be able to do; the last two start processes of its own."""


class _NoStandalone:
    """Stands for the part of py2app that follows the libraries which Mach-O files name."""

    def __init__(self, *_: object, **__: object) -> None:
        self.mm = self
        self.excludes: list[str] = []

    def run_file(self, _: str) -> None:
        """Nothing to follow."""

    def run(self) -> list[str]:
        """No library was copied."""
        return []


def stub(build_app: ModuleType, recipes: ModuleType) -> None:
    """Replace the five things of py2app that need macOS."""
    parts: dict[str, Any] = {
        "loader_paths": lambda *_: (),
        "codesign_adhoc": lambda _: None,
        "strip_files": lambda *_, **__: None,
        "PythonStandalone": _NoStandalone,
    }
    for name, part in parts.items():
        getattr(build_app, name)  # a name that py2app no longer has must be noticed
        setattr(build_app, name, part)
    recipes.tkinter.check = lambda *_: None


def collect() -> Bundle:
    """Run `setup.py py2app`; the bundle's tree."""
    import py2app.build_app
    import py2app.recipes
    import setup

    stub(py2app.build_app, py2app.recipes)
    if TREE.exists():
        make_writable(TREE)
        shutil.rmtree(TREE)
    setup.BUILD, setup.DIST = TREE / "work", TREE
    before, sys.argv = sys.argv, ["setup.py", "-q", "py2app"]
    try:
        setup.main()
    finally:
        sys.argv = before
        os.chdir(ROOT)
    bundle = Bundle(TREE / f"{APP_NAME}.app")
    # Linux' wheels keep their libraries beside the packages, those for macOS inside them.
    for folder in Path(sysconfig.get_path("purelib")).glob("*.libs"):
        if folder.stem in EXCLUDED:
            continue
        shutil.copytree(folder, bundle.library / folder.name)
    return bundle


def boot(bundle: Bundle, *arguments: str, cwd: str = "/") -> subprocess.CompletedProcess[str]:
    """Run the bundle as its program does: the same interpreter, environment and first script.

    What it prints on both streams is joined.
    """
    program = bundle.app / "Contents" / "MacOS"
    environment = {  # what py2app's program sets; no HOME, no PATH on which there is a compiler
        "PYTHONHOME": str(bundle.resources),
        "PYTHONPATH": str(bundle.resources),
        "RESOURCEPATH": str(bundle.resources),
        "ARGVZERO": str(program / APP_NAME),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PATH": "/nowhere",
        "QT_QPA_PLATFORM": "offscreen",
    }
    return subprocess.run(
        [str(program / "python"), str(bundle.resources / "__boot__.py"), *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user="nobody" if os.geteuid() == 0 else None,  # root may write what is read-only
        check=False,
    )


def make_read_only(folder: Path) -> None:
    """As where it is installed."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def make_writable(folder: Path) -> None:
    """So that it can be built again."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)


def main() -> int:
    """Collect, trim, check, run; the exit code."""
    if "--boot-only" not in sys.argv:
        bundle = collect()
        trim(bundle)
    bundle = Bundle(TREE / f"{APP_NAME}.app")
    faults = check(bundle)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    make_read_only(bundle.app)
    codes = [run(bundle, arguments) for arguments in RUNS]
    return 1 if faults or any(codes) else 0


def run(bundle: Bundle, arguments: tuple[str, ...]) -> int:
    """Run and print what came; the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o777)
        done = boot(bundle, *(each.format(scratch=scratch) for each in arguments))
        made = [path.name for path in Path(scratch).iterdir()]
    print(
        f"--- {' '.join(arguments)} ended with {done.returncode}, made {made}",
        done.stdout,
        sep="\n",
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
