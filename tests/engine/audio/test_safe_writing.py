from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import files
from engine.audio import writer
from engine.audio.reader import read_audio
from engine.audio.writer import (
    SUBTYPES_OF,
    check_output,
    write_audio,
)
from engine.errors import OutputFileError
from engine.options import FILE_FORMATS, FileFormat, Subtype
from tests.engine.audio.sound_file import music, without_root

N = 70_001  # more than a block, no multiple of any codec's frame
KINDS = [(f, s) for f in FILE_FORMATS for s in (None, *SUBTYPES_OF[f])]


@contextmanager
def file_limit(n_bytes: int) -> Iterator[None]:
    """Files cannot grow beyond this: a disk that fills up in the middle of the work."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def refusal(path: Path, **changes: object) -> OutputFileError:
    arguments: dict[str, object] = {
        "samples": music(N, 44_100),
        "rate_hz": 44_100,
        "file_format": "wav",
        **changes,
    }
    with pytest.raises(OutputFileError) as caught:
        write_audio(path, **arguments)  # type: ignore[arg-type]
    assert str(caught.value).startswith("Cannot write ")
    return caught.value


def test_an_existing_file_is_never_lost_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_text("precious")
    assert "a file of this name already exists" in refusal(path).why
    assert path.read_text() == "precious"
    write_audio(path, music(N, 44_100), 44_100, "wav", overwrite=True)
    assert read_audio(path).samples.shape == (N, 1)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    path = tmp_path / "a.wav"
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    encode = writer._encode

    def encode_while_another_saves(*arguments: object) -> None:
        encode(*arguments)  # type: ignore[arg-type]
        path.write_text("precious")

    monkeypatch.setattr(writer, "_encode", encode_while_another_saves)
    assert "a file of this name already exists" in refusal(path).why
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def _no_links(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


def test_disks_without_hard_links_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    path = write_audio(tmp_path / "a.wav", music(N, 44_100), 44_100, "wav")
    assert read_audio(path).samples.shape == (N, 1)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("file_format", "subtype"), KINDS)
@pytest.mark.parametrize("limit_bytes", [0, 1, 100, 6_000])
def test_a_disk_that_fills_up_leaves_nothing_and_loses_nothing(
    tmp_path: Path, file_format: FileFormat, subtype: Subtype | None, limit_bytes: int
) -> None:
    path = tmp_path / "a"
    path.write_text("precious")
    with file_limit(limit_bytes):
        error = refusal(path, file_format=file_format, subtype=subtype, overwrite=True)
    assert "disk" in error.why
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("file_format", "subtype"), KINDS)
@pytest.mark.parametrize("missing_bytes", [1, 300])
def test_even_the_last_byte_must_reach_the_disk(
    tmp_path: Path, file_format: FileFormat, subtype: Subtype | None, missing_bytes: int
) -> None:
    path = write_audio(tmp_path / "a", music(N, 44_100), 44_100, file_format, subtype)
    with file_limit(path.stat().st_size - missing_bytes):
        error = refusal(tmp_path / "b", file_format=file_format, subtype=subtype)
    assert error.why == f"the disk reports: {os.strerror(errno.EFBIG)}"


def test_a_full_disk_is_called_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert refusal(tmp_path / "a.wav").why == "its disk is full"
    assert list(tmp_path.iterdir()) == []


def test_a_stop_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "_coded", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_audio(tmp_path / "a.wav", music(N, 44_100), 44_100, "wav")
    assert list(tmp_path.iterdir()) == []


def test_the_flush_comes_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        seen.append((tmp_path / "a.wav").exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_audio(tmp_path / "a.wav", music(N, 44_100), 44_100, "wav")
    assert seen == [False, True]  # the file, then its folder


def test_folders_that_are_missing_or_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "does not exist" in refusal(tmp_path / "missing" / "a.wav").why
    assert "does not exist" in refusal(tmp_path / "file" / "a.wav").why
    assert "a folder of this name" in refusal(tmp_path, overwrite=True).why
    assert "a file cannot have this name" in refusal(tmp_path / "a\0.wav").why
    assert "too long" in refusal(tmp_path / ("a" * 300)).why


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    with without_root():
        assert "not allowed" in refusal(folder / "a.wav").why


def test_a_result_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    path = write_audio(tmp_path / "a.wav", music(N, 44_100), 44_100, "wav")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_the_check_beforehand_refuses_what_writing_would(tmp_path: Path) -> None:
    (tmp_path / "there.wav").touch()
    check_output(tmp_path / "new.wav", "wav", None, overwrite=False)
    check_output(tmp_path / "there.wav", "wav", None, overwrite=True)
    for path, file_format, subtype in [
        (tmp_path / "there.wav", "wav", None),
        (tmp_path / "missing" / "a.wav", "wav", None),
        (tmp_path / "a.flac", "flac", "float"),
    ]:
        with pytest.raises(OutputFileError):
            check_output(path, file_format, subtype, overwrite=False)  # type: ignore[arg-type]


def test_a_failed_rename_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", _no_links)
    monkeypatch.setattr(files.Path, "replace", refuse)
    assert "the disk reports: Input/output error" in refusal(tmp_path / "a.wav").why
    assert list(tmp_path.iterdir()) == []
