from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.queue.job import Job, Voice
from desktop.settings.store import Settings
from desktop.settings.table import OUTPUT_FOLDER, OUTPUT_PLACE
from desktop.storage import AppPaths
from desktop.voices.draft import Draft
from desktop.voices.voice_list import VoiceList
from engine.cover.options import CoverOptions
from engine.options import ConversionOptions
from tests.engine.loading import zoo
from tests.weights_maker import small_record

OTHER = Voice("Other", Path("other.pth"), None, "other")


@pytest.fixture
def voices(app_paths: AppPaths, qapp: object) -> VoiceList:
    return VoiceList(app_paths.voices_dir)


def test_a_new_app_has_the_starter_voice(voices: VoiceList, settings: Settings) -> None:
    draft = Draft(settings, voices)
    assert (draft.voice.name, draft.voice.built_in) == ("Starter", True)
    assert draft.voice.weights.is_file()


def test_settings_are_remembered_per_voice_and_across_starts(
    voices: VoiceList, settings: Settings, app_paths: AppPaths
) -> None:
    draft = Draft(settings, voices)
    starter = draft.voice
    draft.set_options(ConversionOptions(semitones=5))
    draft.set_voice(OTHER)
    assert draft.options == ConversionOptions()
    draft.set_options(ConversionOptions(semitones=-3))
    draft.set_voice(starter)
    assert draft.options.semitones == 5
    settings.flush()
    again = Draft(Settings(app_paths.settings_file, {}), voices)
    assert (again.voice, again.options.semitones) == (starter, 5)


def test_a_queued_job_keeps_the_settings_it_was_queued_with(
    voices: VoiceList, settings: Settings, tmp_path: Path
) -> None:
    draft = Draft(settings, voices)
    draft.set_options(ConversionOptions(semitones=1))
    settings.set(OUTPUT_PLACE, "folder")
    settings.set(OUTPUT_FOLDER, str(tmp_path))
    (made,) = draft.make_jobs([Path("a.wav")])
    draft.set_options(ConversionOptions(semitones=2))
    settings.set(OUTPUT_PLACE, "beside")
    assert (made.options.semitones, made.output_dir) == (1, tmp_path)


@pytest.mark.parametrize(
    "cover",
    [None, CoverOptions(backing="convert", lead_db=2.0), CoverOptions(source_kind="vocals")],
    ids=["voice", "song", "vocals"],
)
def test_another_take_can_begin_with_the_settings_of_an_earlier_one(
    voices: VoiceList, settings: Settings, cover: CoverOptions | None
) -> None:
    draft = Draft(settings, voices)
    converts = cover is not None and cover.backing == "convert"
    backing = draft.voice if converts else None
    options = ConversionOptions(semitones=-2, seed=7)
    source = Path("a.wav")
    earlier = Job(
        source=source, voice=draft.voice, options=options, cover=cover, backing_voice=backing
    )
    draft.set_options(ConversionOptions(semitones=5))
    draft.set_file_kind("song" if cover is None else "voice")
    draft.take_over(earlier)
    (made,) = draft.make_jobs([source])
    assert replace(made, id=earlier.id) == earlier


def test_a_dropped_voice_is_installed_and_a_broken_one_says_why(
    voices: VoiceList, qtbot: QtBot, tmp_path: Path
) -> None:
    import torch

    good, broken = tmp_path / "Aria.pth", tmp_path / "broken.zip"
    (tmp_path / "Aria.index").write_bytes(b"no index")
    torch.save(small_record(), good)
    broken.write_bytes(b"no archive")
    sentences: list[str] = []
    voices.refused.connect(sentences.append)
    with qtbot.waitSignals([voices.installed, voices.refused], timeout=20_000):
        voices.install([good, broken])
    assert [each.name for each in voices.voices()] == ["Starter", "Aria"]
    assert not voices.is_installing
    assert len(sentences) == 1
    assert "broken.zip" in sentences[0]
    assert "Aria: imported without its index" in sentences[0]


def installed(voices: VoiceList, tmp_path: Path) -> Voice:
    (tmp_path / "Aria.pth").write_bytes(zoo.voice())
    voices.library.import_files([tmp_path / "Aria.pth"])
    voices.library.set_defaults("Aria", {"semitones": 12.0})
    voices.refresh()
    return voices.voices()[1]


def test_a_voice_has_its_default_settings_and_reset_restores_them(
    voices: VoiceList, settings: Settings, tmp_path: Path
) -> None:
    aria = installed(voices, tmp_path)
    draft = Draft(settings, voices)
    draft.set_voice(aria)
    assert draft.options == ConversionOptions(semitones=12)
    draft.set_options(ConversionOptions(semitones=5))
    draft.set_voice(voices.voices()[0])
    draft.set_voice(aria)
    assert draft.options.semitones == 5
    draft.reset()
    assert draft.options == draft.usual == ConversionOptions(semitones=12)


def test_changed_defaults_apply_to_an_unchanged_voice(
    voices: VoiceList, settings: Settings, tmp_path: Path
) -> None:
    draft = Draft(settings, voices)
    draft.set_voice(installed(voices, tmp_path))
    draft.set_options(ConversionOptions(semitones=3))
    voices.library.set_defaults("Aria", {"protect": 0.1})
    voices.refresh()
    assert draft.options == ConversionOptions(semitones=3)
    draft.reset()
    voices.library.set_defaults("Aria", {"protect": 0.2})
    voices.refresh()
    assert draft.options == ConversionOptions(protect=0.2)


def test_the_current_settings_can_become_the_voices_defaults(
    voices: VoiceList, settings: Settings, qtbot: QtBot, tmp_path: Path
) -> None:
    draft = Draft(settings, voices)
    draft.set_voice(installed(voices, tmp_path))
    draft.set_options(ConversionOptions(semitones=-7, index_rate=0.5, file_format="flac"))
    with qtbot.waitSignal(voices.changed, timeout=10_000):
        draft.make_usual()
    assert voices.library.get("Aria").defaults == {"index_rate": 0.5, "semitones": -7}
    draft.reset()
    assert draft.options == ConversionOptions(semitones=-7, index_rate=0.5)
