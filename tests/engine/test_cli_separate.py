"""``urvc separate``: two files for a song that add up to it, or one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.cli import main
from engine.library.networks import NETWORKS
from engine.library.separation_networks import DEREVERB, KARAOKE, QUALITIES, separation_file
from engine.separation.settings import KNOWN
from tests.engine.separation.small_networks import song_samples, write_network

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def _run(*arguments: object) -> tuple[int, str, str]:
        code = main(["separate", *(str(each) for each in arguments), "--device", "cpu"])
        return code, *capfd.readouterr()

    return _run


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network("htdemucs", tmp_path_factory.mktemp("network"))


def write_song(path: Path, n: int = 30_001, rate_hz: int = 44_100, gain: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, song_samples(n) * gain, rate_hz, subtype="FLOAT")


def test_vocals_and_instruments_add_up_to_the_song(run: Run, network: Path, tmp_path: Path) -> None:
    write_song(tmp_path / "a.wav")
    code, out, err = run(tmp_path / "a.wav", "--model", network, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["outputs"] == {
        "vocals": str(tmp_path / "a (vocals).wav"),
        "instrumental": str(tmp_path / "a (instrumental).wav"),
    }
    assert told["network"]["kind"] == "htdemucs"
    stems = [soundfile.read(path)[0] for path in told["outputs"].values()]
    assert np.abs(sum(stems) - song_samples(30_001)).max() < 1e-6
    assert min(np.abs(stem).max() for stem in stems) > 0.01


def test_one_pass_gives_another_result_that_adds_up_too(
    run: Run, network: Path, tmp_path: Path
) -> None:
    write_song(tmp_path / "a.wav")
    vocals = []
    for name in ("overlapped", "one-pass"):
        folder = tmp_path / name
        folder.mkdir()
        more = ("--one-pass",) if name == "one-pass" else ()
        assert run(tmp_path / "a.wav", "--model", network, "--output-dir", folder, *more)[0] == 0
        stems = [
            soundfile.read(folder / f"a ({each}).wav")[0] for each in ("vocals", "instrumental")
        ]
        assert np.abs(sum(stems) - song_samples(30_001)).max() < 1e-6
        vocals.append(stems[0])
    assert not np.array_equal(*vocals)


@pytest.mark.parametrize(("rate_hz", "n"), [(48_000, 20_003), (22_050, 1)])
def test_the_files_are_as_long_as_the_song_at_its_own_rate(
    rate_hz: int, n: int, run: Run, network: Path, tmp_path: Path
) -> None:
    write_song(tmp_path / "a.wav", n, rate_hz)
    code, _, _ = run(tmp_path / "a.wav", "--model", network, "--format", "flac")
    assert code == 0
    for name in ("vocals", "instrumental"):
        info = soundfile.info(tmp_path / f"a ({name}).flac")
        assert (info.frames, info.samplerate, info.channels) == (n, rate_hz, 2)


def test_what_is_louder_than_full_scale_is_not_clipped(
    run: Run, network: Path, tmp_path: Path
) -> None:
    write_song(tmp_path / "a.wav", gain=6)
    assert run(tmp_path / "a.wav", "--model", network)[0] == 0
    stems = [soundfile.read(tmp_path / f"a ({name}).wav")[0] for name in ("vocals", "instrumental")]
    assert np.abs(sum(stems)).max() > 1
    assert np.abs(sum(stems) - song_samples(30_001) * 6).max() < 1e-5


def test_a_folder_is_separated_once(run: Run, network: Path, tmp_path: Path) -> None:
    write_song(tmp_path / "album" / "one.wav", 5000)
    write_song(tmp_path / "album" / "cd 2" / "two.wav", 5000)
    (tmp_path / "album" / "notes.txt").write_text("hello")
    (tmp_path / "out").mkdir()
    arguments = (tmp_path / "album", "--model", network, "--output-dir", tmp_path / "out")
    code, out, err = run(*arguments)
    assert (code, out.count("\n")) == (0, 2)
    assert "not audio or video" in err
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.wav")}
    assert found == {
        "one (vocals).wav",
        "one (instrumental).wav",
        "cd 2/two (vocals).wav",
        "cd 2/two (instrumental).wav",
    }
    assert run(tmp_path / "album" / "one.wav", "--model", network)[0] == 0
    code, out, err = run(tmp_path / "album", "--model", network)
    assert (code, out.count("\n")) == (0, 2)
    assert "skipped 2 files in folders: made by an earlier" in err


def test_without_its_network_one_sentence_says_how_to_get_it(run: Run, tmp_path: Path) -> None:
    write_song(tmp_path / "a.wav", 100)
    code, out, err = run(tmp_path / "a.wav", "--models-dir", tmp_path / "none")
    assert (code, out) == (2, "")
    assert err == (
        'urvc: Cannot find the network "Song separation (HTDemucs)": it is not installed '
        '(84.1 MB); fetch it with "urvc models download vocals-fast".\n'
    )
    _, _, err = run(tmp_path / "a.wav", "--models-dir", tmp_path / "none", "--quality", "best")
    assert "913.1 MB" in err
    assert "urvc models download vocals-best" in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_bad_input_is_refused_in_one_sentence(run: Run, network: Path, tmp_path: Path) -> None:
    write_song(tmp_path / "a.wav", 100)
    (tmp_path / "b.wav").write_bytes(b"RIFF" + bytes(60))
    nowhere = tmp_path / "no"
    for arguments, words in (
        ((tmp_path / "a.wav", "--model", tmp_path / "a.wav"), "a.wav"),
        ((tmp_path / "none.wav", "--model", network), "does not exist"),
        ((tmp_path / "b.wav", "--model", network), "b.wav"),
        ((tmp_path / "a.wav", "--model", network, "--output-dir", nowhere), "does not exist"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert words in err
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav", "b.wav"}


def test_the_networks_for_songs_are_never_downloaded_unasked() -> None:
    networks = {*QUALITIES.values(), KARAOKE, DEREVERB}
    assert networks <= set(NETWORKS)
    assert not any(network.usual for network in networks)
    assert all(network.can_be_downloaded for network in QUALITIES.values())
    assert KARAOKE.licence == "not stated"
    assert KARAOKE.licence_first
    assert DEREVERB.licence_first


def test_the_settings_of_the_offered_roformers_are_known() -> None:
    for network in (QUALITIES["best"], KARAOKE, DEREVERB):
        assert {file.sha256 for files in network.variants for file in files} <= KNOWN.keys()


def test_a_network_of_an_older_form_is_found_too(tmp_path: Path) -> None:
    network = QUALITIES["fast"]
    old = network.variants[1][0]
    old.path(tmp_path).parent.mkdir()
    with old.path(tmp_path).open("wb") as file:
        file.truncate(old.size_bytes)
    assert separation_file(network, tmp_path) == old.path(tmp_path)
