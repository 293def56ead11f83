"""What is trained is what the product runs, and what is exported is what was trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from recipe.chance import Chance
from recipe.distance import energy_distance
from recipe.export import export, export_voice
from recipe.mel import BANDS, log_mel
from recipe.network import VOICE_SIZES, content, new_encoder, new_voice, prior, source_of, vocode
from recipe.track import Tracks
from recipe.vocoder import pitch_between
from recipe.voice import begin

from engine.loading import load_content_encoder
from engine.models.synthesizer import build_synthesizer
from engine.retrieval.index_file import read_index
from engine.voice import encoder_pair_id, index_pair_id
from engine.voice_checkpoint import load_voice
from engine.voice_record import read_record
from tests.starter.small_encoder import write_small_encoder


def test_training_sees_the_features_that_the_product_makes() -> None:
    encoder = new_encoder(seed=0)
    sound = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    trained = content(encoder, sound)
    assert trained.requires_grad
    assert torch.equal(trained.detach(), encoder(sound))


def test_the_source_runs_on_as_the_products_does() -> None:
    voice = new_voice(seed=0)
    f0_hz = torch.tensor([[100.0, 110.0, 0.0, 0.0, 205.0, 210.0]])
    made = source_of(f0_hz, Chance.of_step(0, 0)).phase_cycles[0].numpy()
    expected = voice.frame_phase(f0_hz[0].numpy())
    off = (made - expected - (made[0] - expected[0])) % 1.0
    assert np.minimum(off, 1 - off).max() < 1e-5


def test_every_weight_of_a_new_voice_is_a_number_and_can_learn() -> None:
    voice = new_voice(seed=0)
    assert all(bool(value.isfinite().all()) for value in voice.state_dict().values())
    z = prior(voice, torch.randn(1, 32, 256), torch.full((1, 32), 60))
    made = vocode(voice, z, torch.full((1, 32), 150.0), Chance.of_step(0, 0))
    made.square().sum().backward()
    # Of a coupling that begins as the identity, the last layer has to move first; the prior's
    # spread takes no part.
    waiting = [name for name, value in voice.named_parameters() if value.grad is None]
    assert waiting == []
    still = [name for name, value in voice.named_parameters() if not value.grad.abs().sum() > 0]
    assert all(name.startswith("flow.") and ".post." not in name for name in still), still


def test_a_new_voices_flow_changes_nothing() -> None:
    voice = new_voice(seed=0)
    features = torch.randn(1, 20, 256)
    coarse = torch.full((1, 20), 60)
    mean, _ = voice.prior(features, coarse)
    assert torch.allclose(prior(voice, features, coarse), mean, atol=1e-6)


def test_frame_j_of_the_mel_is_that_of_samples_160_j() -> None:
    click = torch.zeros(1, 3200)
    click[0, 160 * 7 + 80] = 1.0
    mel = log_mel(click)
    assert mel.shape == (1, BANDS, 20)
    assert int(mel.mean(1).argmax()) == 7


def test_a_fresh_noise_scores_better_than_a_steady_buzz_with_its_spectrum() -> None:
    chance = torch.Generator().manual_seed(1)

    def noise() -> torch.Tensor:
        return torch.randn(4, 5120, generator=chance) * 0.1

    frame = torch.randn(4, 160, generator=chance) * 0.1
    buzz = frame.repeat(1, 32)
    fresh, _ = energy_distance(noise(), noise(), noise())
    steady, _ = energy_distance(noise(), buzz, buzz)
    assert float(fresh) < 0.8 * float(steady)


def test_the_true_sound_twice_is_at_no_distance() -> None:
    sound = torch.randn(2, 5120) * 0.1
    loss, figures = energy_distance(sound, sound, sound)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
    assert figures["mel"] == 0.0


def test_pitch_between_frames_is_a_line_and_never_leaves_the_voiced_stretch() -> None:
    f0_hz = np.array([100.0, 110.0, 0.0, 0.0], np.float32)
    tracks = Tracks.of([np.ones(3, np.float32), f0_hz], torch.device("cpu"))
    found = pitch_between(tracks, torch.tensor([1]), torch.tensor([[0.0, 0.5, 1.25, 1.75, 2.5]]))
    assert found[0].tolist() == pytest.approx([100.0, 105.0, 110.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    chance = np.random.default_rng(0)
    features = chance.normal(size=(1200, 256)).astype(np.float32)
    voice = new_voice(seed=1)
    export(folder, new_encoder(seed=1).state_dict(), voice.state_dict(), features)
    return folder


def test_the_products_loader_takes_an_exported_voice_strictly(exported: Path) -> None:
    checkpoint = load_voice(exported / "voice.pth")
    loaded = build_synthesizer(checkpoint.sizes, checkpoint.state)
    trained = new_voice(seed=1).eval()
    features, coarse = torch.randn(1, 30, 256) * 0.3, torch.full((1, 30), 70)
    f0_hz = torch.full((1, 30), 180.0)
    with torch.no_grad():
        before, after = (
            vocode(voice, prior(voice, features, coarse), f0_hz, Chance.of_step(0, 0))
            for voice in (trained, loaded)
        )
    assert torch.allclose(before, after, atol=2e-3 * float(before.abs().max()) + 1e-5)


def test_an_exported_priors_spread_cannot_be_heard(exported: Path) -> None:
    checkpoint = load_voice(exported / "voice.pth")
    loaded = build_synthesizer(checkpoint.sizes, checkpoint.state)
    with torch.no_grad():
        _, log_scale = loaded.prior(torch.randn(1, 10, 256), torch.full((1, 10), 3))
    assert (log_scale == -6.0).all()


def test_the_products_loader_takes_an_exported_encoder_strictly(exported: Path) -> None:
    loaded = load_content_encoder(exported / "encoder")
    trained = new_encoder(seed=1).eval()
    sound = torch.randn(1, 6400, generator=torch.Generator().manual_seed(2)) * 0.1
    assert torch.allclose(loaded(sound), trained(sound), atol=0.02)


def test_encoder_voice_and_index_carry_one_id(exported: Path) -> None:
    voice = load_voice(exported / "voice.pth").card.pair_id
    assert voice is not None
    assert voice == encoder_pair_id(exported / "encoder")
    assert voice == index_pair_id(read_index(exported / "starter.index").rows)


def test_a_set_with_a_whisper_is_a_pair_and_hears_as_before(tmp_path: Path) -> None:
    write_small_encoder(tmp_path / "read", seed=1)
    features = np.random.default_rng(0).normal(size=(1200, 64)).astype(np.float32)
    voice = new_voice(seed=1, sizes=replace(VOICE_SIZES, feature_channels=64))
    export(tmp_path / "set", tmp_path / "read", voice.state_dict(), features)
    exported = load_voice(tmp_path / "set" / "voice.pth")
    assert exported.card.pair_id == encoder_pair_id(tmp_path / "set" / "encoder")
    assert exported.sizes.feature_channels == 64
    sound = torch.randn(1, 6400, generator=torch.Generator().manual_seed(2)) * 0.1
    before, after = (
        load_content_encoder(tmp_path / each)(sound) for each in ("read", "set/encoder")
    )
    assert torch.equal(before, after)


def test_a_voice_that_keeps_a_vocoder_has_its_bits(exported: Path, tmp_path: Path) -> None:
    kept = exported / "voice.pth"
    sizes = replace(VOICE_SIZES, feature_channels=64)
    begun = new_voice(seed=2, sizes=sizes)
    begin(begun, kept)
    export_voice(tmp_path / "voice.pth", begun.state_dict(), "0" * 16, sizes, kept)
    before, after = (read_record(each)["weight"] for each in (kept, tmp_path / "voice.pth"))
    names = [name for name in before if name.startswith(("dec.", "emb_g."))]
    assert len(names) > 50
    assert all(torch.equal(before[name], after[name]) for name in names)
    first = "enc_p.emb_phone.weight"
    assert before[first].shape != after[first].shape
    assert torch.equal(before["enc_p.emb_pitch.weight"], after["enc_p.emb_pitch.weight"])


def test_an_exported_set_is_small_enough_to_ship(exported: Path) -> None:
    size_bytes = sum(file.stat().st_size for file in exported.rglob("*") if file.is_file())
    assert size_bytes < 30_000_000
