"""A second take of a cover separates nothing again, and sounds as if nothing had been kept."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile

from engine import ConversionOptions, Converter, OptimizationConfig, VoiceFiles
from engine.audio.names import RECIPE_SUFFIX
from engine.cli import main
from engine.cover.cover import Cover, CoverResult
from engine.cover.options import CoverNetworks, CoverOptions
from engine.disk_cache import CACHE_VARIABLE
from engine.stage_cache import StageCache
from tests.engine.separation.small_networks import song_samples, write_network
from tests.engine.small_set import write_small_set

OPTIONS = ConversionOptions(subtype="float", pitch_method="yin")
COVER = CoverOptions(karaoke="on")
OTHER_VOICE = "another voice"


@dataclass(frozen=True)
class Studio:
    """Small networks for vocals and lead, two voices, and a short song."""

    folder: Path
    song: Path
    voices: tuple[VoiceFiles, VoiceFiles]
    networks: CoverNetworks

    def cover(self, caches: Path) -> Cover:
        """With its caches in this folder."""
        cache = StageCache(caches / "stages")
        converter = Converter(self.folder, OptimizationConfig(device="cpu"), cache=cache)
        return Cover(converter, self.networks, caches / "covers")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("studio")
    small = write_small_set(folder / "models")
    other = shutil.copy(small.voice.weights, folder / "models" / "other.pth")
    song = folder / "song.wav"
    soundfile.write(song, song_samples(12_000), 44_100, "FLOAT")
    separating = folder / "models" / "separation"
    separating.mkdir()
    networks = CoverNetworks(write_network("htdemucs", separating), write_network("bs", separating))
    return Studio(folder / "models", song, (small.voice, VoiceFiles(other)), networks)


def take(made_by: Cover, studio: Studio, folder: Path, **changes: Any) -> CoverResult:
    """A cover with some settings changed."""
    voice = studio.voices[1] if changes.pop(OTHER_VOICE, False) else studio.voices[0]
    of_mix = {name for name in changes if hasattr(COVER, name)}
    cover = dataclasses.replace(COVER, **{name: changes.pop(name) for name in of_mix})
    options = dataclasses.replace(OPTIONS, **changes)
    return made_by.make(studio.song, voice, options, cover, output_dir=folder)


SECOND_TAKES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "other levels": ({"lead_db": -3.0, "backing_db": 1.0}, set()),
    "another key": ({"semitones": 12.0}, {"synthesis"}),
    "another voice": ({OTHER_VOICE: True}, {"synthesis"}),
    "the backing too": ({"backing": "convert"}, {"pitch", "content", "synthesis"}),
    "one voice": ({"karaoke": "off"}, {"pitch", "content", "synthesis"}),
}
"""What is changed, and which of the dear stages run then."""
DEAR = {"separate", "pitch", "content", "synthesis"}


@pytest.fixture(scope="module")
def first(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The caches after a first take."""
    folder = tmp_path_factory.mktemp("first")
    assert set(take(studio.cover(folder), studio, folder).stage_s) >= DEAR
    return folder


@pytest.mark.parametrize("name", SECOND_TAKES)
def test_a_second_take_runs_what_it_has_to_and_sounds_as_with_empty_caches(
    name: str, studio: Studio, first: Path, tmp_path: Path
) -> None:
    changes, stages = SECOND_TAKES[name]
    shutil.copytree(first, tmp_path / "kept")
    again = take(studio.cover(tmp_path / "kept"), studio, tmp_path, **changes)
    assert DEAR & set(again.stage_s) == stages
    whole = take(studio.cover(tmp_path / "empty"), studio, tmp_path, **changes)
    assert again.output_path.read_bytes() == whole.output_path.read_bytes()
    assert again.notes == whole.notes


def test_a_cover_is_repeated_to_the_sample_after_its_caches_are_gone(
    studio: Studio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    models = tmp_path / "models"
    shutil.copytree(studio.folder, models)
    (models / "separation" / "small.th").rename(models / "separation" / "04573f0d.safetensors")
    voice = ["--voice", studio.voices[0].weights, "--index", studio.voices[0].index]
    asked = ["--pitch", "12", "--lead-db", "-2", "--one-pass", "--seed", "3", "--recipe"]
    folders = ["--models-dir", models, "--output-dir", tmp_path]
    command = ["cover", studio.song, *voice, *asked, *folders, "--device", "cpu"]
    assert main([*map(str, command)]) == 0
    recipe = next(tmp_path.glob(f"*{RECIPE_SUFFIX}"))
    capsys.readouterr()
    for caches in ("kept", "gone"):
        if caches == "gone":
            shutil.rmtree(tmp_path / "cache")
        assert main([*map(str, ["repeat", recipe, *folders, "--json"])]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["same"], told["changes"]) == (True, [])
        assert Path(told["output"]).read_bytes() == recipe.with_suffix(".wav").read_bytes()
    assert [*(tmp_path / "cache").rglob("*.f32")]  # it was separated again
