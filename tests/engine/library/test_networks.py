"""The shared networks: known by hash, copied in only when right, removed completely."""

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
    NETWORKS,
    Network,
    NetworkFile,
    encoder_for,
    fetch,
    hub_address,
    remove,
    use_file,
    verify,
)
from engine.paths import content_encoder_path
from engine.progress import CancelToken
from tests.engine.library.download.http_server import Fault, FaultServer

ENCODER, PITCH = (each for each in NETWORKS if each.usual)
BODY = random.Random(3).randbytes(3_000_000)
FILE = replace(PITCH.weights, size_bytes=len(BODY), sha256=hashlib.sha256(BODY).hexdigest())
SMALL_PITCH = replace(PITCH, variants=((FILE,),))
UNSIZED = replace(PITCH, variants=((replace(FILE, size_bytes=None),),))


def test_the_table_is_complete_and_consistent() -> None:
    assert [[file.relative_path for file in each.variants[0]] for each in (ENCODER, PITCH)] == [
        ["hubert_base/config.json", "hubert_base/pytorch_model.bin"],
        ["rmvpe.pt"],
    ]
    assert len({each.key for each in NETWORKS}) == len(NETWORKS)
    for each in NETWORKS:
        hashes = [file.sha256 for file in each.variants[0] if each.can_be_downloaded]
        # Where a file's content or licence is not known, the user has to look first.
        assert each.licence_first or (None not in hashes and each.licence != "not known")
        assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in hashes if sha256)
        for file in each.variants[0]:
            pinned = re.search(r"/resolve/[0-9a-f]{40}/", file.url_path or "")
            assert None in (file.sha256, file.url_path) or pinned
            assert (file.url_path or file.name).endswith(file.name)
            assert file.size_bytes in {None, file.about_bytes}


@pytest.mark.parametrize(
    ("embedder", "key"),
    [
        ("contentvec", "content"),
        ("hubert_base.pt", "content"),
        ("spin", "spin"),
        ("SPIN_V2", "spin-v2"),
        ("chinese_hubert_base", "chinese-hubert-base"),
        ("japanese-hubert-base", "japanese-hubert-base"),
        ("hubert-base-korean", "korean-hubert-base"),
    ],
)
def test_the_content_encoder_of_a_voice_is_in_the_table(
    embedder: str, key: str, tmp_path: Path
) -> None:
    network = encoder_for(embedder)
    assert network is not None
    assert network.key == key
    place = content_encoder_path(embedder, tmp_path)
    assert {file.path(tmp_path).parent for file in network.variants[0]} <= {
        place,
        place / "hubert_base",
    }


def test_a_network_without_a_known_licence_is_not_fetched_unasked(
    server: FaultServer, tmp_path: Path
) -> None:
    spin = encoder_for("spin")
    assert spin is not None
    with pytest.raises(DownloadError, match="its licence is not known; look at https://"):
        fetch(spin, tmp_path, hub=server.base)
    for file in spin.variants[0]:
        server.put(BODY, file.url_path or "")
    fetch(spin, tmp_path, hub=server.base, licence_read=True)
    assert sorted(each.name for each in (tmp_path / "spin").iterdir()) == [
        "config.json",
        "pytorch_model.bin",
    ]


def test_an_unknown_content_encoder_is_in_no_table() -> None:
    assert encoder_for("my own") is None


def test_the_address_of_the_hub_can_be_set() -> None:
    assert hub_address(environment={}) == "https://huggingface.co"
    assert hub_address(environment={"URVC_MIRROR": "https://hf-mirror.com/"}) == (
        "https://hf-mirror.com"
    )
    assert hub_address("https://a.example/hub/", {"URVC_MIRROR": "https://b.example"}) == (
        "https://a.example/hub"
    )
    with pytest.raises(DownloadError) as caught:
        hub_address(environment={"URVC_MIRROR": "http://mirror.example"})
    assert str(caught.value).startswith('Cannot use the mirror "http://mirror.example": ')


