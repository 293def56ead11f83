"""Encoder, voice and index of one training belong together; every mixture is one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from recipe.export import export, export_index
from recipe.network import new_encoder, new_voice

from engine import ConversionOptions, Converter, VoiceFiles
from engine import voice as voices
from engine.errors import IndexFileError, VoiceFileError
from engine.paths import starter_dir
from engine.retrieval.index_file import read_index
from engine.voice import encoder_pair_id, index_pair_id
from engine.voice_checkpoint import load_voice
from engine.voice_record import read_record, write_checkpoint

NAME = "paired"
SOUND = (np.random.default_rng(1).normal(size=8000) * 0.1).astype(np.float32)
OPTIONS = ConversionOptions(pitch_method="yin")


def make_set(folder: Path, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(1100, 256)).astype(np.float32)
    export(folder, new_encoder(seed).state_dict(), new_voice(seed).state_dict(), features)


def relabel(folder: Path, **labels: str | None) -> Path:
    """The voice of a set under other labels; None takes one away."""
    record = {**read_record(folder / "voice.pth"), **labels}
    file = folder / "relabelled.pth"
    with file.open("wb") as opened:
        write_checkpoint({k: v for k, v in record.items() if v is not None}, opened)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with two sets of equal sizes."""
    models = tmp_path_factory.mktemp("models")
    make_set(models / NAME, seed=1)
    make_set(models / "another", seed=2)
    for name in (NAME, "another"):
        encoder = models / name / "encoder"
        for file in encoder.iterdir():
            file.rename(models / name / file.name)
    return models


@pytest.fixture(scope="module")
def converter(folder: Path) -> Converter:
    return Converter(models_dir=folder)


def test_what_belongs_together_converts(folder: Path, converter: Converter) -> None:
    voice = relabel(folder / NAME, embedder_model=NAME)
    result = converter.convert(
        SOUND, 16_000, VoiceFiles(voice, folder / NAME / "starter.index"), OPTIONS
    )
    assert result.samples is not None
    assert result.samples.shape == SOUND.shape


def test_an_encoder_of_another_training_is_refused(folder: Path, converter: Converter) -> None:
    voice = relabel(folder / NAME, embedder_model="another")
    with pytest.raises(VoiceFileError, match="not trained with the content encoder"):
        converter.convert(SOUND, 16_000, VoiceFiles(voice), OPTIONS)


def test_a_voice_without_an_id_is_refused_the_starters_kind_of_encoder(
    folder: Path, converter: Converter
) -> None:
    voice = relabel(folder / NAME, embedder_model=NAME, pair_id=None)
    with pytest.raises(VoiceFileError, match="not trained with the content encoder"):
        converter.convert(SOUND, 16_000, VoiceFiles(voice), OPTIONS)


def test_an_index_of_another_training_is_refused(folder: Path, converter: Converter) -> None:
    voice = relabel(folder / NAME, embedder_model=NAME)
    other = folder / "another" / "starter.index"
    with pytest.raises(IndexFileError, match="not made with the voice"):
        converter.convert(SOUND, 16_000, VoiceFiles(voice, other), OPTIONS)


def test_a_community_index_as_wide_as_the_starters_is_refused(
    folder: Path, tmp_path: Path, converter: Converter
) -> None:
    voice = relabel(folder / NAME, embedder_model=NAME)
    features = np.random.default_rng(5).normal(size=(1100, 256)).astype(np.float32)
    export_index(tmp_path / "added_v1.index", features)
    with pytest.raises(IndexFileError, match="not made with the voice"):
        converter.convert(SOUND, 16_000, VoiceFiles(voice, tmp_path / "added_v1.index"), OPTIONS)


def test_the_starters_index_is_refused_to_a_community_voice_of_its_width(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "encoder").symlink_to(folder / NAME)
    monkeypatch.setattr(voices, "starter_dir", lambda: shipped)
    config = json.loads((folder / NAME / "config.json").read_text())
    del config["pair_id"]
    models = tmp_path / "models"
    (models / "plain").mkdir(parents=True)
    (models / "plain" / "config.json").write_text(json.dumps(config))
    (models / "plain" / "model.safetensors").symlink_to(folder / NAME / "model.safetensors")
    voice = relabel(folder / NAME, embedder_model="plain", pair_id=None)
    plain = Converter(models_dir=models)
    own = plain.convert(SOUND, 16_000, VoiceFiles(voice), OPTIONS)
    assert own.samples is not None
    files = VoiceFiles(voice, folder / NAME / "starter.index")
    with pytest.raises(IndexFileError, match="belongs to the starter voice"):
        plain.convert(SOUND, 16_000, files, OPTIONS)


def test_the_set_that_ships_is_a_pair() -> None:
    voice = load_voice(starter_dir() / "voice.pth").card.pair_id
    assert voice is not None
    assert voice == encoder_pair_id(starter_dir() / "encoder")
    assert voice == index_pair_id(read_index(starter_dir() / "starter.index").rows)
