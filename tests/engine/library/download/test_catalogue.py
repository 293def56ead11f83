"""The shared networks: known by hash, taken in only when right, removed cleanly."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import ConversionCancelled, DownloadError, WeightsError
from engine.library.download.part_file import part_path
from engine.library.networks import (
    CONTENT_CONFIG,
    PITCH_WEIGHTS,
    SHARED_FILES,
    SharedFile,
    fetch,
    hub_address,
    install_from_file,
    missing,
    remove,
    verify,
)
from engine.progress import CancelToken
from tests.engine.library.download.http_server import FaultServer, Misdeed

BODY = random.Random(3).randbytes(3_000_000)
FILE = replace(PITCH_WEIGHTS, size_bytes=len(BODY), sha256=hashlib.sha256(BODY).hexdigest())
UNSIZED = replace(FILE, size_bytes=None)


def test_the_table_is_complete_and_consistent() -> None:
    assert {file.relative_path for file in SHARED_FILES} == {
        "hubert_base/config.json", "hubert_base/pytorch_model.bin", "rmvpe.pt",
    }  # fmt: skip
    assert len({file.key for file in SHARED_FILES}) == len(SHARED_FILES)
    for file in SHARED_FILES:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert re.search(r"/resolve/[0-9a-f]{40}/", file.url_path)
        assert file.url_path.endswith(file.relative_path)
        assert file.size_bytes in {None, file.about_bytes}
        assert file.licence == "MIT"


def test_the_address_of_the_hub_can_be_set() -> None:
    assert hub_address(environment={}) == "https://huggingface.co"
    assert hub_address(environment={"URVC_MIRROR": "https://hf-mirror.com/"}) == (
        "https://hf-mirror.com"
    )
    assert hub_address("https://a.example/hub/", {"URVC_MIRROR": "https://b.example"}) == (
        "https://a.example/hub"
    )
    assert CONTENT_CONFIG.url(hub_address("https://a.example/hub/")).startswith(
        "https://a.example/hub/lj1995/VoiceConversionWebUI/resolve/e6d0c1a17d"
    )
    with pytest.raises(DownloadError) as caught:
        hub_address(environment={"URVC_MIRROR": "http://mirror.example"})
    assert str(caught.value).startswith('Cannot use the mirror "http://mirror.example": ')


def test_what_is_missing_is_found_by_name_and_length(tmp_path: Path) -> None:
    assert missing(tmp_path) == SHARED_FILES
    file = FILE.path(tmp_path)
    file.write_bytes(BODY[:-1])
    assert missing(tmp_path, (FILE,)) == (FILE,)
    file.write_bytes(BODY)
    assert missing(tmp_path, (FILE, UNSIZED)) == ()


def test_damage_is_found_by_hash(tmp_path: Path) -> None:
    assert verify(tmp_path, (FILE,)) == {FILE: "missing"}
    FILE.path(tmp_path).write_bytes(BODY)
    heard: list[int] = []
    assert verify(tmp_path, (FILE,), listener=lambda done, _: heard.append(done)) == {FILE: "right"}
    assert heard[-1] == len(BODY)
    FILE.path(tmp_path).write_bytes(BODY[:-1] + bytes([BODY[-1] ^ 1]))
    assert verify(tmp_path, (FILE,)) == {FILE: "damaged"}
    FILE.path(tmp_path).unlink()
    FILE.path(tmp_path).mkdir()
    assert verify(tmp_path, (FILE,)) == {FILE: "damaged"}


def test_a_shared_file_is_fetched_from_the_mirror_and_then_left_alone(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URVC_MIRROR", server.base)
    server.put(BODY, FILE.url_path)
    server.misdeeds.append(Misdeed(status=500))
    fetch(FILE, tmp_path)
    assert verify(tmp_path, (FILE,)) == {FILE: "right"}
    asked = len(server.seen)
    fetch(FILE, tmp_path)
    assert len(server.seen) == asked


def test_a_mirror_with_another_file_installs_nothing(server: FaultServer, tmp_path: Path) -> None:
    server.put(BODY[::-1], FILE.url_path)
    with pytest.raises(DownloadError) as caught:
        fetch(FILE, tmp_path, hub=server.base)
    assert str(caught.value) == (
        'Cannot download "rmvpe.pt": the downloaded file is not the expected one (its SHA-256 '
        "differs); use another address or mirror."
    )
    assert verify(tmp_path, (FILE,)) == {FILE: "missing"}


@pytest.mark.parametrize("file", [FILE, UNSIZED])
def test_a_file_the_user_has_is_copied_not_moved(tmp_path: Path, file: SharedFile) -> None:
    source = tmp_path / "Downloads" / "rmvpe (1).pt"
    source.parent.mkdir()
    source.write_bytes(BODY)
    place = install_from_file(source, file, tmp_path / "models")
    assert place == tmp_path / "models" / "rmvpe.pt"
    assert place.read_bytes() == source.read_bytes() == BODY
    assert not place.samefile(source)
    assert [path.name for path in place.parent.iterdir()] == ["rmvpe.pt"]
    assert install_from_file(place, file, tmp_path / "models") == place
    assert place.read_bytes() == BODY


def test_wrong_files_of_the_user_are_refused_by_name_and_cause(tmp_path: Path) -> None:
    models = tmp_path / "models"
    source = tmp_path / "my.pt"
    for content, words in ((BODY[:-1], "2999999 bytes where 3000000"), (BODY[::-1], "SHA-256")):
        source.write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            install_from_file(source, FILE, models)
        assert str(caught.value).startswith('Cannot use "my.pt" as pitch network (RMVPE): ')
        assert words in caught.value.why
    for absent in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(WeightsError) as caught:
            install_from_file(absent, FILE, models)
        assert "no such file" in caught.value.why
    assert not models.exists()


def test_a_cancelled_copy_leaves_what_was_there(tmp_path: Path) -> None:
    source = tmp_path / "my.pt"
    source.write_bytes(BODY)
    FILE.path(tmp_path).write_bytes(b"old")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(ConversionCancelled):
        install_from_file(source, FILE, tmp_path, cancel=cancel)
    assert FILE.path(tmp_path).read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"my.pt", "rmvpe.pt"}


def test_a_file_that_changes_while_it_is_copied_is_not_installed(tmp_path: Path) -> None:
    source = tmp_path / "my.pt"
    source.write_bytes(BODY)

    def meddle(done: int, total: int | None) -> None:
        if done == total:
            source.write_bytes(BODY[::-1])

    with pytest.raises(WeightsError) as caught:
        install_from_file(source, FILE, tmp_path / "models", listener=meddle)
    assert "changed while it was copied" in caught.value.why
    assert list((tmp_path / "models").iterdir()) == []


def test_removing_takes_the_rest_of_a_broken_download_along(tmp_path: Path) -> None:
    assert remove(FILE, tmp_path) is False
    FILE.path(tmp_path).write_bytes(BODY)
    part_path(FILE.path(tmp_path)).write_bytes(b"part")
    (tmp_path / "mine.txt").write_text("keep")
    assert remove(FILE, tmp_path) is True
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
