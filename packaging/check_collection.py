"""``python packaging/check_collection.py``: build the bundle's tree on Linux and run the app there.

py2app collects the app as on a Mac, except for its work on Mach-O files. Then the tree is trimmed
and checked, and started from another folder by py2app's first script: the self-test imports every
module of the app, and fails if one comes from outside the tree. Takes some minutes; needs py2app
(see README).
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

from bundle import Bundle, check, trim
from contents import EXCLUDED
from project import APP_NAME, ROOT

TREE = ROOT / "build" / "collection"

_MEASURE = ("--synthetic", "--seconds", "1", "--index-rows", "64", "--flags", "use_fp16")
RUNS = (
    ("--self-test",),
    ("--engine", "doctor"),
    ("--engine", "benchmark", *_MEASURE, "--chart", "{scratch}/chart.png"),
    ("--engine", "tune", "--seconds", "2", "--flags", "use_fp16"),
)
"""What the bundle must be able to do; the last two start child processes."""

WINDOW_S = 12.0
"""The app runs this long: its window is open, and torch's libraries are loaded."""


class _NoStandalone:
    """Replaces the part of py2app that follows the references of Mach-O files."""

    def __init__(self, *_: object, **__: object) -> None:
        self.mm = self
        self.excludes: list[str] = []

    def run_file(self, _: str) -> None:
        """Do nothing."""

    def run(self) -> list[str]:
        """Return that no library was copied."""
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
    """Run `setup.py py2app` and return the bundle."""
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
    add_libraries(bundle)
    return bundle


def add_libraries(bundle: Bundle) -> None:
    """Copy the libraries that py2app copies on a Mac, or that lie elsewhere on Linux."""
    name = str(sysconfig.get_config_var("INSTSONAME"))
    if ".so" in name:  # Python's own; on the Mac its framework
        _frameworks(bundle).mkdir(exist_ok=True)
        shutil.copy(Path(str(sysconfig.get_config_var("LIBDIR")), name), _frameworks(bundle))
    # Linux' wheels keep their libraries beside the packages, those for macOS inside them.
    for folder in Path(sysconfig.get_path("purelib")).glob("*.libs"):
        if folder.stem in EXCLUDED:
            continue
        shutil.copytree(folder, bundle.library / folder.name)


def _frameworks(bundle: Bundle) -> Path:
    return bundle.app / "Contents" / "Frameworks"


def boot(bundle: Bundle, arguments: list[str], scratch: Path) -> subprocess.Popen[str]:
    """Start the bundle with the interpreter, environment and first script of its program.

    Its stderr goes to stdout.

    Parameters
    ----------
    scratch : where settings and what was measured are kept; `nobody` has no home
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
        "LD_LIBRARY_PATH": str(_frameworks(bundle)),
        "QT_QPA_PLATFORM": "offscreen",
        "URVC_TUNING_DIR": str(scratch),
        "XDG_CONFIG_HOME": str(scratch),
        "XDG_DATA_HOME": str(scratch),
        "XDG_STATE_HOME": str(scratch),
    }
    return subprocess.Popen(
        [str(program / "python"), str(bundle.resources / "__boot__.py"), *arguments],
        cwd="/",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user="nobody" if os.geteuid() == 0 else None,  # root may write what is read-only
    )


def make_read_only(folder: Path) -> None:
    """Remove write permission, as where the app is installed."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def make_writable(folder: Path) -> None:
    """Allow writing, so that the tree can be built again."""
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
    return 0 if window_stays(bundle) and not faults and not any(codes) else 1


def run(bundle: Bundle, arguments: tuple[str, ...]) -> int:
    """Run the bundle and print its output; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        scratch.chmod(0o777)
        process = boot(bundle, [each.format(scratch=scratch) for each in arguments], scratch)
        said, _ = process.communicate()
        made = sorted(path.name for path in scratch.iterdir())
    title = " ".join(arguments)
    print(f"--- {title} ended with {process.returncode}, made {made}", said, sep="\n")
    return process.returncode


def window_stays(bundle: Bundle) -> bool:
    """Whether the app starts without a traceback and runs until it is ended."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        process = boot(bundle, [], Path(folder))
        try:
            process.wait(WINDOW_S)
            stayed = False
        except subprocess.TimeoutExpired:
            stayed = True
            process.terminate()
        said, _ = process.communicate()
    print(f"--- the window {'stayed' if stayed else 'did not stay'}", said, sep="\n")
    return stayed and "Traceback" not in said


if __name__ == "__main__":
    sys.exit(main())
