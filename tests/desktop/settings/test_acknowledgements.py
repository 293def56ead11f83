"""The licences of everything that the app is made of."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.settings import acknowledgements
from desktop.settings.acknowledgements import (
    AcknowledgementsDialog,
    Component,
    collect,
    components,
    locked_names,
    replacement_notice,
    store_components,
)

LOADED_MS = 60_000


@pytest.fixture(scope="module")
def installed() -> dict[str, Component]:
    return {each.name.lower().replace("_", "-"): each for each in components()}


def test_every_locked_package_of_this_system_has_a_licence_with_its_text(
    installed: dict[str, Component],
) -> None:
    missing = set(locked_names()) - installed.keys()
    assert {name for name in missing if not name.startswith("pyobjc")} == set()
    short = [name for name, each in installed.items() if len(each.text) < 300 or not each.licence]
    assert short == []
    unusual = [
        name
        for name, each in installed.items()
        if not re.search(r"copyright|licen[cs]e|public domain", each.text, re.IGNORECASE)
    ]
    assert unusual == []


def test_what_is_under_the_lgpl_or_gpl_brings_that_licence_and_says_how_to_replace_it(
    installed: dict[str, Component],
) -> None:
    names = {name for name, each in installed.items() if "GPL" in each.licence}
    names |= {"soundfile", "av"}  # these contain a library under another licence than their own
    assert {"pyside6-essentials", "shiboken6", "soxr"} <= names
    for name in names:
        assert "GENERAL PUBLIC LICENSE" in installed[name].text.upper(), name
        assert "may replace" in replacement_notice(name), name
    assert all(not replacement_notice(name) for name in installed.keys() - names)


def test_a_package_whose_text_names_the_lgpl_as_its_own_is_not_overlooked(
    installed: dict[str, Component],
) -> None:
    title = re.compile(r"^\s*GNU (LESSER|LIBRARY) GENERAL PUBLIC LICENSE\s*$", re.MULTILINE)
    with_text = {name for name, each in installed.items() if title.search(each.text)}
    with_text -= {"setuptools"}  # for what it contains itself; it is not in the Mac app
    assert with_text <= {name for name in installed if replacement_notice(name)}


def test_the_licences_of_what_a_package_contains_are_shown_once_each(
    installed: dict[str, Component],
) -> None:
    torch = installed["torch"].text
    assert "LLVM" in torch
    assert torch.count("From PyTorch:") == 1
    assert "PortAudio" in installed["sounddevice"].text


def test_a_package_without_its_licence_gets_that_of_its_project_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the wheel of pyobjc-core, whose tests have files named "copying"."""
    information = tmp_path / "pyobjc_core-12.2.2.dist-info"
    symbols = "PyObjCTest/copying.cpython-311-darwin.so.dSYM/copying.cpython-311-darwin.so.yml"
    for name, text in (
        ("METADATA", "Metadata-Version: 2.1\nName: pyobjc-core\nVersion: 12.2.2\nLicense: MIT\n"),
        ("RECORD", f"{symbols},,\nobjc/__init__.py,,\n"),
    ):
        information.mkdir(exist_ok=True)
        (information / name).write_text(text)
    (tmp_path / symbols).parent.mkdir(parents=True)
    (tmp_path / symbols).write_text("symbols")
    monkeypatch.syspath_prepend(str(tmp_path))
    *_, found = collect(["pyobjc-core"])
    assert (found.name, found.version, found.licence) == ("pyobjc-core", "12.2.2", "MIT")
    assert "Ronald Oussoren" in found.text
    assert "symbols" not in found.text


def test_a_package_of_another_system_is_left_out() -> None:
    assert [each.name for each in collect(["pyobjc-of-another-system", "platformdirs"])] == [
        "Starter voice",
        "SwiftF0 (pitch network)",
        "platformdirs",
    ]


def test_a_built_app_shows_what_was_stored_and_python_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "acknowledgements.json"
    store_components(stored, left_out=("av",))
    monkeypatch.setattr(acknowledgements, "STORED", stored)
    monkeypatch.setattr(acknowledgements, "locked_names", lambda: pytest.fail("not in a built app"))
    names = [each.name for each in components()]
    assert names[:2] == ["Python", "Starter voice"]
    assert "av" not in names
    assert len(names) == len(json.loads(stored.read_text(encoding="utf-8")))


def loaded_dialog(qtbot: QtBot) -> AcknowledgementsDialog:
    dialog = AcknowledgementsDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: dialog.list.count() > 0, timeout=LOADED_MS)
    return dialog


def shown(dialog: AcknowledgementsDialog) -> list[str]:
    items = [dialog.list.item(row) for row in range(dialog.list.count())]
    return [item.text() for item in items if not item.isHidden()]


def test_the_window_lists_all_and_shows_the_licence_of_the_current_one(qtbot: QtBot) -> None:
    dialog = loaded_dialog(qtbot)
    assert len(shown(dialog)) == len(components())
    assert "Starter voice" in dialog.text.toPlainText()
    (row,) = [r for r in range(dialog.list.count()) if "PySide6" in dialog.list.item(r).text()]
    dialog.list.setCurrentRow(row)
    text = dialog.text.toPlainText()
    assert text.index("LGPL") < text.index("may replace") < text.index("GNU LESSER GENERAL PUBLIC")


def test_a_search_narrows_the_list_by_name_and_licence(qtbot: QtBot) -> None:
    dialog = loaded_dialog(qtbot)
    dialog.search.setText("sound")
    assert {name.partition(" ")[0] for name in shown(dialog)} == {"sounddevice", "soundfile"}
    assert dialog.text.toPlainText().startswith("sounddevice")
    dialog.search.setText("lgpl 6.")
    assert shown(dialog) == []
    assert dialog.text.toPlainText() == ""
    dialog.search.setText("lgpl")
    assert any("soxr" in name for name in shown(dialog))
    dialog.search.clear()
    assert len(shown(dialog)) == len(components())


def test_a_window_that_was_closed_while_it_loads_goes_away(qtbot: QtBot) -> None:
    dialog = AcknowledgementsDialog()
    gone: list[bool] = []
    dialog.destroyed.connect(lambda: gone.append(True))
    dialog.show()
    dialog.reject()
    qtbot.waitUntil(lambda: bool(gone), timeout=LOADED_MS)
