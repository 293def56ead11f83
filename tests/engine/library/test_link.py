"""A pasted link leads to the files of a voice, or to a sentence."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConversionCancelled, DownloadError, Refusal
from engine.library.download.retry import Pacing
from engine.library.hub import ListedFile, Place, place_of
from engine.library.link import (
    RemoteFile,
    VoiceOffer,
    fetch_voice,
    find_voices,
    offers_among,
    pasted_address,
    with_contents,
)
from engine.progress import CancelToken
from tests.engine.library.download.http_server import Fault, FaultServer
from tests.engine.loading import zoo

ZIP = random.Random(1).randbytes(120_000)
AT_ONCE = Pacing(attempts=3, sleep=lambda _: None)
HERE = Place("https://huggingface.co", "models", "ann/voices", "main", "", is_file=False)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def entry(path: str, body: bytes, *, large: bool = True) -> dict[str, Any]:
    """A file as the hub's listing shows it."""
    shown: dict[str, Any] = {"type": "file", "oid": "0" * 40, "size": len(body), "path": path}
    if large:
        shown["lfs"] = {"oid": sha256(body), "size": len(body), "pointerSize": 134}
    return shown


def put_listing(server: FaultServer, path: str, entries: Any, **more: Any) -> None:
    body = json.dumps(entries).encode()
    server.put(body, path, media_type="application/json; charset=utf-8", **more)


def names(offers: tuple[VoiceOffer, ...]) -> list[list[str]]:
    return [[file.name for file in offer.files] for offer in offers]


def why(link: str, **more: Any) -> str:
    with pytest.raises(DownloadError) as caught:
        find_voices(link, pacing=AT_ONCE, **more)
    assert str(caught.value).startswith("Cannot get a voice from this address: ")
    return caught.value.why


# --- what was pasted ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("  https://a.example/x.zip\n", "https://a.example/x.zip"),
        ("<https://a.example/x.zip>", "https://a.example/x.zip"),
        ('"https://a.example/my voice.zip"', "https://a.example/my%20voice.zip"),
        ("huggingface.co/ann/voices", "https://huggingface.co/ann/voices"),
        ("http://huggingface.co/ann/voices", "https://huggingface.co/ann/voices"),
    ],
)
def test_links_are_read_as_people_paste_them(text: str, url: str) -> None:
    assert pasted_address(text) == url


@pytest.mark.parametrize(
    "text",
    ["", "aria", "just some words.", "ftp://a.example/x.zip", "file:///etc/x.zip", "/etc/x.zip",
     "javascript:alert(1)", "http://a.example/x.zip", "https://me:pw@a.example/x.zip",
     "data:application/zip;base64,AAAA", "https://a.example/\x1b[2Jx.zip", "https://[/x.zip"],
)  # fmt: skip
def test_invalid_links_are_errors(text: str) -> None:
    assert why(text)


@given(st.text())
def test_nothing_that_can_be_pasted_breaks_the_reading(text: str) -> None:
    for link in (text, f"https://huggingface.co/{text}"):
        try:
            place_of(pasted_address(link), "https://huggingface.co")
        except Refusal:
            continue


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("ann/voices", ("models", "ann/voices", "main", "", False)),
        ("ann/voices/", ("models", "ann/voices", "main", "", False)),
        ("ann/voices/tree/main", ("models", "ann/voices", "main", "", False)),
        ("ann/voices/tree/v2/a/b", ("models", "ann/voices", "v2", "a/b", False)),
        ("ann/voices/discussions/1", ("models", "ann/voices", "main", "", False)),
        ("ann/voices/blob/main/a.zip", ("models", "ann/voices", "main", "a.zip", True)),
        ("ann/voices/resolve/main/x/a%20b.zip?download=true",
         ("models", "ann/voices", "main", "x/a b.zip", True)),
        ("ann/voices/raw/main/a.pth", ("models", "ann/voices", "main", "a.pth", True)),
        ("ann/voices/blob/refs%2Fpr%2F1/a.zip",
         ("models", "ann/voices", "refs/pr/1", "a.zip", True)),
        ("ann/voices/tree/refs/pr/12/sub", ("models", "ann/voices", "refs/pr/12", "sub", False)),
        ("datasets/ann/voices/blob/main/a.zip",
         ("datasets", "ann/voices", "main", "a.zip", True)),
        ("spaces/ann/voices", ("spaces", "ann/voices", "main", "", False)),
    ],
)  # fmt: skip
def test_pages_of_the_hub_are_understood(path: str, place: tuple[Any, ...]) -> None:
    understood = place_of(f"https://huggingface.co/{path}", "https://huggingface.co")
    assert (
        understood.kind,
        understood.repository,
        understood.revision,
        understood.path,
        understood.is_file,
    ) == place


