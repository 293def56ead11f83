"""The project as `pyproject.toml` describes it, and the bundle's `Info.plist`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

APP_NAME = "Ultimate RVC"
BUNDLE_ID = "local.ultimate-rvc"
"""Also the label of the launch agent (`desktop/mac/login_item.py`)."""

OLDEST_MACOS = "15.0"
"""PySide6 6.11.3's bindings are built for it, although its wheel's name says 13 (as Qt is);
`mach_o.py` finds what is built for a newer one. The jobs of mac.yml begin with it."""

ARCHITECTURE = "arm64"
"""Not universal: such a program may be started under Rosetta, where torch has no Metal."""

_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Project:
    """The project as its file describes it.

    Attributes
    ----------
    version : also of the app
    distributions : names of the packages it depends on, without versions
    """

    version: str
    distributions: tuple[str, ...]


def read_project(root: Path = ROOT) -> Project:
    """Read `pyproject.toml`.

    Raises
    ------
    ValueError : if a dependency has no name
    """
    with (root / "pyproject.toml").open("rb") as file:
        table = tomllib.load(file)["project"]
    return Project(table["version"], tuple(map(distribution_name, table["dependencies"])))


def distribution_name(requirement: str) -> str:
    """The name in front of a requirement's versions.

    Raises
    ------
    ValueError : if there is none
    """
    found = _DISTRIBUTION.match(requirement)
    if found is None:
        raise ValueError(f"no name in the requirement {requirement!r}")
    return found.group()


ICON = "icon.icns"
VOICE_TYPE = f"{BUNDLE_ID}.voice"
INDEX_TYPE = f"{BUNDLE_ID}.index"


def info_plist() -> dict[str, Any]:
    """All keys except those that py2app writes itself (executable, place of Python)."""
    version = read_project().version
    return {
        "CFBundleIdentifier": BUNDLE_ID,
        "CFBundleName": APP_NAME,
        "CFBundleDisplayName": APP_NAME,
        "CFBundleExecutable": APP_NAME,
        "CFBundleIconFile": ICON,
        "CFBundlePackageType": "APPL",
        "CFBundleShortVersionString": version,
        "CFBundleVersion": version,
        "CFBundleDevelopmentRegion": "en",
        "CFBundleLocalizations": ["en", "zh-Hant"],
        "CFBundleAllowMixedLocalizations": True,  # Qt's own panels follow the system's language
        "CFBundleDocumentTypes": document_types(),
        "UTImportedTypeDeclarations": imported_types(),
        "NSServices": services(),
        "LSMinimumSystemVersion": OLDEST_MACOS,
        "LSArchitecturePriority": [ARCHITECTURE],
        "LSRequiresNativeExecution": True,
        "LSMultipleInstancesProhibited": True,
        "LSApplicationCategoryType": "public.app-category.music",
        "LSEnvironment": {"PYTORCH_ENABLE_MPS_FALLBACK": "1"},
        "NSHighResolutionCapable": True,
        "NSSupportsAutomaticGraphicsSwitching": True,
        "NSPrincipalClass": "NSApplication",
        "NSMainNibFile": "",  # py2app's default names one that is not there
        "NSHumanReadableCopyright": "MIT licence; the starter voice has a notice of its own.",
    }


def document_types() -> list[dict[str, Any]]:
    """What may be dropped on the Dock icon or opened with the app; the app is never the default."""
    kinds = (
        ("Audio", ["public.audio"]),
        ("Video", ["public.movie"]),
        ("RVC voice", [VOICE_TYPE, INDEX_TYPE]),
        ("Archive with a voice", ["public.zip-archive"]),
        ("Folder", ["public.folder"]),
    )
    return [
        {
            "CFBundleTypeName": name,
            "CFBundleTypeRole": "Viewer",
            "LSHandlerRank": "Alternate",
            "LSItemContentTypes": types,
        }
        for name, types in kinds
    ]


def imported_types() -> list[dict[str, Any]]:
    """File types that macOS does not know."""
    return [
        {
            "UTTypeIdentifier": identifier,
            "UTTypeDescription": description,
            "UTTypeConformsTo": ["public.data"],
            "UTTypeTagSpecification": {"public.filename-extension": [extension]},
        }
        for identifier, description, extension in (
            (VOICE_TYPE, "RVC voice", "pth"),
            (INDEX_TYPE, "RVC index", "index"),
        )
    ]


def services() -> list[dict[str, Any]]:
    """The entry in Finder's Services and Quick Actions (`desktop/mac/finder.py` answers it)."""
    return [
        {
            "NSMenuItem": {"default": f"Convert with {APP_NAME}"},
            "NSMessage": "convertFiles",
            "NSPortName": APP_NAME,
            "NSSendFileTypes": ["public.audio", "public.movie"],
            "NSRequiredContext": {"NSApplicationIdentifier": "com.apple.finder"},
        }
    ]
