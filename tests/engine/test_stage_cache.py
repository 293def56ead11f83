"""Another take of a source runs only the stages that it has to, and sounds as without a cache."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from engine import CancelToken, ConversionOptions, Converter, OptimizationConfig, VoiceFiles
from engine.disk_cache import CACHE_VARIABLE, DiskCache, cache_dir
from engine.errors import ConversionCancelled
from engine.option import Option
from engine.options import ConversionResult, all_options
from engine.pitch.tracker import PitchTracker, TrackerContext
from engine.stage_cache import StageCache
from tests.engine.second_device import SECOND, give_second_device
from tests.engine.small_set import SmallSet, write_small_set

CONFIG = OptimizationConfig(device="cpu")
FIRST_STAGES = {"decode", "filter", "pitch", "content"}
DICE = np.random.default_rng(5)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "source.wav"
    time_s = np.arange(32_000) / 16_000
    left = 0.3 * np.sin(2 * np.pi * 200 * time_s) + 0.01 * DICE.standard_normal(len(time_s))
    soundfile.write(path, np.stack([left, 0.5 * left[::-1]], 1), 16_000, "FLOAT")
    return path


@pytest.fixture(scope="module")
def plain(small: SmallSet) -> Converter:
    return Converter(small.models_dir, CONFIG)


def with_cache(small: SmallSet, cache: StageCache) -> Converter:
    return Converter(small.models_dir, CONFIG, cache=cache)


@pytest.fixture(scope="module")
def caching(small: SmallSet) -> Converter:
    """Its cache is to be replaced; the networks stay loaded."""
    return with_cache(small, StageCache())


def convert(
    converter: Converter,
    source: Path,
    voice: VoiceFiles,
    folder: Path,
    options: ConversionOptions | None = None,
) -> tuple[np.ndarray, ConversionResult]:
    options = dataclasses.replace(options or ConversionOptions(), subtype=None)
    result = converter.convert_file(source, voice, options, output_dir=folder)
    assert result.output_path is not None
    return soundfile.read(result.output_path, dtype="float32")[0], result


def other_value(option: Option, folder: Path) -> Any:
    """A value that is not the default."""
    if option.name == "pitch_method":
        return "yin"  # which Automatic takes, too, but that is not known before
    if option.kind == "switch":
        return not option.default
    if option.kind == "choice":
        return next(e.value for e in option.choices() if e.value not in (option.default, "auto"))
    if option.kind == "file":
        curve = folder / "curve.csv"
        curve.write_text("0.0,150\n1.0,300\n2.0,200\n")
        return curve
    special = {"f0_min_hz": 210.0, "f0_max_hz": 190.0, "speaker": 2, "output_rate_hz": 22_050}
    number = special.get(option.name, option.low if option.default != option.low else option.high)
    return int(number) if option.kind == "whole number" else float(number)


NAMES = sorted(each.name for each in all_options() if each.name != "overwrite")


@pytest.mark.parametrize("name", NAMES)
def test_a_take_with_one_other_option_sounds_as_without_a_cache(
    small: SmallSet,
    plain: Converter,
    caching: Converter,
    source: Path,
    tmp_path: Path,
    name: str,
) -> None:
    option = next(each for each in all_options() if each.name == name)
    options = ConversionOptions().with_values({name: other_value(option, tmp_path)})
    caching.cache = StageCache()
    convert(caching, source, small.voice, tmp_path)
    expected, _ = convert(plain, source, small.voice, tmp_path, options)
    found, result = convert(caching, source, small.voice, tmp_path, options)
    np.testing.assert_array_equal(found, expected)
    ran = FIRST_STAGES & set(result.stage_s)
    if not option.affects:
        assert ran <= ({"pitch"} if name == "f0_file" else set())
    if name in {"f0_min_hz", "f0_max_hz", "pitch_method"}:
        assert ran == {"pitch"}
    if name == "stereo":
        assert ran == FIRST_STAGES


def test_a_take_with_the_same_options_runs_only_the_last_stages(
    small: SmallSet, source: Path, tmp_path: Path
) -> None:
    converter = with_cache(small, StageCache())
    first, before = convert(converter, source, small.voice, tmp_path)
    again, after = convert(converter, source, small.voice, tmp_path)
    assert set(before.stage_s) >= FIRST_STAGES
    assert not FIRST_STAGES & set(after.stage_s)
    np.testing.assert_array_equal(again, first)


def test_a_changed_file_of_the_same_name_is_another_source(
    small: SmallSet, plain: Converter, source: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(source.read_bytes())
    converter = with_cache(small, StageCache())
    convert(converter, copy, small.voice, tmp_path)
    samples, rate_hz = soundfile.read(copy)
    samples[20_000] += 0.2
    soundfile.write(copy, samples, rate_hz, "FLOAT")
    found, result = convert(converter, copy, small.voice, tmp_path)
    assert set(result.stage_s) >= FIRST_STAGES
    np.testing.assert_array_equal(found, convert(plain, copy, small.voice, tmp_path)[0])


def test_other_networks_are_not_taken_for_those_before(
    small: SmallSet, source: Path, tmp_path: Path
) -> None:
    cache = StageCache(tmp_path / "cache")
    convert(with_cache(small, cache), source, small.voice, tmp_path)
    other = write_small_set(tmp_path / "other")
    weights = other.models_dir / "hubert_base" / "model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(weights).items()}, weights)
    found, result = convert(with_cache(other, cache), source, other.voice, tmp_path)
    assert "content" in result.stage_s
    expected, _ = convert(Converter(other.models_dir, CONFIG), source, other.voice, tmp_path)
    np.testing.assert_array_equal(found, expected)


def test_another_version_of_torch_is_not_taken_for_the_one_before(
    small: SmallSet, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(with_cache(small, StageCache(tmp_path / "cache")), source, small.voice, tmp_path)
    monkeypatch.setattr(torch, "__version__", "0.0.1")
    converter = with_cache(small, StageCache(tmp_path / "cache"))
    _, result = convert(converter, source, small.voice, tmp_path)
    assert {"pitch", "content"} <= set(result.stage_s)


def test_what_ran_elsewhere_for_want_of_memory_is_kept_as_such(
    small: SmallSet, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = True

    def factory(context: TrackerContext) -> PitchTracker:
        def track(audio: torch.Tensor) -> torch.Tensor:
            if short and context.device == SECOND:
                raise MemoryError
            hz = 300.0 if context.device == SECOND else 200.0
            return torch.full((len(audio) // 160 + 1,), hz)

        return track

    monkeypatch.setattr("engine.pitch.yin.yin_tracker", factory)
    give_second_device(monkeypatch)
    options = ConversionOptions(pitch_method="yin")
    converter = Converter(small.models_dir, CONFIG, cache=StageCache(), examine_device=False)
    pitches = []
    for short in (True, False, False):  # noqa: B007 - read by the tracker
        _, result = convert(converter, source, small.voice, tmp_path, options)
        assert result.f0_hz is not None
        pitches.append(result.f0_hz[0])
    assert pitches == [200.0, 300.0, 300.0]


def test_the_disk_serves_the_next_process_and_a_damaged_file_is_made_again(
    small: SmallSet, source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    first, _ = convert(with_cache(small, StageCache(folder)), source, small.voice, tmp_path)
    again, result = convert(with_cache(small, StageCache(folder)), source, small.voice, tmp_path)
    assert not {"pitch", "content"} & set(result.stage_s)
    np.testing.assert_array_equal(again, first)
    files = [*folder.glob("*.safetensors")]
    assert len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:-50])
    files[1].write_bytes(b"no such file")
    found, result = convert(with_cache(small, StageCache(folder)), source, small.voice, tmp_path)
    assert {"pitch", "content"} <= set(result.stage_s)
    np.testing.assert_array_equal(found, first)


def test_a_cancelled_take_leaves_nothing_wrong(
    small: SmallSet, source: Path, tmp_path: Path
) -> None:
    converter = with_cache(small, StageCache())
    expected, _ = convert(Converter(small.models_dir, CONFIG), source, small.voice, tmp_path)
    for stop_at in ("decode", "filter", "pitch", "content", "retrieval"):
        cancel = CancelToken()

        def listen(step: Any, stop_at: str = stop_at, cancel: CancelToken = cancel) -> None:
            if step.stage == stop_at:
                cancel.cancel()

        with pytest.raises(ConversionCancelled):
            converter.convert_file(
                source, small.voice, output_dir=tmp_path, listener=listen, cancel=cancel
            )
    np.testing.assert_array_equal(convert(converter, source, small.voice, tmp_path)[0], expected)


def test_a_full_disk_costs_the_cache_only(small: SmallSet, source: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    cache = StageCache(blocked)
    first, _ = convert(with_cache(small, cache), source, small.voice, tmp_path)
    again, result = convert(with_cache(small, cache), source, small.voice, tmp_path)
    np.testing.assert_array_equal(again, first)
    assert "content" not in result.stage_s  # from memory


def test_a_disk_that_fills_up_while_a_result_is_written_costs_that_file_only(
    tmp_path: Path,
) -> None:
    cache = StageCache(tmp_path)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, usual[1]))
    try:
        cache.keep(("large",), torch.ones(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert cache.find(("large",)) is not None  # from memory
    assert list(tmp_path.iterdir()) == []


def test_memory_stays_within_its_limit(tmp_path: Path) -> None:
    cache = StageCache(memory_bytes=1000)
    for number in range(200):
        cache.keep((number,), torch.full((60,), number))  # 480 bytes
    held = [number for number in range(200) if cache.find((number,)) is not None]
    assert held == [198, 199]
    cache.keep(("large",), torch.zeros(1000))
    assert cache.find(("large",)) is None


def test_what_is_kept_does_not_change_with_the_tensor_it_came_from() -> None:
    cache, result = StageCache(), torch.ones(3)
    cache.keep(("a",), result)
    result.zero_()
    found = cache.find(("a",))
    assert found is not None
    assert found.tolist() == [1, 1, 1]


def test_half_precision_features_come_back_from_the_disk(tmp_path: Path) -> None:
    made = torch.randn(2, 5).to(torch.bfloat16)
    StageCache(tmp_path).keep(("a", 1), made)
    found = StageCache(tmp_path).find(("a", 1))
    assert found is not None
    assert torch.equal(found, made)


def disk(folder: Path, most_bytes: int = 1000) -> DiskCache:
    return DiskCache(folder, ".bin", most_bytes)


def test_a_file_is_found_by_all_of_its_key(tmp_path: Path) -> None:
    cache = disk(tmp_path)
    path = cache.write(("song", 1), b"abc")
    assert cache.find(("song", 1)) == path
    assert [cache.find(key) for key in (("song", 2), ("song",), ("song1",), ("song", "1"))] == (
        [None] * 4
    )


def test_a_failure_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        disk(tmp_path).write(("song",), b"ab")
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_files_go_first(tmp_path: Path) -> None:
    cache = disk(tmp_path, most_bytes=9)
    paths = [cache.write((name,), b"abc") for name in "abc"]
    for age, path in zip((30, 10, 20), paths, strict=True):
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    cache.find(("a",))
    cache.write(("d",), b"abc")
    assert [path.exists() for path in paths] == [True, True, False]


def test_what_a_killed_process_left_is_removed_and_what_another_writes_stays(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / f".{'0' * 16}.part", tmp_path / f".{'1' * 16}.part"
    for path in (old, new):
        path.write_bytes(b"half")
    with new.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        disk(tmp_path).write(("song",), b"abc")
        assert (old.exists(), new.exists()) == (False, True)


def test_all_can_be_deleted(tmp_path: Path) -> None:
    cache = disk(tmp_path)
    path = cache.write(("song",), b"abc")
    cache.clear()
    assert not path.exists()


def test_the_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_dir("stems") == tmp_path / "stems"
    assert cache_dir("stems", tmp_path / "own") == tmp_path / "own"
