"""A song of any length goes through a network piece by piece and comes out as the references do."""

from __future__ import annotations

import errno
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from engine.audio.source import Sound
from engine.errors import ConversionCancelled, OutputFileError
from engine.separation.chunks import DemucsPlan, RoformerPlan
from engine.separation.separator import Separator
from engine.separation.song import SONG_RATE_HZ, Song, remainder, separate, song_of
from tests.engine.separation.make_golden import thinned
from tests.engine.separation.small_networks import (
    CHUNK,
    DATA,
    KINDS,
    LENGTHS,
    song_samples,
    write_network,
)
from tests.sound import agreement_db

Floats = NDArray[np.float32]


def as_song(samples: Floats, path: Path) -> Song:
    samples.astype("<f4").tofile(path)
    return Song.open(path)


def samples_of(sound: Sound) -> Floats:
    return np.concatenate(list(sound.blocks()))


class Unchanged(Separator):
    """A network that gives back what it is given."""

    def __init__(self, plan: DemucsPlan | RoformerPlan) -> None:
        self.plan = plan
        self.normalises = isinstance(plan, DemucsPlan)
        self.device = "cpu"
        self.asked = 0

    def to(self, device: str, *, half: bool = False, record: object = None) -> None:
        pass

    def separate(self, samples: Floats) -> Floats:
        self.asked += 1
        return samples


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_song_equals_the_reference(
    kind: str, length: str, separators: dict[str, Separator], tmp_path: Path
) -> None:
    song = as_song(song_samples(LENGTHS[length]), tmp_path / "song")
    vocals = separate(song, separators[kind], tmp_path / "vocals")
    assert vocals.n == song.n
    with np.load(DATA / f"{kind}.npz") as golden:
        wanted = golden[f"song {length}"]
    found = thinned("song", vocals.read(0, vocals.n))
    level_db = agreement_db(found, wanted)
    print(f"{kind}, {length}: {level_db:.0f} dB")
    assert level_db >= 90


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_song_gives_the_same_bits(
    kind: str, separators: dict[str, Separator], tmp_path: Path
) -> None:
    song = as_song(song_samples(CHUNK), tmp_path / "song")
    found = [separate(song, separators[kind], tmp_path / "v").path.read_bytes() for _ in range(2)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "plan", [DemucsPlan(4410), RoformerPlan(4410), RoformerPlan(4410, 4), RoformerPlan(4410, 1)]
)
@pytest.mark.parametrize("n", [1, 2, 2205, 4409, 4410, 4411, 6615, 6616, 13_231, 99_999])
@pytest.mark.parametrize("shifts", [0, 2])
def test_what_the_network_leaves_unchanged_stays_so(
    plan: DemucsPlan | RoformerPlan, n: int, shifts: int, tmp_path: Path
) -> None:
    samples = song_samples(n) * 3  # louder than full scale
    song = as_song(samples, tmp_path / "song")
    stem = separate(song, Unchanged(plan), tmp_path / "stem", shifts=shifts, seed=4)
    assert stem.n == n
    assert (tmp_path / "stem").stat().st_size == 8 * n
    assert np.abs(stem.read(0, n) - samples).max() < 1e-5


class Blurred(Unchanged):
    """A network that hears 50 samples to each side, and silence beyond its chunk."""

    def separate(self, samples: Floats) -> Floats:
        self.asked += 1
        taps = np.hanning(101) / 50
        return np.stack([np.convolve(each, taps, "same") for each in samples.T], 1).astype("f4")


