"""A zip's table of contents is read from its end, and whatever is odd about it hurts nobody."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator

import pytest

from engine.errors import ConversionCancelled
from engine.library.link import RemoteFile, VoiceOffer, with_contents
from engine.progress import CancelToken
from tests.engine.library.download.http_server import FaultServer, Misdeed, running_server
from tests.engine.loading import zoo


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with running_server() as running:
        yield running


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


def test_the_files_in_a_zip_are_told_after_one_request_for_its_end(server: FaultServer) -> None:
    assert contents(server, large_zip()) == ("aria.pth", "added_0.index")
    (seen,) = server.seen
    start, end = map(int, seen.headers["Range"].removeprefix("bytes=").split("-"))
    assert end - start + 1 == 65_536


def test_of_many_files_the_first_are_told(server: FaultServer) -> None:
    told = contents(server, large_zip(50))
    assert len(told) == 13
    assert told[-1] == "…"


def test_names_in_other_encodings_are_read(server: FaultServer) -> None:
    name = "初音ミク.pth"
    assert contents(server, zoo.packed_with_bytes({name.encode("shift_jis"): b"1"})) == (name,)


def test_a_small_zip_is_read_whole(server: FaultServer) -> None:
    assert contents(server, zoo.packed({"aria.pth": b"1"})) == ("aria.pth",)


@pytest.mark.parametrize(
    "deed",
    [
        Misdeed(status=404),
        Misdeed(status=503),
        Misdeed(ignore_range=True),
        Misdeed(span_header="bytes 0-1/2"),
        Misdeed(cut=100),
        Misdeed(silent=True),
    ],
)
def test_a_server_that_does_not_give_the_end_is_asked_once_and_left_alone(
    server: FaultServer, deed: Misdeed
) -> None:
    server.misdeeds.append(deed)
    assert contents(server, large_zip()) == ()
    assert len(server.seen) <= 2


@pytest.mark.parametrize("body", [b"<html>" * 99, b"PK\5\6" + b"\xff" * 18, b"x"])
def test_what_is_no_zip_tells_nothing(server: FaultServer, body: bytes) -> None:
    assert contents(server, body) == ()


def test_damaged_tables_tell_nothing_or_names(server: FaultServer) -> None:
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


def test_a_cancelled_look_ends(server: FaultServer) -> None:
    cancel = CancelToken()
    cancel.cancel()
    offer = VoiceOffer("a.zip", (RemoteFile(server.url("/a.zip"), "a.zip", 9),))
    with pytest.raises(ConversionCancelled):
        with_contents([offer], cancel)
