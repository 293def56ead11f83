from __future__ import annotations

import plistlib
import re

from project import OLDEST_MACOS, info_plist, read_project

from desktop.mac.finder import MESSAGE
from desktop.mac.login_item import LABEL


def read_back() -> dict[str, object]:
    found: dict[str, object] = plistlib.loads(plistlib.dumps(info_plist()))
    return found


def test_it_survives_being_written_and_read() -> None:
    assert read_back() == info_plist()


def test_versions_are_numbers_that_macos_can_compare() -> None:
    found = read_back()
    assert found["CFBundleShortVersionString"] == read_project().version
    for key in ("CFBundleVersion", "CFBundleShortVersionString", "LSMinimumSystemVersion"):
        assert re.fullmatch(r"\d+(\.\d+){0,2}", str(found[key])), key
    assert found["LSMinimumSystemVersion"] == OLDEST_MACOS == "15.0"


def test_the_app_is_native_runs_once_and_supports_retina() -> None:
    found = read_back()
    assert found["LSArchitecturePriority"] == ["arm64"]
    assert found["LSRequiresNativeExecution"] is True
    assert found["LSMultipleInstancesProhibited"] is True
    assert found["NSHighResolutionCapable"] is True
    assert found["CFBundleLocalizations"] == ["en", "zh-Hant"]
    assert found["LSEnvironment"] == {"PYTORCH_ENABLE_MPS_FALLBACK": "1"}


def test_it_asks_for_no_permission() -> None:
    assert not [key for key in info_plist() if key.endswith("UsageDescription")]


def test_documents_can_be_opened_but_the_app_is_never_their_default() -> None:
    types = info_plist()["CFBundleDocumentTypes"]
    assert {each["CFBundleTypeRole"] for each in types} == {"Viewer"}
    assert {each["LSHandlerRank"] for each in types} == {"Alternate"}
    known = {name for each in types for name in each["LSItemContentTypes"]}
    assert {"public.audio", "public.movie", "public.zip-archive", "public.folder"} < known
    own = {each["UTTypeIdentifier"] for each in info_plist()["UTImportedTypeDeclarations"]}
    assert own == {name for name in known if not name.startswith("public.")}
    endings = [
        each["UTTypeTagSpecification"]["public.filename-extension"]
        for each in info_plist()["UTImportedTypeDeclarations"]
    ]
    assert endings == [["pth"], ["index"]]


def test_the_service_sends_the_message_that_the_app_answers() -> None:
    (service,) = info_plist()["NSServices"]
    assert service["NSMessage"] == MESSAGE
    assert service["NSMenuItem"] == {"default": "Convert with Ultimate RVC"}
    # As Automator writes it for Finder's own actions.
    assert service["NSRequiredContext"] == {"NSApplicationIdentifier": "com.apple.finder"}
    assert service["NSSendFileTypes"] == ["public.audio", "public.movie"]
    assert service["NSPortName"] == info_plist()["CFBundleName"]


def test_the_identifier_is_that_of_the_login_item() -> None:
    assert info_plist()["CFBundleIdentifier"] == LABEL
    assert re.fullmatch(r"[A-Za-z0-9.-]+", LABEL)
