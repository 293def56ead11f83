import os
import threading
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.queue.intake import Gatherer, Intake, sort_paths, voice_groups


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "music 音楽"
    for name in ("b.wav", "a.MP3", "sub/c.mkv", "sub/deep/d.flac", "note.txt", ".hidden.wav",
                 ".git/e.wav", "sub/._f.wav"):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_folders_are_searched_in_order_without_hidden_files(folder: Path) -> None:
    found = sort_paths([folder])
    names = [path.relative_to(folder).as_posix() for path in found.sounds]
    assert names == ["a.MP3", "b.wav", "sub/c.mkv", "sub/deep/d.flac"]
    assert found.refused == ()


def test_a_file_named_twice_is_taken_once(folder: Path) -> None:
    assert len(sort_paths([folder, folder / "b.wav"]).sounds) == 4


def test_audio_voices_and_other_files_are_distinguished(folder: Path) -> None:
    paths = [folder / "b.wav", Path("v.PTH"), Path("v.index"), Path("pack.zip"), Path("x.txt")]
    found = sort_paths(paths)
    assert (len(found.sounds), len(found.voices), found.refused) == (1, 3, ("x.txt",))
    assert found.reasons == ("“x.txt” isn't an audio, video or voice file",)


def test_a_folder_with_a_voice_and_no_audio_is_that_voice(tmp_path: Path) -> None:
    (tmp_path / "v.pth").touch()
    assert sort_paths([tmp_path]).voices == (tmp_path,)


def test_sounds_in_the_folder_of_a_voice_are_left_alone_and_told(tmp_path: Path) -> None:
    for name in ("Aria/aria.pth", "Aria/sample.wav", "Aria/dataset/1.wav", "songs/a.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = sort_paths([tmp_path / "Aria"])
    assert (found.sounds, found.voices) == ((), (tmp_path / "Aria",))
    assert len(found.beside) == 2
    assert "2 sounds belong to the voice" in found.left_alone
    both = sort_paths([tmp_path])
    assert (both.sounds, both.voices) == ((tmp_path / "songs" / "a.wav",), (tmp_path,))
    by_hand = sort_paths([tmp_path / "Aria", tmp_path / "Aria" / "sample.wav"])
    assert by_hand.sounds == (tmp_path / "Aria" / "sample.wav",)
    assert len(by_hand.beside) == 1


def test_an_archive_beside_songs_does_not_make_them_a_voice(tmp_path: Path) -> None:
    for name in ("song.wav", "booklet.zip"):
        (tmp_path / name).touch()
    found = sort_paths([tmp_path])
    assert (found.sounds, found.voices, found.beside) == ((tmp_path / "song.wav",), (), ())


def test_a_folder_with_nothing_to_use_is_called_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert sort_paths([tmp_path / "new"]).reasons == ("The folder “new” is empty",)
    (tmp_path / "new" / "note.txt").touch()
    assert sort_paths([tmp_path / "new"]).reasons == (
        "There is no audio, video or voice in the folder “new”",
    )


def test_a_search_can_be_limited(folder: Path) -> None:
    assert sort_paths([folder], max_entries=2).more


def test_cyclic_links_are_not_followed(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder)
    assert len(sort_paths([folder]).sounds) == 4


def test_loose_files_are_one_voice_and_each_archive_is_its_own(tmp_path: Path) -> None:
    paths = [Path("a.pth"), Path("b.zip"), Path("a.index"), tmp_path]
    groups = voice_groups(paths)
    assert groups == ((Path("b.zip"),), (tmp_path,), (Path("a.pth"), Path("a.index")))


def test_a_folder_is_searched_off_the_gui_thread(
    folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    walk = os.walk

    def watched(place: object) -> object:
        seen.append(threading.current_thread() is threading.main_thread())
        return walk(place)  # type: ignore[type-var]

    monkeypatch.setattr(os, "walk", watched)
    gatherer = Gatherer()
    with qtbot.waitSignal(gatherer.gathered) as told:
        gatherer.gather([folder])
    assert seen == [False]
    assert told.args is not None
    intake: Intake = told.args[0]
    assert len(intake.sounds) == 4