@pytest.mark.parametrize("path", ["", "ann", "datasets/ann", "models", "../..", "ann/.."])
def test_pages_without_a_repository_are_refused(path: str) -> None:
    with pytest.raises(Refusal):
        place_of(f"https://huggingface.co/{path}", "https://huggingface.co")


def test_files_of_the_hub_are_fetched_by_resolve_links() -> None:
    place = place_of("https://hf.co/datasets/ann/v/blob/refs%2Fpr%2F1/ä b.zip", "https://m.example")
    assert place.file_url(place.path) == (
        "https://m.example/datasets/ann/v/resolve/refs%2Fpr%2F1/%C3%A4%20b.zip"
    )
    assert place_of("https://hf.co/ann/v/tree/main/x y", "https://m.example").listing_url() == (
        "https://m.example/api/models/ann/v/tree/main/x%20y?recursive=true"
    )


# --- direct links -------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["zip", "pth", "index", "ZIP"])
def test_a_direct_link_tells_name_and_size_without_fetching(
    server: FaultServer, ending: str
) -> None:
    offers = find_voices(server.put(ZIP, f"/a/My%20Voice.{ending}"))
    assert names(offers) == [[f"My Voice.{ending}"]]
    assert offers[0].size_bytes == len(ZIP)
    assert [seen.method for seen in server.seen] == ["HEAD"]


@pytest.mark.parametrize("status", [403, 405, 501])
def test_servers_without_head_are_asked_for_one_byte(server: FaultServer, status: int) -> None:
    server.head_status = status
    offers = find_voices(server.put(ZIP, "/aria.zip"))
    assert offers[0].size_bytes == len(ZIP)
    assert server.seen[-1].headers["Range"] == "bytes=0-0"


def test_a_server_may_name_the_file_itself(server: FaultServer) -> None:
    header = {"Content-Disposition": 'attachment; filename="../Aria.zip"'}
    assert names(find_voices(server.put(ZIP, "/download?id=7", headers=header))) == [["Aria.zip"]]


def test_temporary_faults_are_retried(server: FaultServer) -> None:
    server.faults.extend([Fault(status=503), Fault(silent=True)])
    assert find_voices(server.put(ZIP, "/aria.zip"), pacing=AT_ONCE)[0].size_bytes == len(ZIP)


def test_links_to_other_files_are_errors(server: FaultServer) -> None:
    assert "leads to a .exe file" in why(server.put(ZIP, "/setup.exe"))
    assert "doesn't lead to a voice file" in why(server.put(ZIP, "/download"))
    page = server.put(b"<html>", "/aria.zip", media_type="text/html")
    assert "leads to a web page" in why(page)
    assert "404" in why(server.url("/none.zip"))
    server.always = Fault(status=500)
    assert "500" in why(server.url("/none.zip"))


def test_a_direct_link_is_fetched_under_its_safe_name(server: FaultServer, tmp_path: Path) -> None:
    offers = find_voices(server.put(ZIP, "/a/My%20Voice.zip?download=true"))
    server.faults.append(Fault(cut=50_000))
    heard: list[tuple[int, int | None]] = []
    paths = fetch_voice(
        offers[0], tmp_path, listener=lambda *told: heard.append(told), pacing=AT_ONCE
    )
    assert [path.name for path in paths] == ["My Voice.zip"]
    assert paths[0].read_bytes() == ZIP
    assert heard[-1] == (len(ZIP), len(ZIP))


def test_a_voice_over_the_limit_is_refused_before_anything_is_fetched(
    server: FaultServer, tmp_path: Path
) -> None:
    offers = find_voices(server.put(ZIP, "/aria.zip"))
    with pytest.raises(DownloadError) as caught:
        fetch_voice(offers[0], tmp_path, size_limit_bytes=100_000)
    assert "120.0 kB, and at most 100.0 kB" in caught.value.why
    assert [seen.method for seen in server.seen] == ["HEAD"]


