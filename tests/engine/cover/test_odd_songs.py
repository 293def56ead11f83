"""Songs that are short, silent, mono, without a voice, in a video, or in another track."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from engine import CancelToken, ConversionOptions, Converter, starter_voice
from engine.audio.reader import read_audio
from engine.cover.cover import Cover
from engine.cover.options import CoverNetworks, CoverOptions
from engine.cover.placement import VoicePlacement, has_voice
from engine.errors import ConversionCancelled
from engine.files import file_sha256
from engine.separation.separator import Separator
from tests.engine.audio.sound_file import Track, mux
from tests.engine.cover.sums import FLOAT, Sums, make, samples, separated
from tests.engine.cover.track import sung, track_of

pytestmark = pytest.mark.usefixtures("sums")


def test_a_song_without_a_voice_stays_as_it_is(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    assert networks.vocals is not None
    networks.vocals.write_text("0.003")  # bleed, 50 dB below the song
    result = make(converter, song, networks, tmp_path, keep_stems=True)
    np.testing.assert_array_equal(samples(result.output_path), samples(song))
    assert "synthesis" not in result.stage_s
    assert any("no voice" in str(note) for note in result.notes)
    assert {path.name for path in result.stems} == {"song (vocals).wav", "song (instrumental).wav"}


@pytest.mark.parametrize("seconds", [1 / 44_100, 0.3])
def test_a_silent_song_gives_a_silent_cover(
    converter: Converter, networks: CoverNetworks, tmp_path: Path, seconds: float
) -> None:
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros((round(seconds * 44_100), 2)), 44_100)
    result = samples(make(converter, path, networks, tmp_path).output_path)
    assert result.shape == (round(seconds * 44_100), 2)
    assert not result.any()


@pytest.mark.parametrize("n", [1, 2_000])
def test_a_very_short_mono_song_gives_as_short_a_mono_cover(
    converter: Converter, networks: CoverNetworks, tmp_path: Path, n: int
) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, 0.5 * np.cos(np.arange(n) / 30), 22_050, "FLOAT")
    result = make(converter, path, networks, tmp_path)
    assert samples(result.output_path).shape == (n, 1)
    assert result.rate_hz == 22_050


def test_bleed_of_the_instruments_is_not_sung() -> None:
    lead = np.stack([sung([0.5, 0.5], silence_s=1.0)] * 2, 1)
    silent = slice(round(1.75 * 44_100), round(2.25 * 44_100))
    instruments = 0.3 * np.random.default_rng(0).standard_normal(lead.shape)
    bleeding, voice = lead + 0.01 * instruments, lead[:, :1].copy()
    voice[silent] = 0.1
    tracks = [track_of(each) for each in (bleeding, voice, lead + instruments)]
    gains = VoicePlacement.match(*tracks).gains
    assert gains[180:220].max() == 0.0
    assert gains[20:130].min() > 0.5
    # The same level of a lead alone is its own quiet end.
    assert VoicePlacement.match(*tracks[:2]).gains[180:220].max() > 0.0
    assert has_voice(tracks[0], tracks[2])
    assert not has_voice(track_of(0.01 * instruments), tracks[2])


def test_the_track_that_is_asked_for_is_sung_and_kept_by_itself(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    sound = samples(song)[: 48_000 // 4]
    path = mux(tmp_path / "film.mkv", 48_000, [Track(0 * sound), Track(sound)], video_s=0.2)
    first, second = (
        make(converter, path, networks, tmp_path, dataclasses.replace(FLOAT, track=track))
        for track in (1, 2)
    )
    assert first.output_path.name == "film (Starter).wav"
    assert not samples(first.output_path).any()
    found = samples(second.output_path)
    sides = [each[: len(sound), 0] - each[: len(sound), 1] for each in (found, sound)]
    np.testing.assert_allclose(sides[0], sides[1], atol=1e-4)  # the film has 16 bit
    assert separated.count("vocals.network") >= 2


@pytest.mark.parametrize("file_format", ["mp3", "m4a", "ogg"])
def test_a_lossy_cover_is_as_long_as_the_song_whatever_sample_type_is_set(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path, file_format: Any
) -> None:
    assert networks.vocals is not None
    networks.vocals.write_text("0")
    options = ConversionOptions(file_format=file_format, subtype="24")
    result = make(converter, song, networks, tmp_path, options)
    assert result.output_path.suffix == f".{file_format}"
    assert len(read_audio(result.output_path).samples) == len(samples(song))
    assert any("sample format" in str(note) for note in result.notes)


def test_stems_louder_than_full_scale_still_add_up(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, 12 * samples(song)[:12_000], 48_000, "FLOAT")
    options = ConversionOptions()
    stems = make(converter, loud, networks, tmp_path, options, keep_stems=True).stems
    kept = {path.name: samples(path) for path in stems}
    assert np.abs(kept["loud (vocals).wav"]).max() > 1.0


def test_a_stem_that_was_cut_off_is_made_again(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    make(converter, song, networks, tmp_path)
    (stem,) = (tmp_path / "cache").glob("*.f32")
    whole = stem.read_bytes()
    stem.write_bytes(whole[:-8])
    separated.clear()
    make(converter, song, networks, tmp_path, dataclasses.replace(FLOAT, semitones=12))
    assert separated
    assert stem.read_bytes() == whole


def test_one_network_is_in_memory_at_a_time(
    converter: Converter,
    song: Path,
    networks: CoverNetworks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lead = tmp_path / "lead.network"
    lead.write_text("0.7")
    made: list[weakref.ref[Sums]] = []
    events: list[str] = []

    def load(path: Path, *, one_pass: bool, sha256: str) -> Sums:
        assert sha256 == file_sha256(path)
        gc.collect()
        assert [each for each in made if each() is not None] == []
        network = Sums(path, one_pass=one_pass)
        made.append(weakref.ref(network))
        events.append(path.stem)
        return network

    monkeypatch.setattr(Separator, "open", load)
    monkeypatch.setattr(converter, "unload", lambda: events.append("unload"))
    make(converter, song, dataclasses.replace(networks, karaoke=lead), tmp_path, karaoke="on")
    assert events == ["unload", "vocals", "unload", "lead"]


def test_the_stems_of_a_long_song_are_kept_together(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    """However little room the cache has: the second stem must not displace the first."""
    lead = tmp_path / "lead.network"
    lead.write_text("0.0001")
    both = dataclasses.replace(networks, karaoke=lead)
    short = tmp_path / "short.wav"
    soundfile.write(short, samples(song)[:12_000], 48_000, "FLOAT")
    made_by = Cover(converter, both, tmp_path / "cache", cache_bytes=1)
    result = made_by.make(
        short, starter_voice(), FLOAT, CoverOptions(karaoke="on"), output_dir=tmp_path
    )
    assert len(samples(result.output_path)) == 12_000


def test_cancelling_the_mix_leaves_nothing(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    cancel = CancelToken()

    def listen(step: Any) -> None:
        if step.stage == "mix" and step.fraction > 0.95:
            cancel.cancel()

    made_by = Cover(converter, networks, tmp_path / "cache")
    with pytest.raises(ConversionCancelled):
        made_by.make(song, starter_voice(), output_dir=tmp_path, listener=listen, cancel=cancel)
    assert not list(tmp_path.glob("*Starter*"))


def test_a_cancel_after_the_last_byte_comes_too_late(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    assert networks.vocals is not None
    networks.vocals.write_text("0")
    cancel = CancelToken()

    def listen(_step: Any) -> None:
        if list(tmp_path.glob("*(Starter).wav")):
            cancel.cancel()

    made_by = Cover(converter, networks, tmp_path / "cache")
    result = made_by.make(
        song, starter_voice(), output_dir=tmp_path, listener=listen, cancel=cancel
    )
    assert cancel.cancelled
    assert result.output_path.is_file()
