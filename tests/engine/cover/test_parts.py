"""The parts of a finished cover: they add up to it, and mix it again at other levels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from engine import ConversionOptions, Converter, starter_voice
from engine.audio.reader import read_audio
from engine.cover.cover import Cover, CoverResult
from engine.cover.limiter import limited_stretch
from engine.cover.mix import sound_of
from engine.cover.options import PARTS, CoverNetworks, CoverOptions
from engine.cover.parts import CoverParts, PartCache
from engine.errors import UserError
from tests.engine.cover.sums import FLOAT, make, samples, separated
from tests.engine.cover.track import samples_of

pytestmark = pytest.mark.usefixtures("sums")


@pytest.fixture
def split(networks: CoverNetworks, tmp_path: Path) -> CoverNetworks:
    """Networks for all four parts."""
    lead, dry = tmp_path / "lead.network", tmp_path / "dry.network"
    lead.write_text("0.7")
    dry.write_text("0.8")
    return dataclasses.replace(networks, karaoke=lead, dereverb=dry)


@pytest.fixture
def short(song: Path, tmp_path: Path) -> Path:
    """A quarter of a second of it."""
    path = tmp_path / "short.wav"
    soundfile.write(path, samples(song)[:12_000], 48_000, "FLOAT")
    return path


def parts_of(result: CoverResult, folder: Path) -> CoverParts:
    found = PartCache(folder / "cache" / "covers").find(result.parts)
    assert found is not None
    return found


def test_the_parts_can_be_played_and_add_up_to_the_cover(
    converter: Converter, song: Path, split: CoverNetworks, tmp_path: Path
) -> None:
    levels = {"room_db": 2.0, "lead_db": 12.0, "instrumental_db": 6.0}
    result = make(converter, song, split, tmp_path, karaoke="on", **levels)
    parts = parts_of(result, tmp_path)
    assert tuple(parts.paths) == PARTS
    written = samples(result.output_path)
    for path in parts.paths.values():
        played = read_audio(path)
        assert (played.rate_hz, played.samples.shape) == (48_000, written.shape)
        assert np.abs(played.samples).max() > 0.01
    mix = parts.open(CoverOptions(**levels).gains())
    assert np.abs(samples_of(mix)).max() > 1.0  # so that the limiter has something to do
    heard = [
        limited_stretch(mix, start, min(start + 7_000, len(mix)))
        for start in range(0, len(mix), 7_000)
    ]
    np.testing.assert_array_equal(np.concatenate(heard), written)


LEVELS: list[dict[str, Any]] = [
    {"lead_db": -3.0, "instrumental_db": 2.0},
    {"backing": "mute", "room_db": -60.0},
    {"lead_db": 12.0, "backing_db": -12.0},
]


def test_other_levels_run_the_mix_alone_and_give_the_file_that_a_whole_cover_gives(
    converter: Converter, short: Path, split: CoverNetworks, tmp_path: Path
) -> None:
    first = make(converter, short, split, tmp_path, karaoke="on")
    for number, levels in enumerate(LEVELS):
        separated.clear()
        again = make(converter, short, split, tmp_path, karaoke="on", **levels)
        assert set(again.stage_s) == {"mix"}
        assert separated == []
        assert again.parts == first.parts
        elsewhere = tmp_path / str(number)
        elsewhere.mkdir()
        whole = make(converter, short, split, elsewhere, karaoke="on", **levels)
        assert {"separate", "synthesis"} <= set(whole.stage_s)
        assert again.output_path.read_bytes() == whole.output_path.read_bytes()
        assert (again.notes, again.source_s) == (whole.notes, whole.source_s)
        assert again.f0_hz is not None
        np.testing.assert_array_equal(again.f0_hz, whole.f0_hz)


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"semitones": 12.0}, {}),
    ({"index_rate": 0.1}, {}),
    ({"seed": 3}, {}),
    ({"output_rate_hz": 32_000}, {}),
    ({}, {"karaoke": "off"}),
    ({}, {"dereverb": "off"}),
    ({}, {"backing": "convert"}),
    ({}, {"source_kind": "vocals"}),
]


def test_other_parts_are_made_where_a_setting_changes_them(
    converter: Converter, short: Path, split: CoverNetworks, tmp_path: Path
) -> None:
    names = {make(converter, short, split, tmp_path, karaoke="on").parts}
    for options, cover in CHANGES:
        asked = dataclasses.replace(FLOAT, **options)
        again = make(converter, short, split, tmp_path, asked, **{"karaoke": "on", **cover})
        assert len(again.stage_s) > 1, (options, cover)
        names.add(again.parts)
    assert len(names) == 1 + len(CHANGES)


def test_another_file_format_needs_no_conversion_but_another_rate_does(
    converter: Converter, short: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    high = dataclasses.replace(FLOAT, output_rate_hz=96_000)
    make(converter, short, networks, tmp_path, high)
    flac = ConversionOptions(file_format="flac", output_rate_hz=96_000)
    assert set(make(converter, short, networks, tmp_path, flac).stage_s) == {"mix"}
    mp3 = ConversionOptions(file_format="mp3", output_rate_hz=96_000)  # holds 48 kHz at most
    assert len(make(converter, short, networks, tmp_path, mp3).stage_s) > 1


@pytest.mark.parametrize("broken", ["one part", "all parts", "record", "cut off"])
def test_a_cover_is_made_again_where_its_parts_are_gone_or_damaged(
    converter: Converter, short: Path, networks: CoverNetworks, tmp_path: Path, broken: str
) -> None:
    first = make(converter, short, networks, tmp_path)
    files = sorted((tmp_path / "cache" / "covers").iterdir())
    for path in files:
        if path.suffix == ".json" and broken == "record":
            path.write_text("{")
        elif path.suffix == ".wav" and broken == "cut off":
            path.write_bytes(path.read_bytes()[:-8])
        elif path.suffix == ".wav" and broken == "all parts":
            path.unlink()
    if broken == "one part":
        next(path for path in files if path.suffix == ".wav").unlink()
    again = make(converter, short, networks, tmp_path)
    assert len(again.stage_s) > 1
    assert again.output_path.read_bytes() == first.output_path.read_bytes()


def test_another_voice_network_or_converter_is_noticed(
    converter: Converter, short: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    first = make(converter, short, networks, tmp_path)
    assert networks.vocals is not None
    networks.vocals.write_text("0.9")
    other_network = make(converter, short, networks, tmp_path)
    starter = starter_voice()
    plain = dataclasses.replace(starter, index=None)
    other_voice = Cover(converter, networks, tmp_path / "cache").make(
        short, plain, FLOAT, output_dir=tmp_path
    )
    before = converter.optimization
    faster = dataclasses.replace(before, skip_silence=not before.skip_silence)
    elsewhere = Converter(converter.models_dir, faster)
    other_machine = make(elsewhere, short, networks, tmp_path)
    names = {each.parts for each in (first, other_network, other_voice, other_machine)}
    assert len(names) == 4


@pytest.mark.parametrize("missing", ["song", "voice", "index", "instrumental"])
def test_what_is_missing_is_said(
    converter: Converter, short: Path, networks: CoverNetworks, tmp_path: Path, missing: str
) -> None:
    none = tmp_path / "none.x"
    voice = starter_voice()
    if missing == "voice":
        voice = dataclasses.replace(voice, weights=none)
    elif missing == "index":
        voice = dataclasses.replace(voice, index=none)
    cover = CoverOptions(instrumental=none if missing == "instrumental" else None)
    with pytest.raises(UserError, match=r"none\.x"):
        Cover(converter, networks, tmp_path / "cache").make(
            none if missing == "song" else short, voice, FLOAT, cover, output_dir=tmp_path
        )


def test_without_a_place_for_the_parts_the_cover_is_the_same(
    converter: Converter, short: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    kept = make(converter, short, networks, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cache").mkdir(parents=True)
    (elsewhere / "cache" / "covers").write_text("not a folder")
    result = make(converter, short, networks, elsewhere)
    assert result.output_path.read_bytes() == kept.output_path.read_bytes()
    assert PartCache(elsewhere / "cache" / "covers").find(result.parts) is None


def test_the_oldest_covers_make_room_for_new_ones(
    converter: Converter, short: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    first = make(converter, short, networks, tmp_path)
    parts = parts_of(first, tmp_path)
    one = sum(path.stat().st_size for path in parts.paths.values())
    cache = PartCache(tmp_path / "cache" / "covers", round(1.5 * one))
    mix = parts.open(CoverOptions().gains())
    sounds = {
        part: sound_of(track, parts.channels, parts.rate_hz) for part, track in mix.parts.items()
    }
    assert cache.keep("another", sounds, parts.facts) is not None
    assert cache.find("another") is not None
    assert cache.find(first.parts) is None


def test_a_remark_on_the_level_of_a_part_names_the_part(
    converter: Converter, short: Path, split: CoverNetworks, tmp_path: Path
) -> None:
    soundfile.write(short, 0.05 * samples(short), 48_000, "FLOAT")
    said = make(converter, short, split, tmp_path, backing="convert", karaoke="on").notes
    quiet = sorted(str(note) for note in said if "very quiet" in str(note))
    assert [note.partition(" very quiet")[0] for note in quiet] == [
        "the backing voices are",
        "the lead is",
    ]


@pytest.mark.parametrize("backing", ["keep", "convert"])
def test_the_voices_of_a_quiet_song_stay_as_quiet(
    converter: Converter, song: Path, split: CoverNetworks, tmp_path: Path, backing: str
) -> None:
    levels_db = []
    for factor in (1.0, 0.1, 0.03):
        scaled = tmp_path / f"{factor}.wav"
        soundfile.write(scaled, factor * samples(song), 48_000, "FLOAT")
        made = make(converter, scaled, split, tmp_path, backing=backing, karaoke="on")
        middle = samples(made.output_path).mean(1) / factor
        levels_db.append(20 * np.log10(np.std(middle)))
    assert levels_db == pytest.approx([levels_db[0]] * 3, abs=2.0)