def test_missing_files_are_found_by_name_and_length(tmp_path: Path) -> None:
    assert ENCODER.missing(tmp_path) == ENCODER.variants[0]
    path = FILE.path(tmp_path)
    path.write_bytes(BODY[:-1])
    assert SMALL_PITCH.missing(tmp_path) == (FILE,)
    path.write_bytes(BODY)
    assert SMALL_PITCH.missing(tmp_path) == UNSIZED.missing(tmp_path) == ()
    path.write_bytes(b"")
    assert UNSIZED.missing(tmp_path) == UNSIZED.variants[0]


@pytest.mark.parametrize(
    "names", [["hubert_base/config.json", "hubert_base/model.safetensors"], ["hubert_base.pt"]]
)
def test_any_variant_of_a_network_is_enough(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "hubert_base").mkdir()
    for name in names:
        assert ENCODER.missing(tmp_path)
        (tmp_path / name).write_bytes(b"x")
    assert ENCODER.missing(tmp_path) == ()
    assert [file.relative_path for file in ENCODER.files_in(tmp_path)] == names
    assert verify(ENCODER, tmp_path) == "right"  # several files are: the loader checks them
    assert remove(ENCODER, tmp_path)
    assert ENCODER.missing(tmp_path)


def test_damage_is_found_by_hash(tmp_path: Path) -> None:
    assert verify(SMALL_PITCH, tmp_path) == "missing"
    FILE.path(tmp_path).write_bytes(BODY)
    heard: list[int] = []
    assert verify(SMALL_PITCH, tmp_path, listener=lambda done, _: heard.append(done)) == "right"
    assert heard[-1] == len(BODY)
    FILE.path(tmp_path).write_bytes(BODY[:-1] + bytes([BODY[-1] ^ 1]))
    assert verify(SMALL_PITCH, tmp_path) == "damaged"
    FILE.path(tmp_path).unlink()
    FILE.path(tmp_path).mkdir()
    assert verify(SMALL_PITCH, tmp_path) == "damaged"


