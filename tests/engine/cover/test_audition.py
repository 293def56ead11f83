"""A stretch of a cover, heard before there is a cover."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from engine import CancelToken, Converter, OptimizationConfig, starter_voice
from engine.cover import audition
from engine.cover.audition import CoverAudition, CoverPiece
from engine.cover.cover import Cover
from engine.cover.loudness import GRID_HZ
from engine.cover.options import CoverNetworks, CoverOptions
from engine.errors import ConversionCancelled, UserError
from engine.pipeline import Region
from engine.stage_cache import StageCache
from tests.engine.cover.sums import FLOAT, samples, separated

pytestmark = pytest.mark.usefixtures("sums")

REGION = Region(4.0, 7.5)


@pytest.fixture(scope="module")
def long_song(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s at 44.1 kHz; the same words again and again."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, np.resize(samples(song), (12 * GRID_HZ, 2)), GRID_HZ, "FLOAT")
    return path


class Bench:
    """An audition that tells which stages ran."""

    def __init__(self, folder: Path, networks: CoverNetworks) -> None:
        settings = OptimizationConfig(device="cpu", enable_profiling=True)
        self.converter = Converter(folder / "none", settings, cache=StageCache())
        self.covers = Cover(self.converter, networks, folder / "cache")
        self.audition = CoverAudition(self.covers)
        self.folder = folder

    def hear(
        self, song: Path, region: Region = REGION, options: Any = FLOAT, **asked: Any
    ) -> list[CoverPiece]:
        keywords = {key: asked.pop(key) for key in ("first_s", "cancel") if key in asked}
        self.converter.profiler.reset()
        separated.clear()
        return list(
            self.audition.pieces(
                song, region, starter_voice(), options, CoverOptions(**asked), **keywords
            )
        )

    @property
    def stages(self) -> set[str]:
        return set(self.converter.profiler.report())


@pytest.fixture
def bench(tmp_path: Path, networks: CoverNetworks) -> Bench:
    return Bench(tmp_path, networks)


def sides(samples_: np.ndarray) -> np.ndarray:
    return samples_[:, 0] - samples_[:, 1]


def test_only_the_stretch_is_separated_and_its_first_piece_comes_first(
    bench: Bench, long_song: Path
) -> None:
    pieces = bench.hear(long_song, first_s=4.5)
    bounds = [(each.start_s, len(each.samples)) for each in pieces]
    assert bounds == [
        (4.5, 2 * GRID_HZ), (6.5, GRID_HZ), (4.0, GRID_HZ // 2), (4.0, round(3.5 * GRID_HZ)),
    ]  # fmt: skip
    assert 0 < len(separated) <= 17  # of 25 chunks of the song: the stretch and its margins
    song = samples(long_song)
    for piece in pieces:
        at = round(piece.start_s * GRID_HZ)
        before = song[at : at + len(piece.samples)]
        np.testing.assert_allclose(sides(piece.samples), sides(before), atol=2e-6)
        changed = piece.samples.mean(1) - before.mean(1)
        assert np.abs(changed).max() > 0.05
        level_db = 10 * np.log10(np.mean(piece.samples**2) / np.mean(before**2))
        assert abs(level_db) < 2


def test_another_setting_converts_the_stretch_again_and_a_level_does_not_separate(
    bench: Bench, long_song: Path
) -> None:
    bench.hear(long_song)
    assert {"decode", "separate", "content", "synthesis"} <= bench.stages
    changed = dataclasses.replace(FLOAT, semitones=5.0)
    pieces = bench.hear(long_song, options=changed, lead_db=-60.0)
    assert separated == []
    assert "synthesis" in bench.stages
    assert not {"decode", "separate", "content", "pitch"} & bench.stages
    before = samples(long_song)[4 * GRID_HZ : round(7.5 * GRID_HZ)]
    instruments = before - before.mean(1, keepdims=True)
    np.testing.assert_allclose(pieces[-1].samples, instruments, atol=2e-6)


def test_of_a_finished_cover_the_very_samples_are_heard(
    bench: Bench, song: Path, tmp_path: Path
) -> None:
    region = Region(0.25, 1.5)
    made = bench.covers.make(song, starter_voice(), FLOAT, output_dir=tmp_path)
    (piece,) = bench.hear(song, region)
    assert bench.stages == {"mix"}
    whole = samples(made.output_path)
    np.testing.assert_array_equal(piece.samples, whole[12_000:72_000])
    # Another key: the stems of the whole song are there.
    bench.hear(song, region, dataclasses.replace(FLOAT, semitones=-12.0))
    assert separated == []
    assert "synthesis" in bench.stages


def test_where_nobody_sings_the_song_is_heard(bench: Bench, long_song: Path) -> None:
    assert bench.covers.networks.vocals is not None
    bench.covers.networks.vocals.write_text("0.003")
    pieces = bench.hear(long_song, Region(3.0, 4.0))
    assert "synthesis" not in bench.stages
    np.testing.assert_array_equal(pieces[-1].samples, samples(long_song)[3 * GRID_HZ : 4 * GRID_HZ])


def test_vocals_alone_are_heard_with_their_own_instrumental(
    bench: Bench, long_song: Path, song: Path
) -> None:
    keywords = {"source_kind": "vocals", "lead_db": -60.0}
    piece = bench.hear(long_song, Region(0.2, 1.2), instrumental=song, **keywords)[-1]
    assert separated == []
    bed = soundfile.read(song, dtype="float32")[0]
    found = np.fft.rfft(sides(piece.samples))
    expected = np.fft.rfft(sides(bed[round(0.2 * 48_000) : round(1.2 * 48_000)]))
    assert np.argmax(np.abs(found)) == np.argmax(np.abs(expected))


def test_of_a_very_long_song_only_the_stretch_is_decoded_and_it_sounds_the_same(
    bench: Bench, long_song: Path, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = samples(long_song)
    longer = np.concatenate([before, np.full((GRID_HZ, 2), np.nan, np.float32)])
    source = tmp_path / "longer.wav"
    soundfile.write(source, longer, GRID_HZ, "FLOAT")  # whoever reads all of it refuses it
    expected = bench.hear(long_song, instrumental=song)[-1].samples
    monkeypatch.setattr(audition, "_READ_WHOLE_S", 10.0)
    piece = bench.hear(source, instrumental=song)[-1]
    assert piece.start_s == REGION.start_s
    np.testing.assert_allclose(piece.samples, expected, atol=2e-5)
    beginning = bench.hear(source, Region(0.2, 1.2))[-1]
    heard = before[round(0.2 * GRID_HZ) : round(1.2 * GRID_HZ)]
    np.testing.assert_allclose(sides(beginning.samples), sides(heard), atol=2e-6)
    with pytest.raises(UserError, match="ends before"):
        bench.hear(source, Region(30.0, 40.0))


def test_what_cannot_be_heard_is_said(bench: Bench, long_song: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ends before"):
        bench.hear(long_song, Region(30.0, 40.0))
    with pytest.raises(UserError, match=r"none\.wav"):
        bench.hear(tmp_path / "none.wav")
    with pytest.raises(UserError, match="separate the song"):
        Bench(tmp_path, CoverNetworks()).hear(long_song)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(ConversionCancelled):
        bench.hear(long_song, cancel=cancel)
