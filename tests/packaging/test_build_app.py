"""The script that builds the app: its order without a Mac, and its steps on one with stand-ins."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import APP_AT, FOLDER_AT, HEIGHT, WIDTH, draw_background
from project import APP_NAME, ROOT, read_project
from PySide6.QtGui import QImage

STEPS = ("environment", "build", "trim", "sign", "verify", "smoke_test", "image", "notarise")

STAND_IN = """#!/bin/bash
printf '%s' "$(basename "$0")" >>"$NOTES/calls"
printf ' [%s]' "$@" >>"$NOTES/calls"
printf '\\n' >>"$NOTES/calls"
[ "$(cat "$NOTES/fails" 2>/dev/null)" != "$(basename "$0") $1" ]
"""


class Mac:
    """A copy of the scripts on a simulated Mac, where each tool only records its call."""

    def __init__(self, folder: Path) -> None:
        self.root, self.tools, self.notes = (folder / each for each in ("a b 雅", "tools", "notes"))
        for each in (self.root, self.tools, self.notes):
            each.mkdir()
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "packaging", self.root / "packaging", ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", self.root)
        for name in ("codesign", "hdiutil", "osascript", "xattr", "spctl", "env", "xcrun"):
            self.add_tool(self.tools / name, STAND_IN)
        uname = '#!/bin/bash\n[ "$1" = -m ] && echo arm64 || echo Darwin\n'
        self.add_tool(self.tools / "uname", uname)
        self.app = self.root / "dist" / f"{APP_NAME}.app"
        (self.app / "Contents" / "MacOS").mkdir(parents=True)

    def add_tool(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        dropped = ("URVC_", "APPLE_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        path = f"{self.tools}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [str(self.root / "packaging" / "build_app.sh"), *arguments],
            env=kept | {"PATH": path, "NOTES": str(self.notes)} | more,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    def set_failing(self, call: str) -> None:
        (self.notes / "fails").write_text(call)

    @property
    def calls(self) -> list[str]:
        path = self.notes / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def mac(tmp_path: Path) -> Mac:
    return Mac(tmp_path)


def test_a_dry_run_shows_every_step_in_order_and_touches_nothing(mac: Mac) -> None:
    before = sorted(mac.root.rglob("*"))
    done = mac.run("--dry-run")
    assert done.returncode == 0, done.stderr
    told = [line.removeprefix("== ") for line in done.stderr.splitlines() if line[:3] == "== "]
    assert told == list(STEPS)
    assert sorted(mac.root.rglob("*")) == before
    assert mac.calls == []
    order = [
        "venv", "setup.py", "bundle.py", "mach_o.py references", "size_budget.py", "signing-order",
        "codesign --force", "codesign --verify", "--self-test", "doctor", "hdiutil create",
        "hdiutil attach", "osascript", "hdiutil detach", "hdiutil convert",
    ]  # fmt: skip
    places = [done.stdout.find(word) for word in order]
    assert -1 not in places
    assert places == sorted(places)


def test_single_steps_can_be_asked_for_and_keep_their_order(mac: Mac) -> None:
    done = mac.run("--dry-run", "verify", "sign")
    assert done.stderr.splitlines() == ["== sign", "== verify"]


@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("destroy", 2)])
def test_help_names_every_step_and_an_unknown_one_is_refused(
    mac: Mac, word: str, code: int
) -> None:
    done = mac.run(word)
    assert done.returncode == code
    text = done.stdout if code == 0 else done.stderr
    assert all(f"\n  {step} " in text for step in STEPS)


def test_on_another_system_it_stops_at_once_with_the_reason(mac: Mac) -> None:
    mac.add_tool(mac.tools / "uname", "#!/bin/bash\necho Linux\n")
    done = mac.run("verify")
    assert done.returncode == 1
    assert "can be built on a Mac with Apple silicon only" in done.stderr


def with_libraries(mac: Mac) -> None:
    """An app with a library, a program beside the main one, and a Python to list them."""
    for name in ("Resources/lib/a.so", "MacOS/python", f"MacOS/{APP_NAME}"):
        path = mac.app / "Contents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xcf\xfa\xed\xfe")
    python = mac.root / "build" / "bundle-venv" / "bin" / "python"
    mac.add_tool(python, f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')


def test_each_part_is_signed_hardened_and_only_programs_get_entitlements(
    mac: Mac,
) -> None:
    with_libraries(mac)
    done = mac.run("sign")
    assert done.returncode == 0, done.stderr
    library, python, app = (call for call in mac.calls if call.startswith("codesign"))
    for call, name in ((library, "a.so"), (python, "MacOS/python"), (app, f"{APP_NAME}.app")):
        assert call.endswith(f"{name}]")
        assert "[--options] [runtime]" in call
        assert "[--sign] [-]" in call
        assert "[--timestamp]" not in call
    assert "entitlements" not in library
    assert all("[--entitlements]" in call for call in (python, app))
    assert all("/entitlements.plist]" in call for call in (python, app))


def test_with_a_developers_identity_there_is_a_time_stamp(mac: Mac) -> None:
    with_libraries(mac)
    done = mac.run("sign", URVC_SIGNING_IDENTITY="Developer ID Application: A B (X1)")
    assert done.returncode == 0, done.stderr
    calls = [call for call in mac.calls if call.startswith("codesign")]
    assert all("[--timestamp]" in call and "[Developer ID Application: A B (X1)]" in call
               for call in calls)  # fmt: skip
    assert "/entitlements.plist]" in calls[-1]


def test_entitlements_are_minimal() -> None:
    found = plistlib.loads((ROOT / "packaging" / "entitlements.plist").read_bytes())
    assert found == {"com.apple.security.cs.disable-library-validation": True}


@pytest.mark.parametrize(
    ("fails", "step", "sentence"),
    [
        ("codesign --verify", "verify", "signature is not valid"),
        ("codesign --force", "sign", "Cannot sign"),
        ("env -i", "smoke_test", "own test failed"),
        ("hdiutil create", "image", "Cannot make the disk image"),
        ("hdiutil convert", "image", "Cannot compress the image"),
    ],
)
def test_a_step_that_fails_ends_it_with_a_sentence(
    mac: Mac, fails: str, step: str, sentence: str
) -> None:
    with_libraries(mac)
    mac.set_failing(fails)
    done = mac.run(step)
    assert done.returncode == 1
    assert sentence in done.stderr.splitlines()[-1]


def test_the_smoke_test_runs_without_home_from_the_root_folder(mac: Mac) -> None:
    mac.add_tool(mac.tools / "env", '#!/bin/bash\necho "$PWD $*" >>"$NOTES/calls"\n')
    assert mac.run("smoke_test").returncode == 0
    program = mac.app / "Contents" / "MacOS" / APP_NAME
    assert [call for call in mac.calls if "--find" not in call] == [
        f"/ -i PATH=/usr/bin:/bin {program} --self-test",
        f"/ -i PATH=/usr/bin:/bin {program} --engine doctor",
    ]


def test_the_image_holds_app_link_and_background_even_if_finder_cannot_lay_it_out(
    mac: Mac,
) -> None:
    with_libraries(mac)
    keep = '#!/bin/bash\nprintf "%s\\n" "$1" >>"$NOTES/calls"\n'
    keep += '[ "$1" = create ] && cp -R "$4" "$NOTES/staged"; exit 0\n'
    mac.add_tool(mac.tools / "hdiutil", keep)
    mac.set_failing("osascript " + str(mac.root / "packaging/image_layout.applescript"))
    done = mac.run("image")
    assert done.returncode == 0, done.stderr
    assert "usable all the same" in done.stderr
    staged = mac.notes / "staged"
    assert {each.name for each in staged.iterdir()} == {
        f"{APP_NAME}.app", "Applications", ".background",
    }  # fmt: skip
    assert str((staged / "Applications").readlink()) == "/Applications"
    assert (staged / ".background" / "background.png").stat().st_size > 1000


def test_without_credentials_nothing_is_sent_and_the_reason_is_said(mac: Mac) -> None:
    done = mac.run("notarise")
    assert (done.returncode, "signature is ad-hoc" in done.stderr) == (0, True)
    done = mac.run("notarise", URVC_SIGNING_IDENTITY="Developer ID Application: A")
    assert (done.returncode, "no credentials" in done.stderr) == (0, True)
    assert [call for call in mac.calls if "notarytool" in call] == []


def test_with_credentials_the_image_is_sent_stapled_and_assessed(mac: Mac) -> None:
    identity = {"URVC_SIGNING_IDENTITY": "Developer ID Application: A"}
    assert mac.run("notarise", URVC_NOTARY_PROFILE="p q", **identity).returncode == 0
    tools = [call.split()[0] + " " + call.split()[1] for call in mac.calls if "--find" not in call]
    assert tools == ["xcrun [notarytool]", "xcrun [stapler]", "spctl [--assess]"]
    assert f"Ultimate-RVC-{read_project().version}.dmg]" in mac.calls[1]


def test_a_dry_run_never_shows_a_password(mac: Mac) -> None:
    secret = {"APPLE_ID": "a@b.c", "APPLE_TEAM_ID": "X1", "APPLE_APP_PASSWORD": "abcd-secret"}
    done = mac.run("--dry-run", URVC_SIGNING_IDENTITY="Developer ID Application: A", **secret)
    assert "--password hidden" in done.stdout
    assert "abcd-secret" not in done.stdout + done.stderr


def test_the_layout_fits_the_background_and_names_what_is_there(tmp_path: Path) -> None:
    script = (ROOT / "packaging" / "image_layout.applescript").read_text(encoding="utf-8")
    opened = len(re.findall(r"^\s*(?:tell |on run)", script, re.MULTILINE))
    assert opened == len(re.findall(r"^\s*end (?:tell|run)$", script, re.MULTILINE)) == 3
    left, top, right, bottom = map(
        int, re.findall(r"bounds of container window to \{(.*)\}", script)[0].split(", ")
    )
    assert (right - left, bottom - top) == (WIDTH, HEIGHT + 28)  # and the title bar
    places = [
        tuple(map(int, each)) for each in re.findall(r"to \{(\d+), (\d+)\}$", script, re.MULTILINE)
    ]
    assert places == [APP_AT, FOLDER_AT]
    assert 'file ".background:background.png"' in script
    draw_background(tmp_path / "background.png")
    image = QImage(str(tmp_path / "background.png"))
    assert (image.width(), image.height()) == (WIDTH, HEIGHT)
    assert image.pixelColor(WIDTH // 2, APP_AT[1]).lightness() < 180
    assert image.pixelColor(APP_AT[0], APP_AT[1]).lightness() > 220