def test_a_file_that_grew_since_its_size_was_shown_is_refused(
    server: FaultServer, tmp_path: Path
) -> None:
    offers = find_voices(server.put(ZIP, "/aria.zip"))
    server.put(ZIP * 2, "/aria.zip")
    with pytest.raises(DownloadError) as caught:
        fetch_voice(offers[0], tmp_path)
    assert "240000 bytes instead of 120000" in caught.value.why


# --- the hub ------------------------------------------------------------------------------------


def test_a_file_page_of_the_hub_is_fetched_and_proven_by_the_hubs_hash(
    server: FaultServer, tmp_path: Path
) -> None:
    server.put(ZIP, "/cdn/xyz", etag='"cdn"')
    moved = {"Location": "/cdn/xyz", "X-Linked-Etag": f'"{sha256(ZIP)}"'}
    server.put(b"", "/ann/voices/resolve/main/aria.zip", headers=moved)
    link = server.url("/ann/voices/blob/main/aria.zip")
    offers = find_voices(link, hub=server.base)
    assert offers[0].size_bytes == len(ZIP)
    assert offers[0].files[0].sha256 == sha256(ZIP)
    assert fetch_voice(offers[0], tmp_path)[0].read_bytes() == ZIP
    server.put(ZIP[::-1], "/cdn/xyz")
    with pytest.raises(DownloadError) as caught:
        fetch_voice(offers[0], tmp_path / "again", pacing=AT_ONCE)
    assert "SHA-256" in caught.value.why


def test_a_repository_offers_its_zips_and_its_voices_with_their_index(
    server: FaultServer, tmp_path: Path
) -> None:
    pth, index = ZIP[:50_000], ZIP[50_000:]
    put_listing(
        server,
        "/api/models/ann/voices/tree/main?recursive=true",
        [
            {"type": "directory", "oid": "1", "size": 0, "path": "bob"},
            entry("README.md", b"hello", large=False),
            entry("aria.zip", ZIP),
            entry("bob/bob_e200_s4000.pth", pth),
            entry("bob/added_IVF256_Flat_nprobe_1_bob_v2.index", index),
            entry("bob/trained_IVF256_Flat_nprobe_1_bob_v2.index", index),
            entry("bob/G_2333333.pth", pth),
            entry("pretrained/f0G40k.pth", pth),
        ],
    )
    for name, body in (
        ("bob_e200_s4000.pth", pth),
        ("added_IVF256_Flat_nprobe_1_bob_v2.index", index),
    ):
        server.put(body, f"/ann/voices/resolve/main/bob/{name}")
    offers = find_voices(server.url("/ann/voices"), hub=server.base)
    assert [offer.title for offer in offers] == ["aria.zip", "bob/bob_e200_s4000.pth"]
    assert [offer.size_bytes for offer in offers] == [len(ZIP), len(ZIP)]
    assert [file.sha256 for file in offers[1].files] == [sha256(pth), sha256(index)]
    heard: list[tuple[int, int | None]] = []
    paths = fetch_voice(offers[1], tmp_path, listener=lambda *told: heard.append(told))
    assert [path.read_bytes() for path in paths] == [pth, index]
    assert heard == sorted(heard)
    assert heard[-1] == (len(ZIP), len(ZIP))


def test_a_long_listing_is_read_page_by_page_on_the_same_hub(server: FaultServer) -> None:
    first = "/api/models/ann/voices/tree/main/all?recursive=true"
    more = {"Link": '<https://huggingface.co/api/next?cursor=2>; rel="next"'}
    put_listing(server, first, [entry("all/a.zip", ZIP)], headers=more)
    put_listing(server, "/api/next?cursor=2", [entry("all/b.zip", ZIP)])
    offers = find_voices(server.url("/ann/voices/tree/main/all"), hub=server.base)
    assert [offer.title for offer in offers] == ["all/a.zip", "all/b.zip"]


