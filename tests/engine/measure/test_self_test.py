"""The self-test of a finished bundle passes here and detects faults."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from engine.measure import self_test
from engine.measure.self_test import LEAST_AGREEMENT_DB, agreement_with_stored_db, convert_sample

ROOT = Path(__file__).parents[3]

POOLS = """
import sys
from pathlib import Path
from engine.measure.self_test import convert_sample
convert_sample()
mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
names = sorted(name for name in mapped if any(w in name for w in ("libgomp", "libomp", "libiomp")))
print("faiss" in sys.modules, len(names), names)
"""


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run this Python as a bundle is started: from elsewhere, with hardly any environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd="/",
        env={"PYTHONPATH": str(ROOT), "PATH": "/nowhere", "QT_QPA_PLATFORM": "offscreen"} | more,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_stored_result_belongs_to_the_present_starter_voice() -> None:
    stored = self_test.INPUTS.read_text().strip()
    assert stored == self_test.inputs_sha256(), (
        "the starter set was changed: packaging/README.md says how to renew the result"
    )


def test_the_app_tests_itself_without_home_path_or_compiler() -> None:
    done = run("-P", "-m", "desktop", "--self-test")
    assert (done.returncode, done.stderr) == (0, "")
    imported, converted, agreed, passed = done.stdout.splitlines()
    assert "modules imported" in imported
    assert "1 s converted on" in converted
    assert "dB" in agreed
    assert passed == "self-test passed"


def test_a_wrong_conversion_is_detected() -> None:
    right = convert_sample()
    assert agreement_with_stored_db(right) > LEAST_AGREEMENT_DB
    wrong = [convert_sample(semitones=0.1), convert_sample(index_rate=0.0)]
    assert all(agreement_with_stored_db(each) < LEAST_AGREEMENT_DB for each in wrong)


def test_a_result_of_another_length_or_without_sound_is_wrong() -> None:
    right = convert_sample()
    assert agreement_with_stored_db(replace(right, samples=right.samples[:5])) == -np.inf
    assert agreement_with_stored_db(replace(right, rate_hz=8_000)) == -np.inf
    silent, undefined = (
        replace(right, samples=np.full_like(right.samples, value)) for value in (0, np.nan)
    )
    assert agreement_with_stored_db(silent) == 0
    assert not agreement_with_stored_db(undefined) >= LEAST_AGREEMENT_DB


def test_a_changed_starter_set_needs_another_stored_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(self_test.starter_dir(), tmp_path / "starter")
    with (tmp_path / "starter" / "starter.index").open("ab") as file:
        file.write(b"\0")
    monkeypatch.setattr(self_test, "starter_dir", lambda: tmp_path / "starter")
    assert self_test.main(()) == 1
    assert (
        "self-test failed: the stored result belongs to another starter voice"
        in capsys.readouterr().out
    )


def test_a_module_that_cannot_be_imported_fails_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "half_there"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "lost.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert self_test.main(("half_there",)) == 1
    assert "no_such_module" in capsys.readouterr().out


def test_modules_from_outside_a_bundle_are_found(tmp_path: Path) -> None:
    assert np.__file__ in self_test.modules_outside(tmp_path)
    assert self_test.modules_outside(Path("/")) == []


def test_a_module_that_was_never_a_file_is_nowhere_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ModuleType("made_of_nothing")
    made.__file__ = "made_of_nothing.py"
    monkeypatch.setitem(sys.modules, made.__name__, made)
    found = self_test.modules_outside(tmp_path)
    assert not any("made_of_nothing" in each for each in found)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped")
def test_a_conversion_loads_one_openmp_and_no_faiss() -> None:
    done = run("-c", POOLS)
    assert done.stdout.startswith("False 1 "), done.stdout + done.stderr
