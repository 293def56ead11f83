"""A library of its own for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.library.voice_library import VoiceLibrary


@pytest.fixture
def library(tmp_path: Path) -> VoiceLibrary:
    return VoiceLibrary(tmp_path / "library")
