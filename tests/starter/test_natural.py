"""The recipe of the 24 kHz set: what it trains is what the product loads and runs."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from recipe import mel as former_mel
from recipe.chance import Chance
from recipe.export import export_voice
from recipe.natural.mel import BANDS, HOP_SAMPLES, RATE_HZ, latent, log_mel
from recipe.natural.network import CONTENT_WIDTH, VOICE_SIZES, begin_prior, begin_vocoder, new_voice
from recipe.natural.report import Clip, high_band_db, spoken_words
from recipe.natural.vocoder import SEGMENT_FRAMES, smooth_segments
from recipe.network import new_voice as new_former_voice
from recipe.network import prior, vocode
from recipe.track import Tracks
from recipe.vocoder import segments
from recipe.whisper_file import encoder_tensors, read_model, write_encoder

from engine.audio.reader import read_audio
from engine.audio.resampling import resample
from engine.loading import load_content_encoder
from engine.models.synthesizer import Synthesizer, build_synthesizer
from engine.models.whisper import WhisperEncoder
from engine.voice import encoder_pair_id
from engine.voice_checkpoint import load_voice
from tests.starter.small_encoder import small_whisper, write_small_encoder

CPU = torch.device("cpu")
SPEECH = Path(__file__).parents[1] / "data" / "speech_slt.wav"


def model_bin(encoder: WhisperEncoder) -> bytes:
    """The encoder as CTranslate2 writes it: query, key and value in one matrix."""
    state = {name: value.numpy().astype(np.float16) for name, value in encoder.state_dict().items()}
    arrays: dict[str, NDArray[np.float16]] = {}
    for name in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            arrays[f"{name}/{kind}"] = state[f"{name}.{kind}"]
    for layer in range(2):
        ours, theirs = f"layers.{layer}", f"layer_{layer}"
        for part, norm in (("self_attention", "self_attn_layer_norm"), ("ffn", "final_layer_norm")):
            arrays[f"{theirs}/{part}/layer_norm/gamma"] = state[f"{ours}.{norm}.weight"]
            arrays[f"{theirs}/{part}/layer_norm/beta"] = state[f"{ours}.{norm}.bias"]
        heads = [f"{ours}.self_attn.{each}_proj" for each in "qkv"]
        no_bias = np.zeros(64, np.float16)
        arrays[f"{theirs}/self_attention/linear_0/weight"] = np.concatenate(
            [state[f"{each}.weight"] for each in heads]
        )
        arrays[f"{theirs}/self_attention/linear_0/bias"] = np.concatenate(
            [state.get(f"{each}.bias", no_bias) for each in heads]
        )
        linear = {"self_attention/linear_1": "self_attn.out_proj", "ffn/linear_0": "fc1"}
        for part, name in {**linear, "ffn/linear_1": "fc2"}.items():
            for kind in ("weight", "bias"):
                arrays[f"{theirs}/{part}/{kind}"] = state[f"{ours}.{name}.{kind}"]

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    tensors = [
        text("encoder/" + name)
        + struct.pack(f"<B{array.ndim}IBI", array.ndim, *array.shape, 4, array.nbytes)
        + array.tobytes()
        for name, array in arrays.items()
    ]
    head = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(tensors))
    return head + b"".join(tensors)


def test_an_encoder_read_from_ctranslate2_says_what_the_original_says(tmp_path: Path) -> None:
    original = small_whisper(3, width=64, blocks=2)
    (tmp_path / "model.bin").write_bytes(model_bin(original))
    mean, spread = torch.linspace(-1, 1, 64), torch.linspace(0.5, 2, 64)
    tensors = encoder_tensors(read_model(tmp_path / "model.bin"))
    write_encoder(tmp_path / "encoder", tensors, (mean, spread), "0123456789abcdef")
    loaded = load_content_encoder(tmp_path / "encoder")
    sound = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(1)) * 0.1
    assert torch.allclose(loaded(sound), (original(sound) - mean) / spread, atol=1e-4)
    assert encoder_pair_id(tmp_path / "encoder") == "0123456789abcdef"


def test_another_version_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(struct.pack("<I", 5) + bytes(20))
    with pytest.raises(ValueError, match="format 5 instead of 6"):
        read_model(tmp_path / "model.bin")


def test_the_products_loader_takes_the_exported_voice_at_24_khz(tmp_path: Path) -> None:
    trained = new_voice(seed=1)
    export_voice(tmp_path / "voice.pth", trained.state_dict(), "0123456789abcdef", VOICE_SIZES)
    checkpoint = load_voice(tmp_path / "voice.pth")
    loaded = build_synthesizer(checkpoint.sizes, checkpoint.state)
    assert loaded.sizes.sample_rate_hz == RATE_HZ
    features, coarse = torch.randn(1, 30, CONTENT_WIDTH) * 0.3, torch.full((1, 30), 70)
    f0_hz = torch.full((1, 30), 180.0)
    with torch.no_grad():
        before, after = (
            vocode(voice.eval(), prior(voice, features, coarse), f0_hz, Chance.of_step(0, 0))
            for voice in (trained, loaded)
        )
    assert before.shape == (1, 30 * HOP_SAMPLES)
    assert torch.allclose(before, after, atol=2e-3 * float(before.abs().max()) + 1e-5)


def test_frame_j_of_the_mel_is_that_of_samples_240_j() -> None:
    click = torch.zeros(1, 4800)
    click[0, 240 * 7 + 120] = 1.0
    mel = log_mel(click)
    assert mel.shape == (1, BANDS, 20)
    assert int(mel.mean(1).argmax()) == 7


def test_a_vocoder_begun_from_a_16_khz_voice_makes_the_sound_of_that_voice(tmp_path: Path) -> None:
    former = smooth_former_voice()
    export_voice(tmp_path / "voice.pth", former.state_dict(), "0123456789abcdef")
    speech = read_audio(SPEECH, mono=True)
    narrow = speech.samples[: 2 * speech.rate_hz, 0]
    wide = torch.from_numpy(resample(narrow, speech.rate_hz, RATE_HZ)).reshape(2, -1)
    fresh, begun = new_voice(seed=0).eval(), new_voice(seed=0).eval()
    begin_vocoder(begun, tmp_path / "voice.pth", wide)
    f0_hz = torch.full((2, RATE_HZ // HOP_SAMPLES), 110.0)
    with torch.no_grad():
        old_z = former_mel.latent(torch.from_numpy(narrow).reshape(2, -1))
        old = vocode(former, old_z, f0_hz, Chance.of_step(0, 0)).numpy().ravel()
        wanted = resample(old, speech.rate_hz, RATE_HZ)

        def likeness(voice: Synthesizer) -> float:
            made = vocode(voice, latent(wide), f0_hz, Chance.of_step(0, 0))
            return float(np.corrcoef(made.numpy().ravel(), wanted)[0, 1])

        assert likeness(begun) > 0.75
        assert likeness(fresh) < 0.4


def test_a_prior_begun_from_a_16_khz_set_hears_what_that_set_hears(tmp_path: Path) -> None:
    former = new_former_voice(seed=6)
    export_voice(tmp_path / "voice.pth", former.state_dict(), "0123456789abcdef")
    write_small_encoder(tmp_path / "encoder", seed=2, width=256)
    encoder = load_content_encoder(tmp_path / "encoder")
    narrow = torch.from_numpy(read_audio(SPEECH, mono=True).samples[:64_000, 0]).reshape(2, -1)
    wide = torch.from_numpy(resample(narrow.numpy().ravel(), 16_000, RATE_HZ)).reshape(2, -1)
    old = encoder(narrow)
    mixed = torch.randn(256, CONTENT_WIDTH, generator=torch.Generator().manual_seed(1)) / 16
    new = old @ mixed
    voice = new_voice(seed=0)
    begin_prior(voice, tmp_path, wide, new)
    with torch.no_grad():
        begun = voice.enc_p.emb_phone(new)
        wanted = former.enc_p.emb_phone(old)
    assert float((begun - wanted).abs().mean()) < 0.1 * float(wanted.abs().mean())
    layer = "enc_p.encoder.attn_layers.0.conv_q.weight"
    assert torch.allclose(voice.state_dict()[layer], former.state_dict()[layer], atol=1e-3)


def smooth_former_voice() -> Synthesizer:
    """A 16 kHz voice whose kernels at the rate of sound are as even as a trained voice's."""
    voice = new_former_voice(seed=6).eval()
    for name, value in voice.state_dict().items():
        if re.fullmatch(r"dec\.(ups\.2|noise_convs\.\d)\.weight", name):
            value.copy_(value.mean(-1, keepdim=True).expand_as(value))
    return voice


