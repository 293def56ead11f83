"""What macOS itself says of the app, in each language: Info.plist's texts and the service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contents import data_files
from project import ROOT, info_plist

SOURCE = ROOT / "resources" / "bundle"
TRANSLATIONS = ROOT / "resources" / "translations"
INFO, SERVICES = "InfoPlist.strings", "ServicesMenu.strings"
LANGUAGES = ("en", "zh-Hant")

BY_KEY = ("CFBundleName", "CFBundleDisplayName", "NSHumanReadableCopyright")
BY_TEXT = ("CFBundleTypeName", "UTTypeDescription")

TEXT = r'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(rf"\s*{TEXT}\s*=\s*{TEXT}\s*;")
COMMENT = re.compile(r"\s*/\*.*?\*/", re.DOTALL)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def parse(text: str) -> dict[str, str]:
    """The old form of a list of properties: comments, and ``"key" = "text";``, nothing else."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip()):
        if comment := COMMENT.match(text, at):
            at = comment.end()
            continue
        line = LINE.match(text, at)
        assert line, text[at : at + 60]
        assert line[1] not in found, line[1]
        found[line[1]] = line[2]
        at = line.end()
    return found


def words(language: str, name: str) -> dict[str, str]:
    return parse((SOURCE / f"{language}.lproj" / name).read_text(encoding="utf-8"))


def strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of the plist with the key it stands under."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, key)
    elif isinstance(value, str):
        yield key, value


def wanted_info() -> dict[str, str]:
    """Key and English of each text that Finder shows."""
    texts = list(strings(info_plist()))
    named = {key: text for key, text in texts if key in BY_KEY or key.endswith("UsageDescription")}
    return named | {text: text for key, text in texts if key in BY_TEXT}


def wanted_services() -> dict[str, str]:
    menu = [each["NSMenuItem"]["default"] for each in info_plist()["NSServices"]]
    return {text: text for text in menu}


@pytest.mark.parametrize(
    "broken", ['"a" = "b"', '"a" "b";', '"a" = "b"; x', '"a" = "b";\n"a" = "c";', '"a = "b";', "/*"]
)
def test_a_file_that_macos_could_not_read_is_noticed(broken: str) -> None:
    with pytest.raises(AssertionError):
        parse(broken)


def test_english_says_what_the_plist_says() -> None:
    assert words("en", INFO) == wanted_info()
    assert words("en", SERVICES) == wanted_services()


def test_everything_has_a_chinese_text_and_nothing_is_left_over() -> None:
    name = info_plist()["CFBundleName"]
    for file, wanted in ((INFO, wanted_info()), (SERVICES, wanted_services())):
        found = words("zh-Hant", file)
        assert found.keys() == wanted.keys()
        for key, text in found.items():
            assert text == name if wanted[key] == name else CHINESE.search(text), key


def test_no_text_of_several_words_in_the_plist_goes_untranslated() -> None:
    known = {*wanted_info().values(), *wanted_services().values()}
    assert {text for _, text in strings(info_plist()) if " " in text} <= known


def test_the_terms_are_the_same_as_in_the_app() -> None:
    own = (TRANSLATIONS / "desktop_zh_TW.ts").read_text(encoding="utf-8")
    own += (TRANSLATIONS / "engine_zh_TW.json").read_text(encoding="utf-8")
    found = words("zh-Hant", INFO)
    for key in ("Audio", "Video", "Folder"):
        assert found[key] in own, key
    for word in ("聲音模型", "索引", "壓縮檔", "授權", "內附的聲音"):
        assert word in "".join(found.values())
        assert word in own, word
    assert "轉換" in own
    assert "轉換" in "".join(words("zh-Hant", SERVICES).values())


def test_the_files_go_where_macos_looks_and_the_plist_names_their_languages() -> None:
    placed = {
        (folder, Path(file).name)
        for folder, files in data_files()
        for file in files
        if file.endswith(".strings")
    }
    assert placed == {(f"{each}.lproj", name) for each in LANGUAGES for name in (INFO, SERVICES)}
    assert info_plist()["CFBundleLocalizations"] == list(LANGUAGES)
    assert info_plist()["CFBundleDevelopmentRegion"] == "en"
