from dataclasses import replace
from pathlib import Path

from desktop.queue.job import (
    JobState,
    StageTime,
    job_from_record,
    job_to_record,
)
from desktop.queue.job_text import device_name, milliseconds
from engine.errors import Text
from engine.options import ConversionOptions
from tests.desktop.fake_engine import job


def test_a_job_is_restored_from_its_record() -> None:
    whole = job(
        "名前 é 🎵.wav",
        options=ConversionOptions(semitones=-5, f0_file=Path("a.csv"), file_format="mp3"),
        output_dir=Path("results"),
        state=JobState.FINISHED,
        stages=(StageTime("pitch", 1.5, "mps"),),
        source_s=2.0,
        taken_s=4.0,
        output=Path("results/x.wav"),
        notes=(
            Text("cut off"),
            Text("{share:.0%} of {name} is {what}", share=0.5, name="a {b}", what=Text("silent")),
        ),
        device="mps",
        memory_bytes=3,
        peak_memory_bytes=4,
        parts="0f3a",
    )
    assert job_from_record(job_to_record(whole)) == whole
    assert whole.realtime == 0.5


def test_an_invalid_record_gives_no_job() -> None:
    record = job_to_record(job())
    assert job_from_record({}) is None
    assert job_from_record({**record, "state": "dancing"}) is None
    assert job_from_record({**record, "voice": None}) is None


def test_invalid_options_become_the_defaults() -> None:
    record = {"semitones": 3.0, "protect": 17, "pitch_method": "magic", "gone": 1}
    assert ConversionOptions.from_record(record) == ConversionOptions(semitones=3.0)
    assert ConversionOptions.from_record("nonsense") == ConversionOptions()
    assert ConversionOptions().to_record() == {}


def test_retrying_keeps_the_settings_and_clears_the_outcome() -> None:
    failed = replace(
        job(options=ConversionOptions(semitones=2)), state=JobState.FAILED, message=Text("x")
    )
    again = failed.again()
    assert (again.id, again.options) == (failed.id, failed.options)
    assert (again.state, again.message) == (JobState.WAITING, None)


def test_stages_of_a_song_that_take_minutes_are_told_in_seconds() -> None:
    shown = [milliseconds(seconds) for seconds in (0.0042, 0.85, 9.1, 24.706, 1234.5)]
    assert shown == ["4.2 ms", "850 ms", "9,100 ms", "24.7 s", "1,234.5 s"]


def test_where_a_stage_ran_is_named_as_people_know_it() -> None:
    assert device_name("mps+cpu") == "Metal+CPU"
    assert device_name("mlx+coreml") == "MLX+Core ML"
