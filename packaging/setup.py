"""``python packaging/setup.py py2app``: the app's folder, from what `pyproject.toml` says.

Called by `build_app.sh`, which signs, tests and packs the result.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from contents import EXCLUDED, LEFT_OUT, LICENCES, data_files, library_folder, packages
from project import APP_NAME, ARCHITECTURE, ICON, ROOT, info_plist, read_project

BUILD = ROOT / "build" / "py2app"
DIST = ROOT / "dist"
_DEEP = 20_000
"""modulegraph follows torch's imports by recursion."""

UNWANTED_RECIPES = ("PIL", "sslmod")
"""Parts of py2app: the first loads Pillow at every start; the second copies the certificates of the
building machine, although downloads trust those of the user's Mac."""


def options() -> dict[str, Any]:
    """Options for py2app."""
    return {
        "arch": ARCHITECTURE,
        "plist": info_plist(),
        "packages": packages(),
        "excludes": list(EXCLUDED),
        "iconfile": str(BUILD / ICON),
        "no_chdir": True,  # files named on the command line are found from where the user is
        "argv_emulation": False,  # Qt takes the open event itself
        "site_packages": False,
        "semi_standalone": False,
        "optimize": 0,
        "bdist_base": str(BUILD),
        "dist_dir": str(DIST),
    }


def drop_recipes(recipes: Any) -> None:
    """Disable the unwanted ones in ``py2app.recipes``."""
    for name in UNWANTED_RECIPES:
        getattr(recipes, name).check = lambda *_: None


def main() -> None:
    """Build the app's folder."""
    import py2app.recipes
    from pictures import write_icns
    from setuptools import setup

    sys.setrecursionlimit(_DEEP)
    sys.path.insert(0, str(ROOT))
    from desktop.settings.acknowledgements import store_components

    # Away from pyproject.toml: py2app refuses a project whose dependencies setuptools can see.
    os.chdir(ROOT / "packaging")
    BUILD.mkdir(parents=True, exist_ok=True)
    write_icns(BUILD / ICON)
    licences = BUILD / Path(LICENCES).name
    store_components(licences, LEFT_OUT)
    place = f"{library_folder()}/{Path(LICENCES).parent}"
    drop_recipes(py2app.recipes)
    setup(
        name=APP_NAME,
        version=read_project().version,
        app=[str(ROOT / "packaging" / "launch.py")],
        data_files=[*data_files(), (place, [str(licences)])],
        options={"py2app": options()},
        packages=[],
        py_modules=[],
    )


if __name__ == "__main__":
    main()
