"""Small wheels in place of Apple's MLX, and a stand-in for a Mac."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from engine.cli import models
from engine.library import mlx_add_on
from engine.paths import ADD_ONS_VARIABLE


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> str:
    """Write a wheel; its line of a requirements file."""
    about = f"{name.replace('-', '_')}-{version}.dist-info"
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for place, content in files.items():
            wheel.writestr(place, content)
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{about}/WHEEL", tags)
        wheel.writestr(f"{about}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip installs from, two wheels of which share a folder as Apple's do."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    lines = make_wheel(folder, "mlx", "1.0", {"mlx/core.py": "KEY = 'found'\n"})
    lines += make_wheel(folder, "mlx-metal", "1.0", {"mlx/lib/mlx.metallib": "kernels"})
    (folder / "requirements.txt").write_text("--only-binary :all:\n" + lines)
    monkeypatch.setattr(mlx_add_on, "REQUIREMENTS", folder / "requirements.txt")
    monkeypatch.setattr(mlx_add_on, "is_apple_silicon", lambda: True)
    monkeypatch.setattr(models, "is_apple_silicon", lambda: True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv(ADD_ONS_VARIABLE, str(tmp_path / "加 ons"))
    return folder
