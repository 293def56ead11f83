"""What can be given to ``urvc convert``: folders, odd names, links; and what is said first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from engine.cli import main
from engine.errors import DownloadError
from engine.library.link import find_voices
from engine.library.song_page import song_service
from tests.sound import starter_speech

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def _run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        return code, *capfd.readouterr()

    return _run


def write_sound(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, starter_speech()[16_000:17_600], 16_000)
    return path


def test_a_folder_is_searched_and_what_is_not_sound_is_counted(run: Run, tmp_path: Path) -> None:
    album, results = tmp_path / "album", tmp_path / "results"
    for name in ("b.wav", "CD 1/a.wav", "CD 1/.hidden.wav", ".trash/c.wav"):
        write_sound(album / name)
    (album / "cover.jpg").write_bytes(b"picture")
    (album / "CD 1" / "notes.txt").write_text("words")
    results.mkdir()
    code, out, err = run("convert", album, "--output-dir", results)
    assert code == 0
    assert out.count("\n") == 2
    assert err == "urvc: skipped 2 files in folders: not audio or video.\n"
    found = sorted(str(each.relative_to(results)) for each in results.rglob("*.wav"))
    assert found == ["CD 1/a (Starter).wav", "b (Starter).wav"]


def test_a_recipe_in_a_folder_is_not_counted_as_a_stranger(run: Run, tmp_path: Path) -> None:
    write_sound(tmp_path / "song.wav")
    assert run("convert", tmp_path, "--recipe")[0] == 0
    code, _, err = run("convert", tmp_path)
    assert code == 0
    assert err == "urvc: skipped 1 file in folders: made by an earlier conversion.\n"


def test_results_in_a_folder_are_not_converted_again(run: Run, tmp_path: Path) -> None:
    write_sound(tmp_path / "song.wav")
    assert run("convert", tmp_path)[0] == 0
    code, out, err = run("convert", tmp_path)
    assert (code, out.count("\n")) == (0, 1)
    assert "skipped 1 file in folders: made by an earlier conversion" in err
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_inside_which_results_go_is_not_searched(run: Run, tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav")
    write_sound(tmp_path / "out" / "other.wav")
    assert run("convert", tmp_path, "--output-dir", tmp_path / "out")[1].count("\n") == 1


def test_a_folder_without_sound_and_one_that_fails_leave_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    code, out, err = run("convert", tmp_path / "empty")
    assert (code, out) == (2, "")
    assert "no audio or video file in it" in err
    (tmp_path / "album" / "CD 1").mkdir(parents=True)
    (tmp_path / "album" / "CD 1" / "broken.wav").write_text("no sound")
    (tmp_path / "results").mkdir()
    assert run("convert", tmp_path / "album", "--output-dir", tmp_path / "results")[0] == 2
    assert list((tmp_path / "results").iterdir()) == []


def test_a_file_whose_name_begins_with_a_dash_is_a_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-song.wav", "-o.wav"):
        write_sound(tmp_path / name)
    code, out, err = run("convert", "-song.wav", "-o.wav")
    assert (code, err) == (0, "")
    assert out.startswith("-song.wav -> -song (Starter).wav")


def test_what_is_wrong_with_the_source_is_said_before_the_output(run: Run, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.wav"
    foreign.write_text("no sound")
    for source in (tmp_path / "missing.wav", foreign):
        for output in (
            ["-o", tmp_path / "out.xyz"],
            ["-o", tmp_path / "none" / "out.wav"],
            ["-o", tmp_path / "out.wav", "--format", "flac"],
            ["--output-dir", tmp_path / "none"],
            ["--format", "flac", "--subtype", "float"],
        ):
            code, out, err = run("convert", source, *output)
            assert (code, out) == (2, "")
            assert err.startswith(f'urvc: Cannot read "{source.name}": ')
            assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["convert", "cover", "separate"])
def test_a_folder_that_several_results_cannot_go_to_is_named_once(
    command: str, run: Run, tmp_path: Path
) -> None:
    for name in ("a.wav", "b.wav"):
        write_sound(tmp_path / name)
    (tmp_path / "note").write_text("")
    for folder, words in (("none", "it does not exist; create it first"), ("note", "it is a file")):
        code, out, err = run(command, tmp_path, "--output-dir", tmp_path / folder)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f'Cannot write into the folder "{tmp_path / folder}": {words}' in err


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("https://www.youtube.com/watch?v=abc", "song or video on YouTube"),
        ("youtu.be/abc", "song or video on YouTube"),
        ("https://artist.bandcamp.com/album/x", "song or video on Bandcamp"),
        ("spotify:track:1", "song or video on Spotify"),
        ("https://example.com/a.wav", "download the file"),
        ("https://huggingface.co/a/b", "urvc voices import https://huggingface.co/a/b"),
        ("", "the name is empty"),
    ],
)
def test_a_link_gets_a_sentence_of_its_own(run: Run, link: str, words: str) -> None:
    code, out, err = run("convert", link, "-o", "out.xyz")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_a_voice_link_is_told_to_be_imported(run: Run, tmp_path: Path) -> None:
    source, link = write_sound(tmp_path / "a.wav"), "https://huggingface.co/a/b/x.zip"
    err = run("convert", source, "--voice", link)[2]
    assert f'"urvc voices import {link}"' in err
    assert "YouTube" in run("convert", source, "--voice", "https://youtu.be/abc")[2]


def test_a_song_is_no_voice_and_its_server_is_not_asked() -> None:
    with pytest.raises(DownloadError, match="a song or video on SoundCloud, not to a voice"):
        find_voices("https://soundcloud.com/artist/song")
    assert song_service("https://notyoutube.com/x") is None
    assert song_service("https://youtube.com.example.org/x") is None
    assert song_service("https://[::1/x") is None


def test_a_sample_format_is_left_out_of_a_lossy_file_with_a_note(run: Run, tmp_path: Path) -> None:
    source = write_sound(tmp_path / "a.wav")
    code, out, err = run("convert", source, "--subtype", "16", "--format", "m4a")
    assert (code, out.count("\n")) == (0, 1)
    assert err == "urvc: a.wav: M4A files have no sample format; it was left out\n"
    assert (tmp_path / "a (Starter).m4a").is_file()


@pytest.mark.parametrize("option", ["--f0-file", "--index", "-o", "--output-dir", "--models-dir"])
def test_an_empty_path_is_refused(run: Run, tmp_path: Path, option: str) -> None:
    source = write_sound(tmp_path / "a.wav")
    code, out, err = run("convert", source, option, "")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "empty" in err
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]