def test_a_segment_has_the_pitch_of_its_own_place() -> None:
    frames = 400
    f0_hz = np.linspace(100, 300, frames, dtype=np.float32)
    ramp = np.repeat(np.arange(frames, dtype=np.int16), HOP_SAMPLES)
    sounds, pitches = Tracks.of([ramp], CPU), Tracks.of([f0_hz], CPU)
    samples, pitch = segments(
        sounds, pitches, 3, Chance.of_step(0, 5), frames=20, hop_samples=HOP_SAMPLES
    )
    first = samples[:, 0] * 32_768
    assert torch.allclose(pitch[:, 0], 100 + first / (frames - 1) * 200, atol=1.0)


def test_a_predicted_latent_goes_with_the_sound_and_pitch_of_its_own_frames() -> None:
    frames = 400
    rising = np.arange(frames, dtype=np.float32)
    sounds = Tracks.of([np.repeat(rising.astype(np.int16), HOP_SAMPLES)], CPU)
    pitches, latents = Tracks.of([rising], CPU), Tracks.of([rising[:, None]], CPU)
    samples, f0_hz, z = smooth_segments(sounds, pitches, latents, 3, Chance.of_step(0, 5))
    assert z.shape == (3, 1, SEGMENT_FRAMES)
    assert torch.equal(z[:, 0], f0_hz)
    assert torch.allclose(samples[:, ::HOP_SAMPLES] * 32_768, f0_hz)


def test_words_are_compared_as_they_are_spoken() -> None:
    assert spoken_words("Front, centre: it's 5!") == ["front", "center", "it's", "five"]
    assert spoken_words("今日は、5時。", "ja") == ["今", "日", "は", "5", "時"]


def test_a_hiss_that_ends_at_8_khz_has_no_high_band() -> None:
    noise = np.random.default_rng(0).normal(size=24_000) * 0.1
    hiss = np.diff(np.diff(noise, prepend=0), prepend=0)
    spectrum = np.fft.rfft(hiss)
    spectrum[8000:] = 0
    dull = np.fft.irfft(spectrum, 24_000)
    bright, dark = (high_band_db([Clip("", [], each, 24_000)]) for each in (hiss, dull))
    assert bright > 0
    assert dark < -20
