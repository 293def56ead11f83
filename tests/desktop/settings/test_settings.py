import dataclasses
import json
from pathlib import Path

import pytest

from desktop.settings.store import Settings
from desktop.settings.table import IDLE_MINUTES, NOTIFY, OUTPUT_PLACE, SETTINGS
from desktop.voices.draft import Draft
from desktop.voices.voice_list import VoiceList
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions

DEVICE = next(each for each in SETTINGS if each.key == "optimization.device")


@pytest.fixture
def file(tmp_path: Path, qapp: object) -> Path:
    return tmp_path / "settings.json"


def test_a_change_is_emitted_immediately_and_saved(file: Path) -> None:
    settings = Settings(file, {})
    told: list[str] = []
    settings.changed.connect(told.append)
    settings.set(NOTIFY, value=False)
    settings.set(NOTIFY, value=False)
    settings.set(OUTPUT_PLACE, "folder")
    settings.flush()
    assert told == ["notify", "output_place"]
    again = Settings(file, {})
    assert (again.value(NOTIFY), again.value(OUTPUT_PLACE)) == (False, "folder")
    again.reset_page("general")
    assert (again.value(NOTIFY), again.value(OUTPUT_PLACE)) == (True, "beside")


FIRST_VERSION = """{
 "values": {"notify": false, "output_place": "folder", "output_folder": "/out", "language": "zh_TW",
  "optimization.device": "cpu", "optimization.batch_size": 2, "idle_minutes": 5, "mirror": ""},
 "memory": {"window.geometry": "AdnQywAD", "settings_window.pane": "voices",
  "draft.voice": "starter",
  "shared_networks.offered": true,
  "draft.options": {"starter": {"semitones": 3.0, "volume_envelope": 0.5, "pitch_method": "yin"}}}
}"""
"""As the app wrote it before the options had a table."""


def test_settings_of_an_older_version_are_read(file: Path) -> None:
    file.write_text(FIRST_VERSION)
    settings = Settings(file, {})
    assert (settings.value(NOTIFY), settings.value(IDLE_MINUTES)) == (False, 5)
    assert (settings.value(DEVICE), settings.optimization().batch_size) == ("cpu", 2)
    assert settings.output_dir() == Path("/out")
    draft = Draft(settings, VoiceList(file.parent / "voices"))
    assert draft.options == ConversionOptions(
        semitones=3.0, volume_envelope=0.5, pitch_method="yin"
    )


def test_an_invalid_value_is_ignored(file: Path) -> None:
    file.write_text(
        json.dumps({"values": {"idle_minutes": -3, "notify": "yes", "output_place": 7}})
    )
    settings = Settings(file, {})
    assert settings.value(IDLE_MINUTES) == IDLE_MINUTES.default
    assert settings.value(NOTIFY) is True
    assert settings.value(OUTPUT_PLACE) == "beside"
    settings.set(IDLE_MINUTES, 100_000)
    assert settings.value(IDLE_MINUTES) == IDLE_MINUTES.default


@pytest.mark.parametrize("text", ["", "[", "[]", '{"values": 3, "memory": []}'])
def test_a_damaged_file_counts_as_missing(file: Path, text: str) -> None:
    file.write_text(text)
    settings = Settings(file, {})
    assert all(settings.value(each) == each.default for each in SETTINGS)


def test_every_flag_of_the_engine_is_in_the_table(file: Path) -> None:
    flags = {f"optimization.{field.name}" for field in dataclasses.fields(OptimizationConfig)}
    assert flags <= {each.key for each in SETTINGS}
    assert Settings(file, {}).optimization() == OptimizationConfig()


def test_the_environment_overrides_and_locks_the_setting(file: Path) -> None:
    assert DEVICE.variable is not None
    settings = Settings(file, {DEVICE.variable: "cpu"})
    settings.set(DEVICE, "auto")
    assert settings.overridden_by(DEVICE) == DEVICE.variable
    assert settings.optimization().device == "cpu"
    nonsense = Settings(file, {DEVICE.variable: "abacus"})
    assert nonsense.overridden_by(DEVICE) is None


def test_keys_are_unique_and_rows_have_labels() -> None:
    keys = [each.key for each in SETTINGS]
    assert len(keys) == len(set(keys))
    assert all(each.label for each in SETTINGS)


@pytest.mark.parametrize("text", ["on", "OFF", "true", "0", "Yes"])
def test_an_environment_switch_means_the_same_to_the_app_and_the_engine(
    tmp_path: Path, text: str
) -> None:
    for switch in ("RVC_USE_FP16", "RVC_SKIP_SILENCE"):
        settings = Settings(tmp_path / "settings.json", {switch: text})
        assert settings.optimization() == OptimizationConfig.from_env(environment={switch: text})
