from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pytestqt.qtbot import QtBot

from desktop.listen import waveform as waveform_module
from desktop.listen.feeder import Feeder, PlayedFile
from desktop.listen.listen_foot import position_text
from desktop.listen.waveform import PeakBuilder, Waveform, WaveformCache, WaveformScanner
from tests.engine.audio.sound_file import Track, music, mux


def noise(n: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, channels)).astype(np.float32)


def built(sound: np.ndarray, piece: int = 7_001) -> Waveform:
    builder = PeakBuilder(48_000)
    for start in range(0, len(sound), piece):
        builder.add(sound[start : start + piece])
    return builder.waveform()


def true_columns(sound: np.ndarray, n: int) -> np.ndarray:
    parts = np.array_split(sound, n)
    return np.array([[part.min(), part.max()] for part in parts])


@pytest.mark.parametrize("n_columns", [1, 10, 333, 1600])
def test_columns_show_the_extremes_of_their_samples(n_columns: int) -> None:
    t = np.arange(480_000) / 48_000
    sound = (np.sin(2 * np.pi * 300 * t) * t / 10).astype(np.float32)[:, None]
    shown = built(sound).columns(n_columns)
    np.testing.assert_allclose(shown, true_columns(sound, n_columns), atol=0.02)


def test_no_peak_is_lost_at_any_width() -> None:
    sound = np.zeros((300_000, 2), dtype=np.float32)
    sound[123_456, 1] = 0.9
    sound[222_222, 0] = -0.8
    waveform = built(sound)
    for n_columns in (1, 7, 100, 1000, 5000):
        columns = waveform.columns(n_columns)
        assert (columns.min(), columns.max()) == (np.float32(-0.8), np.float32(0.9))
        at = int(np.argmax(columns[:, 1]))
        assert at == pytest.approx(123_456 / 300_000 * n_columns, abs=1.1)


def test_a_part_is_shown_with_the_extremes_of_its_samples() -> None:
    t = np.arange(480_000) / 48_000
    sound = (np.sin(2 * np.pi * 300 * t) * t / 10).astype(np.float32)[:, None]
    shown = built(sound).columns(40, 4.0, 6.0)
    np.testing.assert_allclose(shown, true_columns(sound[4 * 48_000 : 6 * 48_000], 40), atol=0.02)
    late = built(sound).columns(10, 9.0, 11.0)
    assert np.abs(late[:5]).min() > 0.5
    assert not late[6:].any()
    np.testing.assert_array_equal(built(sound).columns(5, 12.0, 13.0), np.zeros((5, 2)))


def test_a_long_sound_needs_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveform_module, "MAX_BINS", 1024)
    sound = noise(1_000_000)
    waveform = built(sound)
    assert len(waveform.levels[0]) <= 1024
    assert waveform.bin_frames == 1024
    np.testing.assert_allclose(waveform.columns(50), true_columns(sound, 50), atol=0.01)


def test_the_time_axis_is_constant_while_the_file_is_read() -> None:
    builder = PeakBuilder(48_000, expected_s=10.0)
    builder.add(noise(48_000))
    partly = builder.waveform(complete=False)
    assert partly.duration_s == 10.0
    columns = partly.columns(100)
    assert np.abs(columns[:9]).min() > 0.5
    assert not columns[11:].any()


def test_very_short_sounds_have_a_waveform() -> None:
    for n in (1, 5, 127, 128, 129):
        columns = built(noise(n)).columns(400)
        assert columns.shape == (400, 2)
        assert np.abs(columns).max() > 0


def test_waveforms_are_cached_until_the_file_changes(tmp_path: Path) -> None:
    cache = WaveformCache(tmp_path / "cache")
    source = tmp_path / "s.wav"
    soundfile.write(source, noise(50_000), 48_000)
    assert cache.load(source) is None
    waveform = built(noise(50_000))
    cache.save(source, waveform)
    found = cache.load(source)
    assert found is not None
    np.testing.assert_array_equal(found.levels[0], waveform.levels[0])
    assert (found.n_frames, found.complete) == (50_000, True)
    soundfile.write(source, noise(60_000), 48_000)
    assert cache.load(source) is None


def test_a_damaged_cache_file_is_ignored(tmp_path: Path) -> None:
    cache = WaveformCache(tmp_path / "cache")
    source = tmp_path / "s.wav"
    soundfile.write(source, noise(5_000), 48_000)
    cache.save(source, built(noise(5_000)))
    (stored,) = (tmp_path / "cache").glob("*.npz")
    whole = stored.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PK" + whole[5:], whole[:100] + whole[140:]):
        stored.write_bytes(damaged)
        assert cache.load(source) is None


def test_an_unwritable_cache_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    source = tmp_path / "s.wav"
    soundfile.write(source, noise(5_000), 48_000)
    cache = WaveformCache(tmp_path / "cache")
    cache.save(source, built(noise(5_000)))
    assert cache.load(source) is None
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "s.wav"}


