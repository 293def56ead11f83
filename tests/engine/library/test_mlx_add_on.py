"""MLX as an add-on: pip's own work, with small wheels in place of Apple's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import main
from engine.errors import ConversionCancelled, DownloadError
from engine.library import mlx_add_on
from engine.paths import mlx_folder
from engine.progress import CancelToken
from tests.engine.library.wheels import make_wheel
from tests.engine.library.wheels import wheels as wheels


def left(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name != ".lock")


def test_pip_installs_it_and_a_process_of_ours_finds_it(wheels: Path) -> None:
    assert not mlx_add_on.is_installed()
    mlx_add_on.install()
    assert mlx_add_on.is_installed()
    assert (mlx_folder() / "mlx" / "lib" / "mlx.metallib").read_text() == "kernels"
    code = (
        "import sys; from engine.device import reach_mlx; n = len(sys.path); reach_mlx();"
        "reach_mlx(); import importlib.util as u; print(sys.path[n:])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str([str(mlx_folder())])
    assert mlx_add_on.remove()
    assert not mlx_add_on.is_installed()
    assert not mlx_add_on.remove()
    assert left(mlx_folder().parent) == [".staging"]


def test_another_version_is_not_what_the_lock_asks_for_and_is_replaced(wheels: Path) -> None:
    mlx_add_on.install()
    (mlx_folder() / "of the old one").touch()
    newer = make_wheel(wheels, "mlx", "1.1", {"mlx/core.py": ""})
    (wheels / "requirements.txt").write_text(newer)
    assert not mlx_add_on.is_installed()
    mlx_add_on.install()
    assert mlx_add_on.is_installed()
    assert not (mlx_folder() / "of the old one").exists()


def test_what_has_another_hash_is_refused_and_the_installed_one_stays(wheels: Path) -> None:
    mlx_add_on.install()
    lines = (wheels / "requirements.txt").read_text()
    make_wheel(wheels, "mlx-metal", "1.0", {"mlx/lib/mlx.metallib": "something else"})
    with pytest.raises(DownloadError, match=r"Cannot install MLX: .*SHA-256 differs.*; try again"):
        mlx_add_on.install()
    assert (wheels / "requirements.txt").read_text() == lines
    assert (mlx_folder() / "mlx" / "lib" / "mlx.metallib").read_text() == "kernels"
    assert left(mlx_folder().parent / ".staging") == []


def test_without_a_network_one_sentence_says_so(wheels: Path) -> None:
    for wheel in wheels.glob("*.whl"):
        wheel.unlink()
    with pytest.raises(DownloadError, match="Cannot install MLX: pip says: No matching dist"):
        mlx_add_on.install()
    assert not mlx_folder().exists()


def test_cancelled_it_leaves_nothing(wheels: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(ConversionCancelled):
        mlx_add_on.install(cancel=cancel)
    assert not mlx_folder().exists()
    assert left(mlx_folder().parent / ".staging") == []


def test_the_command_line_installs_lists_and_removes_it(
    wheels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ("--models-dir", str(tmp_path / "models"))
    assert main(["models", "download", "mlx", "contnt", "--yes", *models]) == 2
    assert not mlx_add_on.is_installed()
    assert main(["models", "download", "mlx", "--yes", *models]) == 0
    assert "MLX was installed; run tune" in capsys.readouterr().out
    assert main(["models", "list", *models]) == 0
    (line,) = (each for each in capsys.readouterr().out.splitlines() if " mlx " in each)
    assert line.startswith("installed")
    assert main(["models", "remove", "mlx", "--yes", *models]) == 0
    assert capsys.readouterr().out == "mlx was removed\n"
    assert not mlx_add_on.is_installed()


def test_it_is_refused_where_it_cannot_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mlx_add_on, "is_apple_silicon", lambda: False)
    assert main(["models", "download", "mlx", "--yes"]) == 2
    said = capsys.readouterr().err
    assert (
        said == "urvc: Cannot install MLX: it needs a Mac with Apple silicon; convert without it.\n"
    )