def test_a_listing_without_an_end_is_cut_off(server: FaultServer) -> None:
    path = "/api/models/ann/voices/tree/main?recursive=true"
    circle = {"Link": f'<{server.url(path)}>; rel="next"'}
    put_listing(server, path, [entry("a.zip", ZIP)], headers=circle)
    assert find_voices(server.url("/ann/voices"), hub=server.base)
    assert len(server.seen) == 10


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"<html>", b"[" * 200_000, b'"', b"\xff\xfe", b'[{"type": "file"}, 3, null]',
     b'[{"type": "file", "path": 7}]', b'[{"type": "file", "path": "a.txt", "size": -1}]'],
)  # fmt: skip
def test_invalid_listings_are_errors(server: FaultServer, body: bytes) -> None:
    server.put(body, "/api/models/ann/voices/tree/main?recursive=true")
    assert why(server.url("/ann/voices"), hub=server.base)


def test_a_malformed_row_of_a_listing_hides_only_itself(server: FaultServer) -> None:
    rows = [{"type": "file", "path": 5}, entry("aria.zip", ZIP), {"type": "file"}, None]
    put_listing(server, "/api/models/ann/voices/tree/main?recursive=true", rows)
    offers = find_voices(server.url("/ann/voices"), hub=server.base)
    assert [offer.title for offer in offers] == ["aria.zip"]


@pytest.mark.parametrize(
    "odd", ["", "a\0.zip", "x/../../b.zip", "\ud800.zip", "ü" * 3000 + ".zip", "y" * 9000 + ".pth"]
)
def test_a_path_that_cannot_be_fetched_hides_only_itself(server: FaultServer, odd: str) -> None:
    huge = {"type": "file", "path": "huge.zip", "size": "digits"}
    body = json.dumps([entry(odd, ZIP), huge, entry("aria.zip", ZIP)])
    body = body.replace('"digits"', "9" * 5000) if odd else body
    server.put(body.encode(), "/api/models/ann/voices/tree/main?recursive=true")
    offers = find_voices(server.url("/ann/voices"), hub=server.base)
    assert [offer.title for offer in offers] == (["aria.zip", "huge.zip"] if odd else ["aria.zip"])


def test_a_listed_name_is_shown_without_tricks(server: FaultServer) -> None:
    rows = [entry("a\x1b[31m/\u202egpj\n.zip", ZIP)]
    put_listing(server, "/api/models/ann/voices/tree/main?recursive=true", rows)
    (offer,) = find_voices(server.url("/ann/voices"), hub=server.base)
    assert offer.title == "a?[31m/?gpj?.zip"
    assert offer.files[0].name == "gpj.zip"


def test_an_oversized_listing_is_not_read_to_its_end(server: FaultServer) -> None:
    body = json.dumps([entry("aria.zip", ZIP)]).encode() + b" " * 9_000_000
    server.put(body, "/api/models/ann/voices/tree/main?recursive=true")
    assert "did not send a list of files" in why(server.url("/ann/voices"), hub=server.base)


def test_a_missing_repository_is_an_error(server: FaultServer) -> None:
    assert "404" in why(server.url("/ann/none"), hub=server.base)


def test_finding_voices_can_be_cancelled(server: FaultServer) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(ConversionCancelled):
        find_voices(server.put(ZIP, "/aria.zip"), cancel=cancel)
    assert server.seen == []


def test_links_to_the_official_hub_go_to_the_mirror_that_is_set(server: FaultServer) -> None:
    put_listing(server, "/api/models/ann/voices/tree/main?recursive=true", [entry("aria.zip", ZIP)])
    offers = find_voices("https://huggingface.co/ann/voices", hub=server.base)
    assert offers[0].files[0].url == server.url("/ann/voices/resolve/main/aria.zip")


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a.pth", "added_x.index"], [["a.pth", "added_x.index"]]),
        (["a_e10.pth", "a_e20.pth", "added_x.index"],
         [["a_e10.pth", "added_x.index"], ["a_e20.pth", "added_x.index"]]),
        (["a.pth", "b.pth", "added_x.index"], [["a.pth"], ["b.pth"]]),
        (["ann.pth", "bob.pth", "added_ann_v2.index", "added_bob_v2.index"],
         [["ann.pth", "added_ann_v2.index"], ["bob.pth", "added_bob_v2.index"]]),
        (["x/a.pth", "y/added_a.index"], [["a.pth", "added_a.index"]]),
        (["x/a.pth", "x/b.pth", "y/added_c.index"], [["a.pth"], ["b.pth"]]),
        (["Ann/model.pth", "Ben/model.pth", "Ben/added.index"],
         [["model.pth"], ["model.pth", "added.index"]]),
        (["rose3.pth", "added_ros.index", "added_rose3.index"],
         [["rose3.pth", "added_rose3.index"]]),
        (["../../a.zip"], [["a.zip"]]),
        (["trained_a.index", "G_100.pth", "D_latest.pth", "f0D48k.pth", "notes.txt"], []),
    ],
)  # fmt: skip
def test_indexes_are_matched_to_voices(paths: list[str], expected: list[list[str]]) -> None:
    files = [ListedFile(path, 1, None) for path in paths]
    assert names(offers_among(files, HERE)) == expected