def test_the_scanner_emits_waveform_and_loudness(qtbot: QtBot, tmp_path: Path) -> None:
    source = tmp_path / "s.wav"
    soundfile.write(source, noise(96_000, 2) * 0.1, 48_000)
    scanner = WaveformScanner(WaveformCache(tmp_path / "cache"))

    def whole(_path: Path, waveform: Waveform) -> bool:  # a busy machine tells parts before
        return waveform.complete

    with qtbot.waitSignal(scanner.updated, timeout=5000, check_params_cb=whole) as told:
        scanner.want(PlayedFile(source))
    file, waveform = told.args
    assert file == PlayedFile(source)
    assert waveform.complete
    assert waveform.duration_s == pytest.approx(2.0)
    assert -26 < waveform.loudness_lufs < -16
    scanner.close()


def test_a_file_that_is_not_audio_gives_a_sentence(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "s.wav").write_bytes(b"nothing to hear" * 50)
    scanner = WaveformScanner(WaveformCache(tmp_path / "cache"))
    told: list[str] = []
    scanner.failed.connect(lambda _path, sentence: told.append(sentence))
    scanner.want(PlayedFile(tmp_path / "s.wav"), PlayedFile(tmp_path / "missing.wav"))
    qtbot.waitUntil(lambda: len(told) == 2, timeout=5000)
    assert '"s.wav"' in told[0]
    assert "the file does not exist" in told[1]
    scanner.close()


def test_a_long_file_is_scanned_in_bounded_memory_and_appears_as_it_grows(
    qtbot: QtBot, tmp_path: Path
) -> None:
    source = tmp_path / "long.wav"
    with soundfile.SoundFile(source, "w", 48_000, 2, subtype="PCM_16") as file:
        block = (noise(48_000, 2) * 20_000).astype(np.int16)
        for _ in range(600):
            file.write(block)
    scanner = WaveformScanner(WaveformCache(tmp_path / "cache"))
    seen: list[tuple[bool, float]] = []  # not the waveforms: a slow machine makes many of 4 MB
    scanner.updated.connect(
        lambda _path, waveform: seen.append((waveform.complete, waveform.duration_s))
    )
    tracemalloc.start()
    started_s = time.monotonic()
    scanner.want(PlayedFile(source))
    qtbot.waitUntil(lambda: bool(seen) and seen[-1][0], timeout=30_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    scanner.close()
    assert peak_bytes < 60 * 2**20  # the sound itself would be 230 MB
    assert all(duration_s == pytest.approx(600) for _, duration_s in seen)
    assert len(seen) >= min(2, (time.monotonic() - started_s) / 0.5)


def test_the_track_that_a_job_asks_for_is_drawn_and_played(qtbot: QtBot, tmp_path: Path) -> None:
    sound = 0.5 * music(16_000, 16_000)
    path = mux(tmp_path / "a.mkv", 16_000, [Track(sound), Track(0.1 * sound)])
    scanner = WaveformScanner(WaveformCache(tmp_path / "cache"))
    found: list[float] = []
    scanner.updated.connect(lambda _path, waveform: found.append(waveform.levels[0].max()))
    for track in (None, 2, None):
        found.clear()
        scanner.want(PlayedFile(path, track))
        qtbot.waitUntil(lambda: bool(found), timeout=10_000)
        feeder = Feeder([PlayedFile(path, track)], 16_000, 0.0)
        feeder.wait_until_ready(10.0)
        chunk = feeder.take()
        feeder.close()
        assert chunk is not None
        peak = np.abs(sound).max() * (0.1 if track == 2 else 1)
        assert found[0] == pytest.approx(peak, rel=0.02)
        assert np.abs(chunk[:, 0]).max() == pytest.approx(peak, rel=0.2)
    scanner.close()


def test_files_no_longer_wanted_are_skipped(qtbot: QtBot, tmp_path: Path) -> None:
    long, short = tmp_path / "long.wav", tmp_path / "short.wav"
    with soundfile.SoundFile(long, "w", 48_000, 2, subtype="PCM_16") as file:
        for _ in range(600):
            file.write(np.zeros((48_000, 2), dtype=np.int16))
    soundfile.write(short, noise(1000), 48_000)
    scanner = WaveformScanner(WaveformCache(tmp_path / "cache"))
    complete: list[Path] = []
    scanner.updated.connect(lambda file, waveform: waveform.complete and complete.append(file.path))
    scanner.want(PlayedFile(long))
    scanner.want(PlayedFile(short))
    qtbot.waitUntil(lambda: short in complete, timeout=3000)
    assert long not in complete
    scanner.close()


@pytest.mark.parametrize(
    ("seconds", "longest_s", "text"),
    [
        (0.0, 5.7, "0:00.0"),
        (59.99, 61.0, "0:59.9"),
        (3599.9, 3599.9, "59:59.9"),
        (61.0, 3600.0, "0:01:01"),
        (7322.0, 7322.0, "2:02:02"),
    ],
)
def test_a_position_is_formatted(seconds: float, longest_s: float, text: str) -> None:
    assert position_text(seconds, longest_s) == text
