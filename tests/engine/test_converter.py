"""The converter keeps networks but no state; results are as long as their sources."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import tracemalloc
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from engine import (
    CancelToken,
    ConversionOptions,
    Converter,
    OptimizationConfig,
    StageProgress,
    VoiceFiles,
    pipeline,
    segments,
    starter_voice,
)
from engine.audio import spool, writer
from engine.errors import (
    AudioFileError,
    ConversionCancelled,
    DeviceError,
    OptionError,
    OutputFileError,
)
from engine.models import compilation
from engine.models.compilation import Compiled
from engine.models.content_encoder import ContentEncoder
from engine.models.synthesizer_sizes import Vocoder
from engine.paths import starter_dir
from engine.pitch.yin import track_yin
from engine.run import Run
from tests.engine.small_set import RATE_HZ as SMALL_RATE_HZ
from tests.engine.small_set import SmallSet, write_small_set
from tests.sound import signal_to_error_db, starter_speech

SAMPLE = starter_dir() / "sample.wav"


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> Converter:
    return Converter(tmp_path_factory.mktemp("no-models"), OptimizationConfig(device="cpu"))


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return starter_speech()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    return write_small_set(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def small_converter(small: SmallSet) -> Converter:
    return Converter(small.models_dir, OptimizationConfig(device="cpu"))


def _convert(converter: Converter, samples: np.ndarray, **options: object) -> np.ndarray:
    """From 16 kHz to 16 kHz."""
    asked = ConversionOptions(output_rate_hz=16_000).with_values(options)
    converted = converter.convert(samples, 16_000, starter_voice(), asked).samples
    assert converted is not None
    return converted


def test_the_pitch_of_the_result_follows_the_source(
    converter: Converter, spoken: np.ndarray
) -> None:
    converted = _convert(converter, spoken, semitones=7.0)
    f0_in, f0_out = (track_yin(torch.from_numpy(x)).numpy() for x in (spoken, converted))
    both = (f0_in > 0) & (f0_out > 0)
    assert both.sum() > 0.5 * (f0_in > 0).sum()
    cents = 1200 * np.log2(f0_out[both] / f0_in[both])
    assert abs(np.median(cents) - 700) < 20
    assert np.mean(np.abs(cents - 700) < 50) > 0.85


def test_the_same_job_gives_the_same_samples_whatever_came_before(
    small: SmallSet, small_converter: Converter, spoken: np.ndarray, tmp_path: Path
) -> None:
    short = spoken[:32_000]
    both = np.stack([short, short[::-1]], axis=1)
    first = ConversionOptions(semitones=3, seed=1, index_rate=1.0, autotune=0.5)
    second = ConversionOptions(
        semitones=-4, protect=0.5, volume_envelope=0.3, stereo=True, speaker=2
    )
    jobs = [(short, 16_000, first), (both, 44_100, second), (short, 16_000, first)]
    together = [
        small_converter.convert(samples, rate_hz, small.voice, options).samples
        for samples, rate_hz, options in jobs
    ]
    assert together[0] is not None
    assert np.array_equal(together[0], together[2])
    soundfile.write(tmp_path / "short.wav", short, 16_000, "FLOAT")
    soundfile.write(tmp_path / "both.wav", both, 44_100, "FLOAT")
    arguments = {
        "short": "--pitch 3 --seed 1 --index-rate 1 --autotune 0.5",
        "both": "--pitch -4 --protect 0.5 --volume-envelope 0.3 --stereo --speaker 2",
    }
    for name, expected in (("short", together[0]), ("both", together[1])):
        out = tmp_path / f"{name}-out.wav"
        command = [
            *(sys.executable, "-m", "engine", "convert", tmp_path / f"{name}.wav", "-o", out),
            *("--voice", small.voice.weights, "--index", small.voice.index),
            *("--models-dir", small.models_dir, "--subtype", "float", "--device", "cpu"),
        ]
        subprocess.run([*map(str, command), *arguments[name].split()], check=True)
        fresh, _ = soundfile.read(out, dtype="float32")
        assert np.array_equal(fresh, expected)


def test_noise_comes_from_the_seed_alone(
    small: SmallSet, small_converter: Converter, spoken: np.ndarray
) -> None:
    short = spoken[:16_000]
    options = [ConversionOptions(seed=seed, noise=on) for on in (True, False) for seed in (1, 2)]
    one, other, silent, also_silent = (
        small_converter.convert(short, 16_000, small.voice, each).samples for each in options
    )
    assert not np.array_equal(one, other)
    assert np.array_equal(silent, also_silent)


def test_every_length_rate_and_channel_count_comes_out_exactly_as_long(
    small: SmallSet, small_converter: Converter
) -> None:
    rng = np.random.default_rng(0)
    rates_hz = (8_000, 11_127, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000)
    for rate_hz, asked_hz, stereo in product(rates_hz, (None, 40_000, 44_100), (False, True)):
        n, channels = int(rng.integers(1, rate_hz // 4)), int(rng.integers(1, 4))
        samples = (0.1 * rng.standard_normal((n, channels))).astype(np.float32)
        options = ConversionOptions(stereo=stereo, output_rate_hz=asked_hz)
        result = small_converter.convert(samples, rate_hz, small.voice, options)
        assert result.samples is not None
        assert result.rate_hz == (asked_hz or SMALL_RATE_HZ)
        assert len(result.samples) == int(np.floor(n * result.rate_hz / rate_hz + 0.5))
        assert result.samples.shape[1:] == ((min(channels, 2),) if stereo else ())
        assert np.isfinite(result.samples).all()


def test_a_result_shorter_than_half_a_sample_is_empty(
    small: SmallSet, small_converter: Converter
) -> None:
    for stereo, shape in ((False, (0,)), (True, (0, 2))):
        samples, options = np.ones((1, 2), np.float32), ConversionOptions(stereo=stereo)
        result = small_converter.convert(samples, 192_000, small.voice, options)
        assert result.samples is not None
        assert result.samples.shape == shape


def test_the_rate_may_be_one_of_numpys_integers(
    small: SmallSet, small_converter: Converter, spoken: np.ndarray
) -> None:
    long = np.tile(spoken[:16_000], 5)
    result = small_converter.convert(long, np.int32(16_000), small.voice)  # type: ignore[arg-type]
    assert result.source_s == 5


@pytest.mark.parametrize("vocoder", list(Vocoder))
def test_every_kind_of_voice_converts(vocoder: Vocoder, tmp_path: Path) -> None:
    files = write_small_set(tmp_path, vocoder)
    converter = Converter(files.models_dir, OptimizationConfig(device="cpu"))
    samples = 0.1 * np.sin(2 * np.pi * 220 * np.arange(8_000) / 16_000).astype(np.float32)
    one, other = (
        converter.convert(samples, 16_000, files.voice, ConversionOptions(seed=seed)).samples
        for seed in (1, 2)
    )
    assert one is not None
    assert len(one) == 4_000
    assert np.abs(one).max() > 0
    assert not np.array_equal(one, other)


def test_silence_stays_silent(converter: Converter, spoken: np.ndarray) -> None:
    quiet = np.concatenate([spoken[:16_000], np.zeros(48_000, np.float32), spoken[:16_000]])
    converted = _convert(converter, quiet)
    pause = converted[24_000:56_000]
    voiced = np.sqrt(np.mean(converted[:16_000] ** 2))
    assert np.sqrt(np.mean(pause**2)) < 0.01 * voiced


def test_an_inverted_channel_does_not_mute_the_other(
    small: SmallSet, small_converter: Converter, spoken: np.ndarray
) -> None:
    short = spoken[:24_000]
    turned = np.stack([short, -short], 1)
    for options in (ConversionOptions(), ConversionOptions(stereo=True)):
        both = small_converter.convert(turned, 16_000, small.voice, options).samples
        alone = small_converter.convert(short, 16_000, small.voice, options).samples
        assert both is not None
        assert alone is not None
        left = both[:, 0] if options.stereo else both
        assert signal_to_error_db(alone.reshape(-1), left) > 60


def test_equal_channels_stay_equal_in_stereo(
    small: SmallSet, small_converter: Converter, spoken: np.ndarray
) -> None:
    short = spoken[:24_000]
    both, alone = (
        small_converter.convert(
            samples, 16_000, small.voice, ConversionOptions(stereo=True)
        ).samples
        for samples in (np.stack([short, short], 1), short)
    )
    assert both is not None
    assert alone is not None
    assert signal_to_error_db(both[:, 0], both[:, 1]) > 100
    assert signal_to_error_db(alone[:, 0], both[:, 0]) > 80


def test_a_delayed_source_gives_an_equally_delayed_result(
    small: SmallSet, small_converter: Converter
) -> None:
    """Exact to the sample; five seconds of silence on both sides keep attention from the ends."""
    burst = 0.3 * np.random.default_rng(3).standard_normal(16_000).astype(np.float32)
    found = []
    for delay in (0, 3_200):
        source = np.zeros(176_000, np.float32)
        source[80_000 + delay : 96_000 + delay] = burst
        result = small_converter.convert(
            source, 16_000, small.voice, ConversionOptions(noise=False, index_rate=0)
        )
        assert result.samples is not None
        found.append(result.samples[40_000 + delay // 2 : 48_000 + delay // 2])
    assert signal_to_error_db(*found) > 30
    shifted = signal_to_error_db(found[0][:-1], found[1][1:])
    assert shifted < signal_to_error_db(*found) - 10


def test_a_long_file_equals_its_pieces_and_loses_nothing_at_the_joints(
    small: SmallSet, small_converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut into pieces or not, the same sound: source phase and noise run on across joints."""
    rng = np.random.default_rng(4)
    seconds = np.arange(60 * 16_000) / 16_000
    glide_hz = 180 + 60 * np.sin(0.7 * seconds)
    source = 0.3 * np.sin(2 * np.pi * np.cumsum(glide_hz) / 16_000)
    source = (source + 0.01 * rng.standard_normal(len(source))).astype(np.float32)
    pieces = small_converter.convert(source, 16_000, small.voice).samples
    monkeypatch.setattr(segments, "MAX_PIECE_FRAMES", 10_000)
    whole = small_converter.convert(source, 16_000, small.voice).samples
    assert pieces is not None
    assert whole is not None
    assert len(pieces) == len(whole) == 60 * SMALL_RATE_HZ
    assert signal_to_error_db(whole, pieces) > 25
    worst_step = np.abs(np.diff(pieces)).max()
    assert worst_step <= 1.2 * np.abs(np.diff(whole)).max()


