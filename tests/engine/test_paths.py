"""Advice that can be followed where the program runs: a command, or a place in the app."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop.translation import FOLDER, catalogue
from engine.errors import Text, WeightsError
from engine.loading import load_content_encoder, load_rmvpe
from engine.paths import BUNDLE_VARIABLE, advised, bundle_contents

PLACE = "Settings › Models"
MISSING = (load_content_encoder, load_rmvpe)


def enter_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLE_VARIABLE, str(folder / "Contents" / "Resources"))


def refusal(load: Callable[[Path], object], folder: Path) -> Text:
    with pytest.raises(WeightsError) as caught:
        load(folder)
    return caught.value.text


def test_the_advice_depends_on_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BUNDLE_VARIABLE, raising=False)
    assert bundle_contents() is None
    assert advised("type this", "go there") == "type this"
    enter_bundle(tmp_path, monkeypatch)
    assert bundle_contents() == tmp_path / "Contents"
    assert advised("type this", "go there") == "go there"


@pytest.mark.parametrize("load", MISSING)
def test_a_checkout_advises_the_command(
    load: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(BUNDLE_VARIABLE, raising=False)
    said = refusal(load, tmp_path)
    assert '"urvc models download"' in said
    assert PLACE not in said


@pytest.mark.parametrize("load", MISSING)
def test_the_bundle_advises_a_place_in_the_app_in_each_language(
    load: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter_bundle(tmp_path, monkeypatch)
    said = refusal(load, tmp_path)
    assert f"; download it in {PLACE}" in said
    assert "urvc" not in str(said).replace(str(tmp_path), "")
    chinese = said.translated(catalogue("zh_TW"))
    assert "請到「設定 › 模型」下載" in chinese
    assert not re.search(r"[a-z]{3,} [a-z]{2,}", chinese.replace(str(tmp_path), "")), chinese


def test_the_place_in_the_app_has_its_name_there() -> None:
    text = (FOLDER / "desktop_zh_TW.ts").read_text(encoding="utf-8")
    window = text.partition("<name>SettingsWindow</name>")[2].partition("</context>")[0]
    assert re.search(r"<source>Models</source>\s*<translation>模型</translation>", window)
    engine = json.loads((FOLDER / "engine_zh_TW.json").read_text(encoding="utf-8"))
    there = [chinese for english, chinese in engine.items() if PLACE in english]
    assert there
    assert all("「設定 › 模型」" in chinese for chinese in there)
