"""A whole song: the voice is replaced, everything else stays.

The vocals of the song are in the middle and the instruments on the sides, so that a sum of both
channels separates them without a fault.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from engine import CancelToken, ConversionOptions, Converter, starter_voice
from engine.audio.reader import read_audio
from engine.audio.resampling import resample
from engine.audio.source import Sound
from engine.audio.tags.file_tags import read_tags
from engine.audio.tags.tag import Tags
from engine.audio.writer import write_sound
from engine.cli import main
from engine.cover.cover import Cover
from engine.cover.limiter import CEILING, true_peaks
from engine.cover.loudness import GRID_HZ, frame_energies, integrated_lufs
from engine.cover.options import CoverNetworks, CoverOptions
from engine.errors import ConversionCancelled, OptionError, UserError
from tests.engine.audio.sound_file import encode
from tests.engine.cover.sums import FLOAT, INNER, make, samples, separated
from tests.engine.cover.track import track_of
from tests.engine.separation.small_networks import write_network

pytestmark = pytest.mark.usefixtures("sums")


def test_only_the_voice_changes(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    result = make(converter, song, networks, tmp_path)
    before, after = samples(song), samples(result.output_path)
    assert after.shape == before.shape
    assert result.rate_hz == 48_000
    sides = [each[:, 0] - each[:, 1] for each in (before, after)]
    np.testing.assert_allclose(sides[1], sides[0], atol=2e-6)
    middles = [each.mean(1) for each in (before, after)]
    assert np.abs(middles[1] - middles[0]).max() > 0.05
    levels = [
        integrated_lufs(frame_energies(track_of(resample(each, 48_000, GRID_HZ)), weighted=True))
        for each in middles
    ]
    assert levels[1] == pytest.approx(levels[0], abs=0.5)


def test_another_key_or_level_needs_no_separation(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    make(converter, song, networks, tmp_path)
    assert set(separated) == {"vocals.network"}
    separated.clear()
    other = dataclasses.replace(FLOAT, semitones=12, index_rate=0.2)
    make(converter, song, networks, tmp_path, other, lead_db=-3.0, instrumental_db=2.0)
    assert separated == []
    copy = tmp_path / "copy.wav"
    copy.write_bytes(song.read_bytes())
    make(converter, copy, networks, tmp_path)  # the content counts, not the name
    assert separated == []
    changed = samples(song)
    changed[1000] += 0.01
    soundfile.write(copy, changed, 48_000, "FLOAT")
    make(converter, copy, networks, tmp_path)
    assert separated
    separated.clear()
    assert networks.vocals is not None
    networks.vocals.write_text("1 another network")
    make(converter, song, networks, tmp_path)
    assert separated
    separated.clear()
    networks.vocals.with_suffix(".yaml").write_text("inference:\n  num_overlap: 4\n")
    make(converter, song, networks, tmp_path)
    assert separated


def test_one_pass_is_a_separation_of_its_own(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    asked = []
    for one_pass in (False, True, False, True):
        make(converter, song, networks, tmp_path, one_pass=one_pass)
        asked.append(len(separated))
        separated.clear()
    assert 0 < asked[1] < asked[0]
    assert asked[2:] == [0, 0]


def test_levels_and_muted_instruments(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    full = samples(make(converter, song, networks, tmp_path).output_path)
    alone = make(converter, song, networks, tmp_path, instrumental_db=-60.0).output_path
    quiet = make(converter, song, networks, tmp_path, lead_db=-6.0).output_path
    voice = full.mean(1)
    np.testing.assert_allclose(samples(alone)[INNER], np.stack([voice] * 2, 1)[INNER], atol=1e-4)
    lower = voice * 10 ** (-6 / 20)
    np.testing.assert_allclose(samples(quiet).mean(1)[INNER], lower[INNER], atol=1e-4)


def test_an_own_instrumental_and_vocals_need_no_network(
    converter: Converter, song: Path, tmp_path: Path
) -> None:
    sides = samples(song)
    vocals, instrumental = tmp_path / "vocals.wav", tmp_path / "instrumental.wav"
    soundfile.write(vocals, sides.mean(1), 48_000, "FLOAT")
    longer = np.concatenate([sides[:, 0] - sides.mean(1), np.full(5000, 0.1)])
    soundfile.write(instrumental, np.stack([longer, -longer], 1), 48_000, "FLOAT")
    result = make(
        converter, vocals, CoverNetworks(), tmp_path, source_kind="vocals",
        instrumental=instrumental,
    )  # fmt: skip
    after = samples(result.output_path)
    np.testing.assert_allclose((after[:, 0] - after[:, 1]) / 2, longer, atol=1e-5)
    assert np.abs(after.mean(1)).max() > 0.05
    assert separated == []


def test_backing_voices_are_kept_or_muted(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    lead = tmp_path / "lead.network"
    lead.write_text("0.7")  # leaves 30 % of the voice as backing
    both = dataclasses.replace(networks, karaoke=lead)
    kept = make(converter, song, both, tmp_path, karaoke="on")
    muted = make(converter, song, both, tmp_path, karaoke="on", backing="mute")
    backing = 0.3 * samples(song).mean(1)
    difference = samples(kept.output_path) - samples(muted.output_path)
    np.testing.assert_allclose(difference.mean(1)[INNER], backing[INNER], atol=1e-4)
    # Lead and "backing" are one voice, which is noticed: then all of it is converted.
    found = samples(make(converter, song, both, tmp_path).output_path)
    whole = samples(make(converter, song, networks, tmp_path).output_path)
    np.testing.assert_array_equal(found, whole)


def test_the_room_is_put_back_behind_the_voice(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    dry = tmp_path / "dry.network"
    dry.write_text("0.8")
    roomy = dataclasses.replace(networks, dereverb=dry)
    with_room = samples(make(converter, song, roomy, tmp_path, room_db=0.0).output_path)
    without = samples(make(converter, song, roomy, tmp_path, room_db=-60.0).output_path)
    room = 0.2 * samples(song).mean(1)
    difference = (with_room - without).mean(1)
    np.testing.assert_allclose(difference[INNER], room[INNER], atol=1e-4)


def test_stems_are_kept_on_request(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    result = make(converter, song, networks, tmp_path, keep_stems=True)
    names = {path.name for path in result.stems}
    assert names == {"song (vocals).wav", "song (instrumental).wav", "song (converted).wav"}
    vocals, instrumental = (
        samples(tmp_path / f"song ({name}).wav") for name in ("vocals", "instrumental")
    )
    expected = resample(samples(song), 48_000, GRID_HZ)
    np.testing.assert_allclose(vocals + instrumental, expected, atol=1e-6)


def test_an_overloaded_mix_stays_below_the_ceiling(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    result = make(converter, song, networks, tmp_path, lead_db=12.0)
    assert true_peaks(track_of(samples(result.output_path))).max() <= CEILING


def test_cancelling_the_separation_leaves_nothing(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    cancel = CancelToken()
    made_by = Cover(converter, networks, tmp_path / "cache")

    def listen(step: Any) -> None:
        if step.stage == "separate":
            cancel.cancel()

    with pytest.raises(ConversionCancelled):
        made_by.make(song, starter_voice(), output_dir=tmp_path, listener=listen, cancel=cancel)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"vocals.network"}


def test_progress_rises_to_the_end(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    heard: list[Any] = []
    made_by = Cover(converter, networks, tmp_path / "cache")
    result = made_by.make(song, starter_voice(), output_dir=tmp_path, listener=heard.append)
    fractions = [step.fraction for step in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {"decode", "separate", "content", "synthesis", "mix"} <= set(result.stage_s)


def test_a_shift_against_the_instruments_is_said(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    notes = {
        semitones: make(
            converter, song, networks, tmp_path, dataclasses.replace(FLOAT, semitones=semitones)
        ).notes
        for semitones in (3.0, 12.0)
    }
    assert any("instruments" in str(note) for note in notes[3.0])
    assert not any("instruments" in str(note) for note in notes[12.0])


def test_the_key_comes_from_the_lead(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    found: list[Any] = []

    def choose(pitch: Any) -> float:
        found.append(pitch)
        return -12.0

    made_by = Cover(converter, networks, tmp_path / "cache")
    result = made_by.make(song, starter_voice(), output_dir=tmp_path, choose_key=choose)
    assert result.semitones == -12.0
    assert 70 < found[0].median_hz < 350


def test_without_the_network_nothing_is_written(
    converter: Converter, song: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="separate the song"):
        make(converter, song, CoverNetworks(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"lead_db": 40.0}, {"backing": "loud"}, {"quality": "good"}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        CoverOptions(**wrong)


def test_the_command_says_what_is_missing(
    song: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["cover", str(song), "--models-dir", str(tmp_path), "--device", "cpu"])
    out, err = capfd.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "84.1 MB" in err
    assert "models download vocals-fast" in err


def test_the_command_makes_a_cover(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a real, small network instead of the ideal one."""
    monkeypatch.undo()
    monkeypatch.setenv("URVC_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "separation"
    folder.mkdir()
    write_network("htdemucs", tmp_path).rename(folder / "04573f0d.safetensors")
    settings = ["--device", "cpu", "--json", "--format", "flac", "--pitch", "12"]
    folders = ["--models-dir", str(tmp_path), "--output-dir", str(tmp_path)]
    code = main(["cover", str(song), *folders, *settings])
    out, err = capfd.readouterr()
    assert code == 0, err
    told = json.loads(out)
    assert Path(told["output"]).name == "song (Starter).flac"
    assert samples(Path(told["output"])).shape == samples(song).shape
    assert told["semitones"] == 12


@pytest.mark.parametrize("wrong", ["voice", "index", "pitch method", "curve", "backing voice"])
def test_what_cannot_be_converted_is_said_before_the_song_is_separated(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path, wrong: str
) -> None:
    damaged = tmp_path / "damaged.pth"
    damaged.write_text("a,b")
    voice, options, cover = starter_voice(), FLOAT, CoverOptions()
    backing = dataclasses.replace(voice, weights=damaged) if wrong == "backing voice" else None
    if wrong == "voice":
        voice = dataclasses.replace(voice, weights=damaged)
    elif wrong == "index":
        voice = dataclasses.replace(voice, index=damaged)
    elif wrong == "pitch method":
        options = dataclasses.replace(options, pitch_method="rmvpe")
    elif wrong == "curve":
        options = dataclasses.replace(options, f0_file=damaged)
    else:
        cover = CoverOptions(backing="convert")
    with pytest.raises(UserError):
        Cover(converter, networks, tmp_path / "cache").make(
            song, voice, options, cover, backing_voice=backing, output_dir=tmp_path
        )
    assert separated == []
    assert {path.name for path in tmp_path.iterdir()} <= {"damaged.pth", "vocals.network", "cache"}


def test_stems_that_lie_beside_their_song_are_no_songs(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("URVC_CACHE_DIR", str(tmp_path / "cache"))
    network = tmp_path / "models" / "separation" / "04573f0d.safetensors"
    network.parent.mkdir(parents=True)
    network.write_text("1")
    album = tmp_path / "album"
    album.mkdir()
    (album / "a.wav").write_bytes(song.read_bytes())
    command = ["cover", str(album), "--models-dir", str(tmp_path / "models"), "--device", "cpu"]
    assert main([*command, "--keep-stems"]) == 0
    assert len(list(album.iterdir())) == 5
    capfd.readouterr()
    assert main(command) == 0
    out, err = capfd.readouterr()
    assert out.count("\n") == 1
    assert "skipped 4 files in folders: made by an earlier conversion" in err
    assert len(list(album.iterdir())) == 6


def test_the_cover_has_the_tags_of_the_song(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    made, rate_hz = soundfile.read(song, dtype="float32")
    tags = Tags.of([("TITLE", "One"), ("ALBUM", "Two")])
    tagged = write_sound(tmp_path / "song.flac", Sound.of(made, rate_hz), "flac", tags=tags)
    result = make(converter, tagged, networks, tmp_path)
    assert read_tags(result.output_path) == tags


def test_the_cover_of_a_video_is_a_video(
    converter: Converter, song: Path, networks: CoverNetworks, tmp_path: Path
) -> None:
    made, rate_hz = soundfile.read(song, dtype="float32")
    film = encode(tmp_path / "song.mp4", made, rate_hz, "aac", "mpeg4")
    options = ConversionOptions(video=True)
    result = make(converter, film, networks, tmp_path, options)
    assert result.output_path.name == "song (Starter).mp4"
    assert abs(len(read_audio(result.output_path).samples) - len(read_audio(film).samples)) <= 1
