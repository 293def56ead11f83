"""The timings name by what, where and how precisely each stage ran."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
from pytestqt.qtbot import QtBot

from desktop.queue.engine_protocol import Order
from desktop.queue.job import JobState, Voice, job_from_record, job_to_record
from desktop.queue.job_details import TimingView
from desktop.queue.job_text import timings_text
from desktop.queue.live_timings import LiveTimings
from desktop.queue.worker import ConverterEngine
from engine import accelerators
from engine.accelerators import Accelerator, register
from engine.optimization import OptimizationConfig
from engine.paths import starter_dir
from engine.progress import CancelToken
from engine.stages import Part
from tests.desktop.fake_engine import job

right = True


def offers(part: Part, device: str, config: OptimizationConfig) -> bool:
    return part == "vocoder"


def build(part: Part, source: Any, config: OptimizationConfig, device: str) -> Any:
    """The voice's own vocoder, or one that is upside down."""
    return lambda *given: source.vocode(*given) if right else -source.vocode(*given)


@pytest.mark.parametrize("agrees", [True, False])
def test_the_timings_of_a_conversion_name_accelerator_and_precision_and_its_remarks_say_why_not(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, *, agrees: bool
) -> None:
    monkeypatch.setattr(f"{__name__}.right", agrees)
    monkeypatch.setattr(accelerators, "ACCELERATORS", [*accelerators.ACCELERATORS])
    monkeypatch.setenv("URVC_TUNING_DIR", str(tmp_path / "tuning"))
    for name in ("SLOWER_RATIO", "ACCELERATOR_RATIO"):  # only results count here
        monkeypatch.setattr(f"engine.examination.{name}", float("inf"))
    register(Accelerator("mlx", __name__, always_half=True))
    samples, rate_hz = soundfile.read(starter_dir() / "sample.wav")
    soundfile.write(tmp_path / "a.wav", samples[:rate_hz], rate_hz)
    config, live = OptimizationConfig(device="cpu"), LiveTimings("x")
    starter = starter_dir()
    voice = Voice("Starter", starter / "voice.pth", starter / "starter.index")
    waiting = replace(job(tmp_path / "a.wav"), voice=voice, output_dir=tmp_path)
    made = ConverterEngine(config).convert(Order(waiting, config, CancelToken()), live)
    done = replace(waiting, state=JobState.FINISHED, stages=made.stages, notes=made.notes)
    finished = job_from_record(job_to_record(done))
    assert finished is not None
    view = TimingView()
    qtbot.addWidget(view)
    view.show_stages(finished.stages, 1.0, 1.0)
    lines = view.toolTip().splitlines()
    synthesis = "CPU+MLX, half precision" if agrees else "CPU"
    assert f"Synthesis: {synthesis}" in lines
    assert "Pitch: CPU" in lines
    assert f"  {synthesis}" in timings_text(finished)
    why = "the vocoder runs on torch, because mlx gives other numbers than the CPU"
    assert any(why in str(note) for note in finished.notes) is not agrees
