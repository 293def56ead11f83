"""What the command line prints: nothing that a terminal would obey; nowhere that was closed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch

from engine.cli import main, output
from engine.errors import Text
from engine.library.link import RemoteFile, VoiceOffer
from engine.paths import starter_dir
from engine.plain_text import plain
from tests.sound import starter_speech

Run = Callable[..., tuple[int, str, str]]

HOSTILE = "a\x1b]0;title\x07\x9b31m\u202egnp\u2066\u200e\n\rb"
TRICKS = frozenset("\x1b\x07\x9b\u202e\u2066\u200e\r")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def _run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        return code, *capfd.readouterr()

    return _run


def write_sound(path: Path) -> Path:
    soundfile.write(path, starter_speech()[16_000:17_600], 16_000)
    return path


def test_plain_text_keeps_what_people_write() -> None:
    kept = "Café 你好 하늘 🎤 👨‍👩‍👧 می‌خواهم \u00a0\u202f\u3000Ünïcode"
    assert plain(kept) == kept
    assert not TRICKS & set(plain(HOSTILE))
    assert plain("\ud800\udc80") == "??"


def test_a_sentence_holds_no_tricks_whatever_it_names() -> None:
    sentence = Text("Cannot read {name}: {count}", name=Path(HOSTILE), count=3)
    assert str(sentence) == f"Cannot read {plain(HOSTILE)}: 3"
    assert not TRICKS & set(sentence.translated(lambda template: template.upper().lower()))


def test_everything_is_printed_by_one_module() -> None:
    folder = Path(output.__file__).parent
    printing = {
        file.name
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "print"
    }
    assert printing == {"output.py", "__init__.py"}  # the latter prints fixed words


def test_no_command_prints_what_a_terminal_would_obey(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URVC_VOICES_DIR", str(tmp_path / "voices"))
    name = HOSTILE.replace("/", "")
    sound = write_sound(tmp_path / f"{name}.wav")
    voice = tmp_path / f"{name}.pth"
    record = torch.load(starter_dir() / "voice.pth", weights_only=True)
    torch.save(record | {"model_name": HOSTILE, "author": HOSTILE, "info": HOSTILE}, voice)
    (tmp_path / f"{name}.zip").write_text("no zip")
    folder = tmp_path / name
    folder.mkdir()
    for arguments in (
        ["convert", sound, "--voice", voice],
        ["convert", sound, "--voice", voice, "--json"],
        ["convert", folder, tmp_path / name / "missing", f"https://x.org/{name}"],
        ["convert", sound, "--voice", HOSTILE, f"--{HOSTILE}"],
        ["convert", sound, "--voice", f"https://{HOSTILE}"],
        ["convert", sound, "-o", tmp_path / f"{name}.xyz"],
        ["convert", sound, "--output-dir", tmp_path / f"no {name}"],
        ["convert", sound, "--f0-file", tmp_path / f"{name}.csv"],
        ["voice", voice], ["voice", voice, "--json"], ["voice", tmp_path / f"{name}.zip"],
        ["voices", "import", voice], ["voices", "import", tmp_path / f"{name}.zip", folder],
        ["voices", "import", f"https://x.org/{name}"], ["voices", "list"],
        ["voices", "list", "--json"], ["voices", "show", HOSTILE],
        ["voices", "export", "Starter", "-o", tmp_path / f"{name}" / f"{name}.zip"],
        ["models", "use", "rmvpe", tmp_path / f"{name}.zip"], ["models", "list"], [HOSTILE],
    ):  # fmt: skip
        code, out, err = run(*arguments)
        assert out or err
        assert not TRICKS & set(out + err), arguments
        if "--json" in arguments:
            assert code == 0
            assert all(json.loads(line) for line in out.splitlines())


def test_a_listing_and_a_progress_bar_hold_no_tricks(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = RemoteFile("https://x.org/a", f"{HOSTILE}.pth", 1)
    offers = (VoiceOffer(HOSTILE, (file,)), VoiceOffer(f"{HOSTILE}2", (file,)))
    monkeypatch.setattr("engine.cli.voices.find_voices", lambda *_, **__: offers)
    code, _, err = run("voices", "import", "https://x.org/a")
    assert code == 2
    assert not TRICKS & set(err)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    bar = output.ProgressBar(HOSTILE)
    bar.show(0.5, HOSTILE)
    drawn = capfd.readouterr().err
    assert drawn.startswith("\r\033[K")
    assert not TRICKS & set(drawn.removeprefix("\r\033[K"))


def _shell(command: str, folder: Path) -> tuple[int, str, str]:
    """Run ``$U``, which is ``urvc``, in a shell that redirects its streams."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False,
        env={"U": f"{sys.executable} -P -m engine", "PYTHONPATH": str(Path.cwd()),
             "HOME": str(folder), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_closed_streams_spoil_neither_the_result_nor_another_stream(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav")
    assert _shell("$U convert a.wav >&- 2>&- <&-", tmp_path) == (0, "", "")
    assert soundfile.info(tmp_path / "a (Starter).wav").duration == 0.1
    assert _shell("$U voices show nobody 2>&-", tmp_path) == (2, "", "")
    assert _shell("$U voices list >/dev/full 2>/dev/full", tmp_path) == (2, "", "")
