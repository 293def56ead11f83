import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.cli import main
from engine.device import describe
from engine.finding import Finding, ProbeRecord, preparation
from engine.library.networks import CONTENT_ENCODER, RMVPE
from engine.measure import doctor
from engine.optimization import OptimizationConfig
from engine.paths import models_dir, starter_dir
from tests.engine.second_device import SECOND

ROOT = Path(__file__).parents[3]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with stand-ins of the right names."""
    folder = tmp_path / "models 模型"
    (folder / "hubert_base").mkdir(parents=True)
    for name in ("hubert_base/config.json", "hubert_base/pytorch_model.bin", "rmvpe.pt"):
        (folder / name).write_bytes(b"not the real one")
    return folder


def shared(models: Path, *, verify: bool = False) -> dict[str, doctor.Check]:
    checks = (doctor.check_network(each, models, verify=verify) for each in doctor.NETWORKS[:2])
    return {check.name: check for check in checks}


def test_a_missing_shared_file_is_named_with_its_folder(models: Path) -> None:
    (models / "rmvpe.pt").unlink()
    found = shared(models)
    assert found["Content encoder (HuBERT base)"].state == "ok"
    assert found["Pitch network (RMVPE)"].state == "warn"
    assert "rmvpe.pt" in found["Pitch network (RMVPE)"].detail
    assert str(models) in found["Pitch network (RMVPE)"].advice
    assert "without it SwiftF0 finds the pitch" in found["Pitch network (RMVPE)"].advice


def test_it_names_by_what_each_part_runs_and_why_once_that_was_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "choose_device", lambda *_: torch.device(SECOND))
    assert list(doctor.check_parts(tmp_path)) == []
    config = replace(OptimizationConfig.for_this_machine(), device="cpu")
    record = ProbeRecord(describe(torch.device(SECOND)), preparation(config), tmp_path)
    record.end("vocoder", "NSF", Finding("vocoder", "right", kind="NSF"))
    record.end("pitch", "rmvpe", Finding("pitch", "slower", 2.0, 1.0, kind="rmvpe"))
    record.keep_forms([Finding("separation", "failed", why="no such operator", kind="mel")])
    (check,) = doctor.check_parts(tmp_path)
    assert check.detail == (
        f"pitch tracker: cpu, float32; vocoder: {SECOND}, float32; "
        f"the pitch tracker runs on the CPU, because {SECOND} takes 2.0 times as long; "
        "separation, mel: cpu, float32; "
        f"separation, mel by torch on {SECOND} in float32: not used, no such operator"
    )


def test_an_empty_shared_file_counts_as_missing(models: Path) -> None:
    (models / "hubert_base/pytorch_model.bin").write_bytes(b"")
    found = shared(models)["Content encoder (HuBERT base)"]
    assert (found.state, "pytorch_model.bin" in found.detail) == ("warn", True)


def test_safetensors_are_accepted_too(models: Path) -> None:
    (models / "hubert_base/pytorch_model.bin").rename(models / "hubert_base/model.safetensors")
    found = shared(models)["Content encoder (HuBERT base)"]
    assert (found.state, "model.safetensors" in found.detail) == ("ok", True)


def test_the_single_file_of_fairseq_is_accepted_too(models: Path) -> None:
    (models / "hubert_base/pytorch_model.bin").rename(models / "hubert_base.pt")
    found = shared(models)["Content encoder (HuBERT base)"]
    assert (found.state, "hubert_base.pt" in found.detail) == ("ok", True)


def test_verify_reads_the_files_and_names_the_unusual_one(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"as published"
    (models / "rmvpe.pt").write_bytes(content)
    usual = replace(RMVPE.weights, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(doctor, "NETWORKS", (CONTENT_ENCODER, replace(RMVPE, variants=((usual,),))))
    found = shared(models, verify=True)
    assert found["Pitch network (RMVPE)"].state == "ok"
    assert "SHA-256 correct" in found["Pitch network (RMVPE)"].detail
    assert found["Content encoder (HuBERT base)"].state == "warn"
    assert "pytorch_model.bin" in found["Content encoder (HuBERT base)"].detail


def test_a_library_that_is_missing_or_crashes_does_not_end_the_report() -> None:
    absent = doctor.Library("x", "import no_such_library", needed=True, purpose="does x")
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    crashing = doctor.Library("y", crash, needed=False, purpose="does y")
    first, second = doctor.check_library(absent), doctor.check_library(crashing)
    assert (first.state, second.state) == ("fail", "warn")
    assert "no_such_library" in first.detail
    assert "SIGSEGV" in second.detail
    assert "it does x" in first.advice


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    assert doctor.check_output_folder(tmp_path).state == "ok"
    found = doctor.check_output_folder(tmp_path / "absent")
    assert (found.state, "--output-dir" in found.advice) == ("warn", True)


def test_a_missing_starter_set_fails_only_if_nothing_else_converts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "starter_dir", lambda: tmp_path)
    assert doctor.check_starter(tmp_path, needed=True).state == "fail"
    assert doctor.check_starter(tmp_path, needed=False).state == "warn"


def test_the_starter_set_is_complete() -> None:
    wanted = {"encoder/config.json", "encoder/model.safetensors", "voice.pth", "sample.wav"}
    wanted |= {"card.json", "range.json"}
    there = {str(file.relative_to(starter_dir())) for file in starter_dir().rglob("*")}
    assert wanted | {"README.md", "NOTICE", "starter.index"} <= there


def test_this_machine_can_convert_and_reports_so_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path / "none yet"))
    code = main(["doctor", "--json"])
    report = json.loads(capfd.readouterr().out)
    failed = [check for check in report["checks"] if check["state"] == "fail"]
    assert failed == []
    assert (code, report["can_convert"]) == (0, True)
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert states["Starter voice"] == states["soundfile"] == states["PyTorch"] == "ok"
    assert states["Content encoder (HuBERT base)"] == states["Pitch network (RMVPE)"] == "warn"
    assert all(check["advice"] for check in report["checks"] if check["state"] != "ok")


def test_the_printed_report_has_a_line_for_each_check_and_a_failure_gives_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        doctor.Check("Sky", "ok", "blue"),
        doctor.Check("Sea", "warn", "rough", "stay ashore"),
        doctor.Check("Ship", "fail", "sunk\x1b[31m", "build\nanother"),
    ]
    monkeypatch.setattr(doctor, "run_checks", lambda *_, **__: checks)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "ok    Sky   blue",
        "warn  Sea   rough",
        "            -> stay ashore",
        "fail  Ship  sunk?[31m",
        "            -> build?another",
        "",
        "Cannot convert: 1 of 3 checks failed.",
    ]
    del checks[2]
    assert main(["doctor"]) == 0
    assert "Ready to convert" in capsys.readouterr().out


def test_the_models_folder_is_the_given_one_then_the_environments_then_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path))
    assert models_dir(Path("~/here")) == Path.home() / "here"
    assert models_dir() == tmp_path
    monkeypatch.setenv("URVC_MODELS_DIR", "")
    assert models_dir().parts[-2:] == ("Ultimate RVC", "models")
    assert models_dir().is_absolute()


def test_an_app_that_finder_started_writes_results_to_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert doctor.results_folder() == Path("/")
    monkeypatch.setenv("RESOURCEPATH", str(tmp_path / "Contents" / "Resources"))
    assert doctor.results_folder() == Path.home()
    monkeypatch.chdir(tmp_path)
    assert doctor.results_folder() == tmp_path