def test_a_network_is_fetched_from_the_mirror_once(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URVC_MIRROR", server.base)
    server.put(BODY, FILE.url_path or "")
    server.faults.append(Fault(status=500))
    fetch(SMALL_PITCH, tmp_path)
    assert verify(SMALL_PITCH, tmp_path) == "right"
    asked = len(server.seen)
    fetch(SMALL_PITCH, tmp_path)
    assert len(server.seen) == asked


def test_only_the_missing_files_are_fetched_and_progress_counts_them_together(
    server: FaultServer, tmp_path: Path
) -> None:
    files = tuple(
        NetworkFile(
            f"net/{name}",
            about_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            url_path=f"/{name}",
        )
        for name, body in (("a", BODY[:10]), ("b", BODY[:2000]), ("c", BODY[:500]))
    )
    for file in files:
        server.put(BODY[: file.about_bytes], file.url_path or "")
    network = replace(PITCH, variants=(files,))
    (tmp_path / "net").mkdir()
    files[0].path(tmp_path).write_bytes(BODY[:10])
    heard: list[tuple[int, int | None]] = []
    fetch(network, tmp_path, hub=server.base, listener=lambda *told: heard.append(told))
    assert [seen.path for seen in server.seen] == ["/b", "/c"]
    assert heard == sorted(heard)
    assert heard[-1] == (2500, 2500)


def test_a_licence_can_demand_to_be_read_before_the_download(
    server: FaultServer, tmp_path: Path
) -> None:
    server.put(BODY, FILE.url_path or "")
    network = replace(SMALL_PITCH, licence="GPL-3.0", licence_first=True)
    with pytest.raises(DownloadError) as caught:
        fetch(network, tmp_path, hub=server.base)
    assert "its licence (GPL-3.0) was not accepted" in str(caught.value)
    assert server.seen == []
    fetch(network, tmp_path, hub=server.base, licence_read=True)
    assert network.missing(tmp_path) == ()


def test_a_network_without_an_address_is_brought_by_the_user(tmp_path: Path) -> None:
    own = replace(PITCH, variants=((NetworkFile("separation/own.ckpt"),),))
    with pytest.raises(DownloadError) as caught:
        fetch(own, tmp_path)
    assert "it has no download address" in str(caught.value)
    source = tmp_path / "own.ckpt"
    source.write_bytes(BODY)
    assert use_file(source, own, tmp_path).read_bytes() == BODY
    assert own.missing(tmp_path) == ()


def test_a_users_file_is_recognised_among_several_by_its_hash(tmp_path: Path) -> None:
    other = replace(FILE, relative_path="other.pt", sha256=hashlib.sha256(b"o").hexdigest())
    either = replace(PITCH, variants=((FILE,), (replace(other, size_bytes=1),)))
    source = tmp_path / "any name"
    source.write_bytes(b"o")
    assert use_file(source, either, tmp_path / "models") == tmp_path / "models" / "other.pt"
    assert either.missing(tmp_path / "models") == ()


def test_a_mirror_with_another_file_installs_nothing(server: FaultServer, tmp_path: Path) -> None:
    server.put(BODY[::-1], FILE.url_path or "")
    with pytest.raises(DownloadError) as caught:
        fetch(SMALL_PITCH, tmp_path, hub=server.base)
    assert str(caught.value) == (
        'Cannot download "rmvpe.pt": the downloaded file is not the expected one (its SHA-256 '
        "differs); use another address or mirror."
    )
    assert verify(SMALL_PITCH, tmp_path) == "missing"


@pytest.mark.parametrize("network", [SMALL_PITCH, UNSIZED])
def test_a_file_the_user_has_is_copied_not_moved(tmp_path: Path, network: Network) -> None:
    source = tmp_path / "Downloads" / "rmvpe (1).pt"
    source.parent.mkdir()
    source.write_bytes(BODY)
    place = use_file(source, network, tmp_path / "models")
    assert place == tmp_path / "models" / "rmvpe.pt"
    assert place.read_bytes() == source.read_bytes() == BODY
    assert not place.samefile(source)
    assert [path.name for path in place.parent.iterdir()] == ["rmvpe.pt"]
    assert use_file(place, network, tmp_path / "models") == place
    assert place.read_bytes() == BODY


def test_wrong_files_of_the_user_are_refused_by_name_and_cause(tmp_path: Path) -> None:
    models = tmp_path / "models"
    source = tmp_path / "my.pt"
    for content, words in (
        (BODY[:-1], "2999999 bytes instead of 3000000"),
        (BODY[::-1], "SHA-256"),
    ):
        source.write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            use_file(source, SMALL_PITCH, models)
        assert str(caught.value).startswith('Cannot use "my.pt" for "Pitch network (RMVPE)": ')
        assert words in caught.value.why
    for absent in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(WeightsError) as caught:
            use_file(absent, SMALL_PITCH, models)
        assert "does not exist" in caught.value.why
    assert not models.exists()


def test_a_cancelled_copy_leaves_what_was_there(tmp_path: Path) -> None:
    source = tmp_path / "my.pt"
    source.write_bytes(BODY)
    FILE.path(tmp_path).write_bytes(b"old")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(ConversionCancelled):
        use_file(source, SMALL_PITCH, tmp_path, cancel=cancel)
    assert FILE.path(tmp_path).read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"my.pt", "rmvpe.pt"}


def test_a_file_that_changes_while_it_is_copied_is_not_installed(tmp_path: Path) -> None:
    source = tmp_path / "my.pt"
    source.write_bytes(BODY)

    def meddle(done: int, total: int | None) -> None:
        if done == total:
            source.write_bytes(BODY[::-1])

    with pytest.raises(WeightsError) as caught:
        use_file(source, SMALL_PITCH, tmp_path / "models", listener=meddle)
    assert "changed while it was copied" in caught.value.why
    assert list((tmp_path / "models").iterdir()) == []


def test_removing_also_deletes_the_rest_of_a_broken_download(tmp_path: Path) -> None:
    assert remove(SMALL_PITCH, tmp_path) is False
    FILE.path(tmp_path).write_bytes(BODY)
    part_path(FILE.path(tmp_path)).write_bytes(b"part")
    (tmp_path / "mine.txt").write_text("keep")
    assert remove(SMALL_PITCH, tmp_path) is True
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
