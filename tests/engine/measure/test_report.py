"""What `urvc benchmark` prints for the README and writes for an issue."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import main
from engine.measure.benchmark import BASELINE, IN_HALF, TOGETHER, Measurement
from engine.measure.doctor import SOUND_OUTPUT, Check

README = Path(__file__).parents[3] / "README.md"


def measured() -> list[Measurement]:
    stages = {"load": 9.0, "content": 15.0, "synthesis": 25.0}
    note = "the vocoder runs on the CPU"
    return [
        Measurement(BASELINE, 40.0, 1.5, 1.0, stages, 3 * 10**9, None),
        Measurement("use_fp16", 30.0, 2.0, 1.3, stages, 10**9, 30.0),
        Measurement(TOGETHER, 20.0, 3.0, 2.0, stages, 10**9, None, (note,)),
        Measurement(IN_HALF, 10.0, 6.0, 4.0, {"synthesis": 7.25}, 5 * 10**8, 29.4),
    ]


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "anna"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path / "networks of anna"))
    monkeypatch.setattr("engine.measure.benchmark.run_benchmark", lambda *_, **__: measured())
    checks = [
        Check("Memory", "ok", "16 GB"),
        Check("Models", "warn", f"missing in {tmp_path / 'networks of anna'} | {home / 'rvc'}"),
        Check("Starter voice", "fail", f"{home / 'my files'}/a.wav: Permission denied"),
        Check(SOUND_OUTPUT, "ok", "anna's AirPods"),
    ]
    monkeypatch.setattr("engine.measure.doctor.run_checks", lambda _: checks)


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_rows_have_the_columns_of_the_readme(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--device", "cpu"]) == 0
    head, *rows = rows_of(capfd.readouterr().out)
    assert head in rows_of(README.read_text(encoding="utf-8"))
    assert [row[1:] for row in rows] == [
        ["60 s", "preset", "40.0 s", "20.0 s", "3.0 ×", "3.00 → 1.00 GB", "identical"],
        ["60 s", "preset, half precision", "40.0 s", "10.0 s", "6.0 ×", "3.00 → 0.50 GB", "29 dB"],
    ]


def test_the_rows_of_chosen_flags_do_not_say_preset(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--device", "cpu", "--flags", "skip_silence,tile_frames"]) == 0
    assert rows_of(capfd.readouterr().out)[1][2] == "skip_silence, tile_frames"


def test_the_report_has_everything_but_personal_paths_and_names(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    command = ["benchmark", "--device", "cpu", "--voice", str(tmp_path / "aunt anna.pth")]
    assert main([*command, "--report", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    found = ("PyTorch", "Python", "preset, half precision", "7.25", "16 GB", "Starter voice")
    noted = f"{TOGETHER}: the vocoder runs on the CPU"
    for words in (*found, noted, "Permission denied", SOUND_OUTPUT):
        assert words in text
    for words in ("anna", "my files", str(tmp_path)):
        assert words not in text
