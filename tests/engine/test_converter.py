"""The converter keeps models, never state; its results are exactly as long as their sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine import (
    CancelToken,
    ConversionOptions,
    Converter,
    OptimizationConfig,
    StageProgress,
    VoiceFiles,
    starter_voice,
)
from engine.errors import AudioFileError, ConversionCancelled, OptionError, OutputFileError
from engine.pitch.yin import track_yin
from engine.weights.location import starter_dir
from tests.sound import signal_to_error_db

SAMPLE = starter_dir() / "sample.wav"
STARTER_RATE_HZ = 16_000


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Converter:
    return Converter(tmp_path_factory.mktemp("no-models"), OptimizationConfig(device="cpu"))


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    samples, rate_hz = soundfile.read(SAMPLE, dtype="float32")
    assert rate_hz == STARTER_RATE_HZ
    return samples


def _convert(
    converter: Converter, samples: np.ndarray, options: ConversionOptions, rate_hz: int = 16_000
) -> np.ndarray:
    converted = converter.convert(samples, rate_hz, starter_voice(), options).samples
    assert converted is not None
    return converted


def test_the_pitch_of_the_result_follows_the_source(
    converter: Converter, speech: np.ndarray
) -> None:
    import torch

    converted = _convert(converter, speech, ConversionOptions(semitones=7))
    f0_in, f0_out = (track_yin(torch.from_numpy(x)).numpy() for x in (speech, converted))
    both = (f0_in > 0) & (f0_out > 0)
    assert both.sum() > 0.5 * (f0_in > 0).sum()
    cents = 1200 * np.log2(f0_out[both] / f0_in[both])
    assert abs(np.median(cents) - 700) < 20
    assert np.mean(np.abs(cents - 700) < 50) > 0.85


def test_the_same_job_gives_the_same_samples_whatever_came_before(
    converter: Converter, speech: np.ndarray, tmp_path: Path
) -> None:
    short = speech[:32_000]
    first = ConversionOptions(semitones=3, seed=1, index_rate=1.0, autotune=0.5)
    second = ConversionOptions(semitones=-4, protect=0.5, volume_envelope=0.3, stereo=True)
    both = np.stack([short, short[::-1]], axis=1)
    together = [
        _convert(converter, short, first),
        _convert(converter, both, second, 44_100),
        _convert(converter, short, first),
    ]
    assert np.array_equal(together[0], together[2])
    soundfile.write(tmp_path / "short.wav", short, 16_000, "FLOAT")
    soundfile.write(tmp_path / "both.wav", both, 44_100, "FLOAT")
    arguments = {
        "short": "--pitch 3 --seed 1 --index-rate 1 --autotune 0.5",
        "both": "--pitch -4 --protect 0.5 --volume-envelope 0.3 --stereo",
    }
    for name, expected in (("short", together[0]), ("both", together[1])):
        out = tmp_path / f"{name}-out.wav"
        subprocess.run(
            [sys.executable, "-m", "engine", "convert", str(tmp_path / f"{name}.wav"),
             "-o", str(out), "--subtype", "float", "--device", "cpu", *arguments[name].split()],
            check=True,
        )  # fmt: skip
        fresh, _ = soundfile.read(out, dtype="float32")
        assert np.array_equal(fresh, expected)


def test_noise_comes_from_the_seed_alone(converter: Converter, speech: np.ndarray) -> None:
    short = speech[:16_000]
    one, other = (_convert(converter, short, ConversionOptions(seed=seed)) for seed in (1, 2))
    silent, also_silent = (
        _convert(converter, short, ConversionOptions(seed=seed, noise=False)) for seed in (1, 2)
    )
    assert not np.array_equal(one, other)
    assert np.array_equal(silent, also_silent)


def test_every_length_rate_and_channel_count_comes_out_exactly_as_long(
    converter: Converter,
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        rate_hz = int(rng.choice([8_000, 11_127, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]))
        n = int(rng.integers(1, max(2, rate_hz // 4)))
        channels = int(rng.integers(1, 4))
        stereo = bool(rng.integers(2))
        out_hz = [None, 40_000, 44_100][int(rng.integers(3))]
        samples = (0.1 * rng.standard_normal((n, channels))).astype(np.float32)
        options = ConversionOptions(stereo=stereo, output_rate_hz=out_hz)
        result = converter.convert(samples, rate_hz, starter_voice(), options)
        assert result.samples is not None
        expected = int(np.floor(n * (out_hz or STARTER_RATE_HZ) / rate_hz + 0.5))
        assert result.rate_hz == (out_hz or STARTER_RATE_HZ)
        assert len(result.samples) == expected
        assert result.samples.ndim == (2 if stereo else 1)
        if stereo:
            assert result.samples.shape[1] == min(channels, 2)
        assert np.isfinite(result.samples).all()


def test_silence_stays_silent(converter: Converter, speech: np.ndarray) -> None:
    quiet = np.concatenate([speech[:16_000], np.zeros(48_000, np.float32), speech[:16_000]])
    converted = _convert(converter, quiet, ConversionOptions())
    pause = converted[24_000:56_000]
    spoken = np.sqrt(np.mean(converted[:16_000] ** 2))
    assert np.sqrt(np.mean(pause**2)) < 0.01 * spoken


def test_equal_channels_stay_equal_in_stereo(converter: Converter, speech: np.ndarray) -> None:
    short = speech[:24_000]
    both = _convert(converter, np.stack([short, short], 1), ConversionOptions(stereo=True))
    alone = _convert(converter, short, ConversionOptions())
    assert signal_to_error_db(both[:, 0], both[:, 1]) > 100
    assert signal_to_error_db(alone, both[:, 0]) > 80


def test_sound_stays_where_it_was(converter: Converter) -> None:
    """A burst of voice in the middle of silence comes out at the same instant."""
    speech, _ = soundfile.read(SAMPLE, dtype="float32")
    for offset in (4_000, 20_000):
        source = np.zeros(48_000, np.float32)
        burst = speech[8_000:16_000]
        source[offset : offset + len(burst)] = burst
        converted = _convert(converter, source, ConversionOptions(noise=False))
        energy_in, energy_out = (
            np.convolve(x.astype(np.float64) ** 2, np.ones(800), "same")
            for x in (source, converted)
        )
        lag = np.correlate(energy_out, energy_in, "full").argmax() - (len(source) - 1)
        assert abs(lag) < 320  # 20 ms, one frame of the content encoder


def test_a_cancel_leaves_no_file(converter: Converter, tmp_path: Path) -> None:
    token = CancelToken()

    def stop(progress: StageProgress) -> None:
        if progress.stage == "pitch":
            token.cancel()

    output = tmp_path / "out.wav"
    with pytest.raises(ConversionCancelled):
        converter.convert_file(SAMPLE, starter_voice(), output=output, listener=stop, cancel=token)
    assert list(tmp_path.iterdir()) == []


def test_progress_only_grows_and_ends_at_one(converter: Converter, tmp_path: Path) -> None:
    heard: list[StageProgress] = []
    result = converter.convert_file(
        SAMPLE, starter_voice(), output_dir=tmp_path, listener=heard.append
    )
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert set(result.stage_s) == {
        "load", "decode", "filter", "pitch", "content", "retrieval", "synthesis", "write",
    }  # fmt: skip
    assert result.output_path == tmp_path / "sample (Starter).wav"
    assert sum(result.stage_s.values()) <= result.taken_s


def test_results_never_overwrite_each_other(converter: Converter, tmp_path: Path) -> None:
    names = [
        converter.convert_file(SAMPLE, starter_voice(), output_dir=tmp_path).output_path
        for _ in range(2)
    ]
    assert [path.name for path in names if path] == [
        "sample (Starter).wav",
        "sample (Starter) 2.wav",
    ]
    with pytest.raises(OutputFileError, match="sample"):
        converter.convert_file(SAMPLE, starter_voice(), output=names[0])


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0, np.float32), np.full(100, np.nan, np.float32), np.zeros((2, 3, 4), np.float32)],
)
def test_samples_that_are_no_sound_are_refused(converter: Converter, samples: np.ndarray) -> None:
    with pytest.raises(AudioFileError):
        converter.convert(samples, 16_000, starter_voice())


def test_a_speaker_that_is_not_there_is_refused(converter: Converter, speech: np.ndarray) -> None:
    with pytest.raises(OptionError, match="speaker 5"):
        _convert(converter, speech, ConversionOptions(speaker=5))


def test_models_are_given_back(tmp_path: Path) -> None:
    converter = Converter(tmp_path, OptimizationConfig(device="cpu"))
    converter.convert_file(SAMPLE, starter_voice(), output_dir=tmp_path)
    converter.unload()
    again = converter.convert_file(SAMPLE, VoiceFiles(starter_voice().weights), output_dir=tmp_path)
    assert again.output_path is not None