@pytest.mark.parametrize(
    ("overlapped", "one_pass", "share"),
    [
        (DemucsPlan(4410), DemucsPlan(4410, 0.1), 0.85),
        (RoformerPlan(4410), RoformerPlan(4410, 1), 0.57),
        (RoformerPlan(4410, 4), RoformerPlan(4410, 1), 0.3),
    ],
)
def test_one_pass_does_less_and_differs_only_where_chunks_meet(
    overlapped: DemucsPlan | RoformerPlan,
    one_pass: DemucsPlan | RoformerPlan,
    share: float,
    tmp_path: Path,
) -> None:
    song = as_song(song_samples(99_999), tmp_path / "song")
    networks = [Blurred(overlapped), Blurred(one_pass)]
    stems = [separate(song, each, tmp_path / "stem").read(0, song.n) for each in networks]
    assert networks[1].asked < share * networks[0].asked
    meets = np.zeros(song.n, bool)
    for plan in (overlapped, one_pass):
        for piece in plan.pieces(song.n):
            for edge in (piece.start - piece.skip, piece.start - piece.skip + 4410):
                meets[max(edge - 50, 0) : max(edge + 50, 0)] = True
    np.testing.assert_allclose(stems[1][~meets], stems[0][~meets], atol=1e-6)
    assert not meets.all()
    assert agreement_db(stems[1], stems[0]) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_is_opened_for_one_pass(
    kind: str, separators: dict[str, Separator], tmp_path: Path
) -> None:
    found = Separator.open(write_network(kind, tmp_path), one_pass=True)
    pieces = [len(each.plan.pieces(40 * CHUNK)) for each in (found, separators[kind])]
    assert pieces[0] == 45 < pieces[1]


def test_a_shift_moves_the_pieces_and_repeats_with_its_seed(
    separators: dict[str, Separator], tmp_path: Path
) -> None:
    song = as_song(song_samples(CHUNK), tmp_path / "song")

    def shifted(seed: int, shifts: int = 1) -> Floats:
        separator = separators["htdemucs"]
        stem = separate(song, separator, tmp_path / "stem", shifts=shifts, seed=seed)
        return stem.read(0, stem.n)

    first = shifted(1)
    assert np.array_equal(first, shifted(1))
    assert not np.array_equal(first, shifted(2))
    assert not np.array_equal(first, shifted(1, shifts=0))


def test_vocals_and_the_rest_add_up_to_the_song(
    separators: dict[str, Separator], tmp_path: Path
) -> None:
    song = as_song(song_samples(CHUNK * 2 + 7), tmp_path / "song")
    vocals = separate(song, separators["htdemucs"], tmp_path / "vocals")
    rest = samples_of(remainder(song, vocals))
    assert np.abs(rest + vocals.read(0, song.n) - song.read(0, song.n)).max() < 1e-6
    assert np.abs(rest).max() > 0.01
    at_48k = remainder(song, vocals, 48_000, 48_123)
    assert (at_48k.rate_hz, at_48k.n_frames, len(samples_of(at_48k))) == (48_000, 48_123, 48_123)


def test_a_network_of_instruments_leaves_the_vocals(
    separators: dict[str, Separator], tmp_path: Path
) -> None:
    path = write_network("bs", tmp_path)
    with path.with_suffix(".yaml").open("a", encoding="utf-8") as file:
        file.write("training:\n  instruments: [vocals, other]\n  target_instrument: other\n")
    other = Separator.open(path)
    assert (other.stem, separators["bs"].stem) == ("vocals", "vocals")
    song = as_song(song_samples(CHUNK), tmp_path / "song")
    stem = separate(song, separators["bs"], tmp_path / "stem")
    vocals = separate(song, other, tmp_path / "vocals")
    rest = song.read(0, song.n) - stem.read(0, song.n)
    assert np.abs(vocals.read(0, song.n) - rest).max() < 1e-6


@pytest.mark.parametrize("plan", [DemucsPlan(CHUNK), RoformerPlan(CHUNK)])
def test_memory_does_not_grow_with_the_song(
    plan: DemucsPlan | RoformerPlan, tmp_path: Path
) -> None:
    def peak(minutes: int) -> int:
        path = tmp_path / "song"
        with path.open("wb") as file:
            file.truncate(8 * SONG_RATE_HZ * 60 * minutes)
        tracemalloc.start()
        separate(Song.open(path), Unchanged(plan), tmp_path / "stem")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(3) < peak(1) + (1 << 19)


