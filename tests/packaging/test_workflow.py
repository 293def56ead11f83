"""The workflow, as far as it can be known without GitHub: its shape, and what its steps call."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from project import OLDEST_MACOS, ROOT

yaml = pytest.importorskip("yaml")

FILE = ROOT / ".github" / "workflows" / "mac.yml"
BUILD_STEPS = ("environment", "build", "trim", "sign", "verify", "smoke_test", "image", "notarise")


def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["jobs"]
    return found


def steps() -> list[dict[str, Any]]:
    return [step for job in jobs().values() for step in job["steps"]]


def test_it_runs_on_the_oldest_macos_of_the_app_and_every_job_has_a_time_limit() -> None:
    oldest = f"macos-{OLDEST_MACOS.partition('.')[0]}"
    assert jobs()["tests"]["strategy"]["matrix"] == {"os": [oldest, "macos-26"]}
    assert all(job["timeout-minutes"] <= 90 for job in jobs().values())
    assert {job["runs-on"] for job in jobs().values()} == {"${{ matrix.os }}", oldest}


def test_every_step_is_one_call_of_a_script_of_ours_or_a_pinned_action() -> None:
    for step in steps():
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
            continue
        script, *arguments = step["run"].split()
        assert os.access(ROOT / script, os.X_OK)
        assert "${{" not in step["run"]  # what comes from outside goes through the environment
        if script == "packaging/build_app.sh":
            assert arguments == [each for each in BUILD_STEPS if each in arguments]
        else:
            text = (ROOT / script).read_text(encoding="utf-8")
            assert script == "packaging/ci.sh"
            assert f"\nstep_{arguments[0]}() {{" in text


def test_each_pinned_commit_has_its_version_in_a_comment() -> None:
    text = FILE.read_text(encoding="utf-8")
    used = re.findall(r"uses: ([\w/-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+$", text, re.MULTILINE)
    assert len(used) == text.count("uses:")


def test_together_the_steps_build_everything_once() -> None:
    runs = " ".join(step.get("run", "") for step in jobs()["bundle"]["steps"])
    assert [word for word in runs.split() if word in BUILD_STEPS] == list(BUILD_STEPS)


def test_only_the_release_on_a_tag_may_write() -> None:
    whole = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert whole["permissions"] == {"contents": "read"}
    writing = [name for name, job in jobs().items() if "write" in str(job.get("permissions", ""))]
    assert writing == ["release"]
    assert jobs()["release"]["if"] == "startsWith(github.ref, 'refs/tags/')"


def test_secrets_reach_only_the_steps_that_need_them() -> None:
    holding = [step["name"] for step in steps() if "secrets." in str(step.get("env", ""))]
    assert len(holding) == 2


def ci(step: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    tools = {
        "brew": f'[ "$1" = --prefix ] && echo {folder}; exit 0',
        "gh": 'printf "gh %s\\n" "$*"',
        "security": '[ "$1" = find-identity ] && echo \'1) X "Dev A"\'',
        "uuidgen": "echo 1234",
    }
    for name, text in tools.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\nexit 0\n")
        (folder / name).chmod(0o755)
    own = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_ENV": str(folder / "env"),
        "RUNNER_TEMP": str(folder),
    }
    return subprocess.run(
        [str(ROOT / "packaging" / "ci.sh"), step],
        cwd="/",
        env=own | more,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_python_that_is_installed_is_the_one_that_is_used(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.11").touch(mode=0o755)
    assert ci("python", tmp_path).returncode == 0
    assert (tmp_path / "env").read_text() == f"URVC_PYTHON={tmp_path}/bin/python3.11\n"


def test_a_tag_that_is_not_the_version_makes_no_release(tmp_path: Path) -> None:
    done = ci("release", tmp_path, TAG="v99.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "v99.0 is not the version" in done.stderr


def test_without_a_certificate_the_signature_is_ad_hoc_and_with_one_it_has_its_name(
    tmp_path: Path,
) -> None:
    assert "ad-hoc" in ci("certificate", tmp_path).stdout
    assert not (tmp_path / "env").exists()
    given = {"CERTIFICATE_P12": "QUJD", "CERTIFICATE_PASSWORD": "p"}
    done = ci("certificate", tmp_path, **given)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "env").read_text() == "URVC_SIGNING_IDENTITY=Dev A\n"
    assert not (tmp_path / "certificate.p12").exists()


def test_an_unknown_step_is_refused(tmp_path: Path) -> None:
    assert ci("destroy", tmp_path).returncode == 2