# --- what a zip contains ------------------------------------------------------------------------


def large_zip(count: int = 2) -> bytes:
    """A zip of 300 kB and more, so that its end is not all of it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("aria/aria.pth", random.Random(1).randbytes(300_000))
        archive.writestr("__MACOSX/aria/._aria.pth", b"x")
        for number in range(count - 1):
            archive.writestr(f"aria/added_{number}.index", b"y" * 20)
    return file.getvalue()


def contents(server: FaultServer, body: bytes, name: str = "aria.zip") -> tuple[str, ...]:
    file = RemoteFile(server.put(body, f"/{name}"), name, len(body))
    (offer,) = with_contents([VoiceOffer(name, (file,))], CancelToken())
    return offer.contents


def test_the_names_in_a_zip_need_one_request_for_its_end(server: FaultServer) -> None:
    assert contents(server, large_zip()) == ("aria.pth", "added_0.index")
    (seen,) = server.seen
    start, end = map(int, seen.headers["Range"].removeprefix("bytes=").split("-"))
    assert end - start + 1 == 65_536


def test_the_first_of_many_names_are_listed(server: FaultServer) -> None:
    told = contents(server, large_zip(50))
    assert len(told) == 13
    assert told[-1] == "…"


def test_names_in_other_encodings_are_read(server: FaultServer) -> None:
    name = "初音ミク.pth"
    assert contents(server, zoo.packed_with_bytes({name.encode("shift_jis"): b"1"})) == (name,)


def test_a_small_zip_is_read_whole(server: FaultServer) -> None:
    assert contents(server, zoo.packed({"aria.pth": b"1"})) == ("aria.pth",)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=404),
        Fault(status=503),
        Fault(ignore_range=True),
        Fault(span_header="bytes 0-1/2"),
        Fault(cut=100),
        Fault(silent=True),
    ],
)
def test_the_end_of_a_zip_is_requested_once_only(server: FaultServer, fault: Fault) -> None:
    server.faults.append(fault)
    assert contents(server, large_zip()) == ()
    assert len(server.seen) <= 2


@pytest.mark.parametrize("body", [b"<html>" * 99, b"PK\5\6" + b"\xff" * 18, b"x"])
def test_other_files_have_unknown_contents(server: FaultServer, body: bytes) -> None:
    assert contents(server, body) == ()


def test_damaged_tables_have_unknown_contents_or_names(server: FaultServer) -> None:
    whole = zoo.packed({"aria.pth": b"1" * 50, "../../x.index": b"2", "b/c.zip": b"3"})
    chance = random.Random(3)
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(3):
            body[chance.randrange(len(body))] = chance.randrange(256)
        assert all(isinstance(name, str) for name in contents(server, bytes(body)))


def test_other_files_and_long_lists_are_not_asked_about(server: FaultServer) -> None:
    assert contents(server, b"1" * 99, "aria.pth") == ()
    offers = [VoiceOffer(f"{n}.zip", (RemoteFile(server.url(), f"{n}.zip", 9),)) for n in range(5)]
    assert with_contents(offers, CancelToken()) == tuple(offers)
    assert server.seen == []


def test_looking_into_a_zip_can_be_cancelled(server: FaultServer) -> None:
    cancel = CancelToken()
    cancel.cancel()
    offer = VoiceOffer("a.zip", (RemoteFile(server.url("/a.zip"), "a.zip", 9),))
    with pytest.raises(ConversionCancelled):
        with_contents([offer], cancel)