def test_progress_tells_the_share_and_then_the_time_left(tmp_path: Path) -> None:
    song = as_song(song_samples(50_000), tmp_path / "song")
    heard: list[tuple[float, float | None]] = []
    network = Unchanged(DemucsPlan(4410))
    separate(song, network, tmp_path / "v", progress=lambda *told: heard.append(told))
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1], len(shares)) == (0, 1, network.asked + 1)
    assert [left_s is None for _, left_s in heard] == [True, True, *(False for _ in heard[2:])]
    assert heard[-1][1] == 0


def test_cancelling_between_pieces_leaves_what_was_there(tmp_path: Path) -> None:
    song = as_song(song_samples(50_000), tmp_path / "song")
    (tmp_path / "v").write_bytes(b"old")
    network = Unchanged(DemucsPlan(4410))
    with pytest.raises(ConversionCancelled):
        separate(song, network, tmp_path / "v", cancelled=lambda: network.asked == 3)
    assert network.asked == 3
    assert (tmp_path / "v").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"song", "v"}


@pytest.mark.parametrize(
    ("rate_hz", "channels", "n", "n_song"),
    [(44_100, 2, 30_001, 30_001), (48_000, 1, 48_000, 44_100), (8_000, 2, 1, 6), (96_000, 2, 1, 1)],
)
def test_any_source_becomes_a_song(
    rate_hz: int, channels: int, n: int, n_song: int, tmp_path: Path
) -> None:
    source, tone = tmp_path / "a.wav", np.sin(np.arange(n) * 500 * 2 * np.pi / rate_hz)
    samples = np.stack([tone * (channel + 1) / 4 for channel in range(channels)], 1)
    soundfile.write(source, samples, rate_hz, subtype="FLOAT")
    song, decoded = song_of(source, tmp_path / "song")
    assert (song.n, decoded.rate_hz, decoded.n_frames) == (n_song, rate_hz, n)
    assert song == Song.open(tmp_path / "song")
    found = song.read(0, song.n)
    if rate_hz == SONG_RATE_HZ:
        assert np.array_equal(found, samples.astype(np.float32))
    if channels == 1:
        assert np.array_equal(found[:, 0], found[:, 1])
        assert agreement_db(found[2000:-2000, 0], tone_at_44100(n_song)[2000:-2000]) > 80


def tone_at_44100(n: int) -> Any:
    return np.sin(np.arange(n) * 500 * 2 * np.pi / SONG_RATE_HZ) / 4


def test_what_lies_outside_a_song_is_silent(tmp_path: Path) -> None:
    song = as_song(np.ones((10, 2), np.float32), tmp_path / "song")
    assert song.read(-3, 14)[:, 0].tolist() == [0] * 3 + [1] * 10 + [0] * 4
    assert song.read(-9, -4).tolist() == song.read(20, 25).tolist() == [[0, 0]] * 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_is_heard_in_the_middle_of_a_piece(
    kind: str, separators: dict[str, Separator], tmp_path: Path
) -> None:
    """A piece takes many seconds on the CPU."""
    song = as_song(song_samples(4410), tmp_path / "song")
    asked: list[None] = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) > 20

    with pytest.raises(ConversionCancelled):
        separate(song, separators[kind], tmp_path / "v", cancelled=cancelled)
    assert len(asked) == 21
    assert not (tmp_path / "v").exists()


def test_a_full_disk_is_not_blamed_on_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", song_samples(100_000), 44_100)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OutputFileError, match=r"Cannot keep the song in .*disk is full"):
        song_of(tmp_path / "a.wav", tmp_path / "song")
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_cancelling_while_a_source_is_decoded_writes_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", song_samples(100_000), 44_100)
    with pytest.raises(ConversionCancelled):
        song_of(tmp_path / "a.wav", tmp_path / "song", cancelled=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
