"""The bundle's `Info.plist`: what macOS knows of the app before it runs."""

from __future__ import annotations

from typing import Any

from project import APP_NAME, ARCHITECTURE, BUNDLE_ID, OLDEST_MACOS, read_project

ICON = "icon.icns"
VOICE_TYPE = f"{BUNDLE_ID}.voice"
INDEX_TYPE = f"{BUNDLE_ID}.index"


def info_plist() -> dict[str, Any]:
    """All keys but those that py2app itself must write (executable, where Python lies)."""
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
    """What may be dropped on the Dock icon or opened with the app; never as the first choice."""
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
    """Kinds of file that others invented and macOS has no name for."""
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