def _small_result(small: SmallSet, samples: np.ndarray, **flags: object) -> np.ndarray:
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu", **flags))  # type: ignore[arg-type]
    made = converter.convert(samples, 16_000, small.voice, ConversionOptions(seed=5)).samples
    assert made is not None
    return made


@pytest.fixture(scope="module")
def noisy_minute() -> np.ndarray:
    return (0.1 * np.random.default_rng(8).standard_normal(60 * 16_000)).astype(np.float32)


def test_pieces_share_batches_and_equal_single_ones(
    small: SmallSet, noisy_minute: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    plain = ContentEncoder.forward

    def spy(self: ContentEncoder, audio: torch.Tensor, *args: object, **named: object) -> object:
        rows.append(len(audio))
        return plain(self, audio, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ContentEncoder, "forward", spy)
    one_by_one = _small_result(small, noisy_minute, batch_size=1, use_shape_buckets=True)
    assert set(rows) == {1}
    batched = _small_result(small, noisy_minute, batch_size=4, use_shape_buckets=True)
    assert max(rows) >= 2
    assert signal_to_error_db(one_by_one, batched) > 80


def test_tiles_equal_the_whole(small: SmallSet, noisy_minute: np.ndarray) -> None:
    whole, tiles = (
        _small_result(small, noisy_minute[:300_000], tile_frames=frames) for frames in (0, 50)
    )
    assert signal_to_error_db(whole, tiles) > 90


@pytest.fixture(scope="module")
def plain(small: SmallSet, noisy_minute: np.ndarray) -> np.ndarray:
    return _small_result(small, noisy_minute[:200_000])


@pytest.mark.parametrize(
    ("flags", "least_db"),
    [
        ({"use_channels_last": False}, 90),
        ({"use_gpu_filter": True}, 60),
        ({"compile": "torchscript"}, 90),
        ({"use_fp16": True}, 30),
        ({"use_shape_buckets": True}, 20),
        ({"retrieval_weighting": "inverse"}, 10),
        ({"enable_profiling": True}, 200),
    ],
)
def test_every_flag_changes_the_computation_and_keeps_the_sound(
    small: SmallSet,
    noisy_minute: np.ndarray,
    plain: np.ndarray,
    flags: dict[str, object],
    least_db: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Half precision does nothing on a processor without it.
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    changed = _small_result(small, noisy_minute[:200_000], **flags)
    assert signal_to_error_db(plain, changed) >= least_db
    same_arithmetic = {"enable_profiling", "compile"}
    if not same_arithmetic & set(flags):
        assert not np.array_equal(plain, changed)  # a flag that does nothing is a defect


def test_compiling_records_the_vocoder_and_runs_the_recording(
    small: SmallSet, noisy_minute: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Compiled] = []
    plain = compilation.compile_traced

    def spy(module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Compiled:
        made.append(plain(module, example))
        return made[-1]

    monkeypatch.setattr(compilation, "compile_traced", spy)
    _small_result(small, noisy_minute[:100_000], compile="torchscript")
    assert made
    assert all(each.warning is None for each in made)


def test_silence_is_skipped_and_the_rest_stays_the_same(small: SmallSet) -> None:
    source = (0.1 * np.random.default_rng(9).standard_normal(160_000)).astype(np.float32)
    source[48_000:112_000] = 0
    plain, skipped = (_small_result(small, source, skip_silence=on) for on in (False, True))
    assert np.all(skipped[26_000:54_000] == 0)
    assert np.any(plain[26_000:54_000] != 0)
    assert signal_to_error_db(plain[:24_000], skipped[:24_000]) > 90
    assert signal_to_error_db(plain[56_000:], skipped[56_000:]) > 90


def test_a_silent_source_gives_silence(small: SmallSet) -> None:
    assert np.all(_small_result(small, np.zeros(30_000, np.float32)) == 0)


def test_too_little_memory_cuts_the_work_into_smaller_parts_with_a_note(
    small: SmallSet, noisy_minute: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device refuses more than 15 s at a time; the conversion continues in smaller pieces."""
    plain = ContentEncoder.forward

    def tight(self: ContentEncoder, audio: torch.Tensor, *args: object, **named: object) -> object:
        if audio.numel() > 15 * 16_000:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)")
        return plain(self, audio, *args, **named)  # type: ignore[arg-type]

    expected = _small_result(small, noisy_minute[:480_000])
    monkeypatch.setattr(ContentEncoder, "forward", tight)
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu", batch_size=2))
    result = converter.convert(
        noisy_minute[:480_000], 16_000, small.voice, ConversionOptions(seed=5)
    )
    assert result.samples is not None
    assert len(result.samples) == len(expected)
    assert "memory" in result.notes[0]
    assert signal_to_error_db(expected, result.samples) > 15


def test_a_long_file_is_converted_in_less_memory_than_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_MEMORY_BYTES", 1 << 20)
    files = write_small_set(tmp_path, Vocoder.PLAIN)
    converter = Converter(files.models_dir, OptimizationConfig(device="cpu"))
    source = tmp_path / "long.wav"
    second = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
    with soundfile.SoundFile(source, "w", 16_000, 1, subtype="PCM_16") as file:
        for number in range(600):
            file.write(second if number == 2 else np.zeros_like(second))
    tracemalloc.start()
    result = converter.convert_file(source, files.voice, ConversionOptions(index_rate=0))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.output_path is not None
    assert soundfile.info(result.output_path).frames == 600 * SMALL_RATE_HZ
    assert peak_bytes < 4 * 600 * 16_000


def test_pitch_tracked_in_stretches_is_that_of_the_whole(
    small: SmallSet, small_converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vowels on gliding notes with pauses; cut into stretches of 20 s or not."""
    seconds = np.arange(45 * 16_000) / 16_000
    cycles = np.cumsum(180 + 60 * np.sin(0.7 * seconds)) / 16_000
    source = sum(np.sin(2 * np.pi * k * cycles) / k for k in range(1, 6))
    source = (0.2 * source * (seconds % 3.1 < 2.7)).astype(np.float32)
    options = ConversionOptions(noise=False)
    heard: list[float] = []
    whole = small_converter.convert(source, 16_000, small.voice, options).f0_hz
    monkeypatch.setattr(pipeline, "PITCH_STRETCH_FRAMES", 2_000)
    result = small_converter.convert(
        source, 16_000, small.voice, options, listener=lambda step: heard.append(step.fraction)
    )
    assert whole is not None
    assert result.f0_hz is not None
    voiced = whole > 0
    np.testing.assert_array_equal(result.f0_hz > 0, voiced)
    cents = 1200 * np.log2(result.f0_hz[voiced] / whole[voiced])
    assert np.abs(cents).max() < 1  # each stretch is brought to its own level for the tracker
    assert heard == sorted(heard)


def test_nothing_is_left_when_the_disk_for_temporary_sound_is_full(
    converter: Converter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", full)
    with pytest.raises(OutputFileError, match=r"temporary sound .*disk is full"):
        converter.convert_file(SAMPLE, starter_voice(), output_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cancel_while_the_result_is_written_leaves_no_file(
    converter: Converter, spoken: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, encoded = CancelToken(), writer._coded

    def cancelling(*given: object) -> object:
        token.cancel()
        return encoded(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "_coded", cancelling)
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(spoken, 3), 16_000)
    with pytest.raises(ConversionCancelled):
        converter.convert_file(long, starter_voice(), cancel=token)
    assert list(tmp_path.iterdir()) == [long]


def test_a_cancel_leaves_no_file(converter: Converter, tmp_path: Path) -> None:
    token = CancelToken()

    def stop(progress: StageProgress) -> None:
        if progress.stage == "pitch":
            token.cancel()

    output = tmp_path / "out.wav"
    with pytest.raises(ConversionCancelled):
        converter.convert_file(SAMPLE, starter_voice(), output=output, listener=stop, cancel=token)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_reported_while_the_pitch_is_tracked(small: SmallSet) -> None:
    heard: list[StageProgress] = []
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    samples = (0.1 * np.random.default_rng(0).standard_normal(16_000 * 30)).astype(np.float32)
    converter.convert(samples, 16_000, small.voice, listener=heard.append)
    fractions = [each.fraction for each in heard if each.stage == "pitch"]
    assert len(set(fractions)) == len(fractions) > 5
    assert fractions == sorted(fractions)


def test_a_cancel_stops_the_pitch_tracking(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long file spends many seconds there."""
    token = CancelToken()
    pauses: list[None] = []
    plain = Run.pause

    def cancel_at_the_second(self: Run) -> None:
        pauses.append(None)
        if len(pauses) == 2:
            token.cancel()
        plain(self)

    monkeypatch.setattr(Run, "pause", cancel_at_the_second)
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    samples = (0.1 * np.random.default_rng(0).standard_normal(16_000 * 60)).astype(np.float32)
    with pytest.raises(ConversionCancelled):
        converter.convert(samples, 16_000, small.voice, cancel=token)
    assert len(pauses) == 2


def test_replaced_weights_are_noticed(tmp_path: Path, spoken: np.ndarray) -> None:
    files = write_small_set(tmp_path)
    converter = Converter(files.models_dir, OptimizationConfig(device="cpu"))
    before = converter.convert(spoken[:16_000], 16_000, files.voice).samples
    weights = files.models_dir / "hubert_base" / "model.safetensors"
    state = load_file(weights)
    save_file({name: tensor * 1.5 for name, tensor in state.items()}, weights)
    os.utime(weights, (1, 1))
    after = converter.convert(spoken[:16_000], 16_000, files.voice).samples
    assert not np.array_equal(before, after)


def test_too_little_memory_for_the_smallest_piece_is_reported_in_one_sentence(
    small: SmallSet, spoken: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise MemoryError

    monkeypatch.setattr(ContentEncoder, "forward", full)
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    with pytest.raises(DeviceError, match="memory"):
        converter.convert(spoken[:16_000], 16_000, small.voice)


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
    [
        np.zeros(0, np.float32),
        np.full(100, np.nan, np.float32),
        np.zeros((2, 3, 4), np.float32),
        np.full(100, 1e300),
        np.ones(100, np.int16),
    ],
)
def test_invalid_samples_are_refused(converter: Converter, samples: np.ndarray) -> None:
    with pytest.raises(AudioFileError, match="Cannot convert these samples"):
        converter.convert(samples, 16_000, starter_voice())


def test_an_unknown_speaker_is_refused(converter: Converter, spoken: np.ndarray) -> None:
    with pytest.raises(OptionError, match="speaker 5"):
        _convert(converter, spoken, speaker=5)


def test_networks_are_loaded_again_after_unload(tmp_path: Path) -> None:
    converter = Converter(tmp_path, OptimizationConfig(device="cpu"))
    converter.convert_file(SAMPLE, starter_voice(), output_dir=tmp_path)
    converter.unload()
    again = converter.convert_file(SAMPLE, VoiceFiles(starter_voice().weights), output_dir=tmp_path)
    assert again.output_path is not None
