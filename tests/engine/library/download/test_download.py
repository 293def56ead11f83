"""A download gives the right file or none, and says why in one sentence."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from engine import files
from engine.errors import ConversionCancelled, DownloadError
from engine.library.download import part_file
from engine.library.download.connection import Timeouts
from engine.library.download.download import download
from engine.library.download.part_file import note_path, part_path
from engine.library.download.retry import Pacing
from engine.progress import CancelToken
from tests.engine.library.download.http_server import FINE, Fault, FaultServer

BODY = random.Random(5).randbytes(300_000)
HASH = hashlib.sha256(BODY).hexdigest()
QUICK = Timeouts(connect_s=2.0, stall_s=0.3)


class Clock:
    """Sleeps at once, and remembers for how long."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds

    def pacing(self, attempts: int = 5) -> Pacing:
        return Pacing(attempts=attempts, sleep=self.sleep, chance=lambda: 1.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sentence(caught: pytest.ExceptionInfo[DownloadError]) -> str:
    text = str(caught.value)
    assert text.startswith('Cannot download "file.bin": ')
    assert text.endswith(".")
    assert "\n" not in text
    return text


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- what works ---------------------------------------------------------------------------------


def test_a_whole_file_is_installed_and_nothing_else_is_left(
    server: FaultServer, tmp_path: Path
) -> None:
    heard: list[tuple[int, int | None]] = []
    target = tmp_path / "new folder" / "file.bin"
    path = download(
        server.put(BODY),
        target,
        sha256=HASH,
        listener=lambda done, all_: heard.append((done, all_)),
    )
    assert path == target
    assert target.read_bytes() == BODY
    assert leftovers(target.parent) == {"file.bin"}
    assert heard[0] == (0, len(BODY))
    assert heard[-1] == (len(BODY), len(BODY))
    assert heard == sorted(heard)


def test_the_right_file_in_place_is_not_fetched_again(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY)
    download(server.put(BODY), tmp_path / "file.bin", sha256=HASH.upper())
    assert server.seen == []


def test_a_wrong_file_in_place_is_replaced(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"old")
    download(server.put(BODY), tmp_path / "file.bin", sha256=HASH)
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("fault", [Fault(chunked=True), Fault(pause_s=0.01, piece=20_000)])
def test_chunked_and_slow_bodies_arrive(server: FaultServer, tmp_path: Path, fault: Fault) -> None:
    server.always = fault
    download(server.put(BODY), tmp_path / "file.bin", timeouts=QUICK)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_an_unannounced_length_is_taken_only_with_a_hash(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.always = Fault(no_length=True)
    url = server.put(BODY)
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "file.bin", pacing=clock.pacing())
    assert "does not state the file's length" in sentence(caught)
    assert leftovers(tmp_path) == set()
    download(url, tmp_path / "file.bin", sha256=HASH, pacing=clock.pacing())
    assert (tmp_path / "file.bin").read_bytes() == BODY


# --- resuming -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sha256", [HASH, None])
def test_a_broken_connection_is_resumed_where_it_broke(
    server: FaultServer, tmp_path: Path, clock: Clock, sha256: str | None
) -> None:
    server.faults.extend([Fault(cut=100_000), Fault(cut=50_000, reset=True)])
    download(server.put(BODY), tmp_path / "file.bin", sha256=sha256, pacing=clock.pacing())
    assert (tmp_path / "file.bin").read_bytes() == BODY
    asked = [seen.headers.get("Range") for seen in server.seen]
    assert asked[:2] == [None, "bytes=100000-"]
    assert ("If-Range" in server.seen[1].headers) == (sha256 is None)
    assert clock.slept_s == pytest.approx(1.0 + 2.0)


def test_a_later_call_resumes_what_an_earlier_one_left(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    url = server.put(BODY)
    server.always = Fault(cut=120_000)
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "file.bin", pacing=clock.pacing(attempts=1))
    assert "lost after 120.0 kB of 300.0 kB" in sentence(caught)
    assert part_path(tmp_path / "file.bin").stat().st_size == 120_000
    server.always = FINE
    download(url, tmp_path / "file.bin", pacing=clock.pacing())
    assert server.seen[-1].headers["Range"] == "bytes=120000-"
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert leftovers(tmp_path) == {"file.bin"}


def test_with_a_known_hash_another_mirror_continues_the_part(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.faults.append(Fault(cut=120_000))
    with pytest.raises(DownloadError):
        download(
            server.put(BODY), tmp_path / "file.bin", sha256=HASH, pacing=clock.pacing(attempts=1)
        )
    mirror = server.put(BODY, "/mirror/file.bin", etag='"another"')
    download(mirror, tmp_path / "file.bin", sha256=HASH)
    assert server.seen[-1].headers["Range"] == "bytes=120000-"
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_without_a_hash_another_address_starts_from_the_beginning(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.faults.append(Fault(cut=120_000))
    with pytest.raises(DownloadError):
        download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing(attempts=1))
    other = random.Random(6).randbytes(200_000)
    download(server.put(other, "/other.bin"), tmp_path / "file.bin")
    assert "Range" not in server.seen[-1].headers
    assert (tmp_path / "file.bin").read_bytes() == other


@pytest.mark.parametrize("ignore_if_range", [False, True])
@pytest.mark.parametrize("length", [250_000, len(BODY)])
def test_a_file_that_changed_meanwhile_is_fetched_whole(
    server: FaultServer, tmp_path: Path, clock: Clock, ignore_if_range: bool, length: int
) -> None:
    changed = random.Random(7).randbytes(length)
    change = Fault(change=changed, ignore_if_range=ignore_if_range)
    server.faults.extend([Fault(cut=100_000), change])
    download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing())
    assert (tmp_path / "file.bin").read_bytes() == changed


@pytest.mark.parametrize("etag", [None, 'W/"weak"', '"bad\x01"'])
def test_without_a_strong_etag_and_hash_nothing_is_resumed(
    server: FaultServer, tmp_path: Path, clock: Clock, etag: str | None
) -> None:
    server.faults.append(Fault(cut=100_000))
    download(server.put(BODY, etag=etag), tmp_path / "file.bin", pacing=clock.pacing())
    assert [seen.headers.get("Range") for seen in server.seen] == [None, None]
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "fault",
    [
        Fault(ignore_range=True),
        Fault(wrong_span=-1000),
        Fault(wrong_span=1000),
        Fault(span_header="bytes nonsense"),
        Fault(span_header="bytes 100000-299999/999999"),
        Fault(span_header="bytes 100000-199999/200000", length_lie=-100_000),
        Fault(status=416),
    ],
)
def test_a_wrong_answer_to_a_range_request_does_not_damage_the_file(
    server: FaultServer, tmp_path: Path, clock: Clock, fault: Fault
) -> None:
    server.faults.extend([Fault(cut=100_000), fault])
    download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing())
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("harm", ["flip", "shorten", "lengthen", "note", "no note", "deep note"])
def test_a_damaged_part_is_noticed_without_any_hash_of_the_whole(
    server: FaultServer, tmp_path: Path, clock: Clock, harm: str
) -> None:
    url = server.put(BODY)
    server.faults.append(Fault(cut=100_000))
    with pytest.raises(DownloadError):
        download(url, tmp_path / "file.bin", pacing=clock.pacing(attempts=1))
    part = part_path(tmp_path / "file.bin")
    content = bytearray(part.read_bytes())
    if harm == "flip":
        content[50_000] ^= 1
        part.write_bytes(content)
    elif harm == "shorten":
        part.write_bytes(content[:90_000])
    elif harm == "lengthen":
        part.write_bytes(content + b"\0" * 5000)
    elif harm == "note":
        note_path(part).write_text('{"url": 3, "saved_bytes": "many"}')
    elif harm == "no note":
        note_path(part).unlink()
    else:
        note_path(part).write_text("[" * 60_000)
    download(url, tmp_path / "file.bin", pacing=clock.pacing())
    assert (tmp_path / "file.bin").read_bytes() == BODY
    resumed = "Range" in server.seen[-1].headers
    assert resumed == (harm == "lengthen")


def test_a_part_that_was_complete_is_installed_without_the_network(
    server: FaultServer, tmp_path: Path
) -> None:
    target = tmp_path / "file.bin"
    part_path(target).write_bytes(BODY)
    note = {"url": "x", "sha256": HASH, "etag": None, "total_bytes": len(BODY)}
    note |= {"saved_bytes": len(BODY), "saved_sha256": HASH}
    note_path(part_path(target)).write_text(json.dumps(note))
    download(server.url(), target, sha256=HASH)
    assert target.read_bytes() == BODY
    assert server.seen == []


def test_a_resumed_file_with_a_wrong_hash_is_fetched_once_more_from_the_start(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.faults.extend([Fault(corrupt=True, cut=200_000), FINE])
    download(server.put(BODY), tmp_path / "file.bin", sha256=HASH, pacing=clock.pacing())
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert [seen.headers.get("Range") for seen in server.seen] == [None, "bytes=200000-", None]


def test_a_part_of_another_file_is_not_continued(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.faults.append(Fault(cut=120_000))
    with pytest.raises(DownloadError):
        download(
            server.put(BODY), tmp_path / "file.bin", sha256=HASH, pacing=clock.pacing(attempts=1)
        )
    other = random.Random(8).randbytes(200_000)
    newer = hashlib.sha256(other).hexdigest()
    download(server.put(other), tmp_path / "file.bin", sha256=newer)
    assert ["Range" in seen.headers for seen in server.seen] == [False, False]
    assert (tmp_path / "file.bin").read_bytes() == other


def test_an_empty_answer_does_not_cost_what_has_come(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.faults.extend([Fault(cut=100_000), Fault(ignore_range=True, cut=0)])
    with pytest.raises(DownloadError):
        download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing(attempts=2))
    assert part_path(tmp_path / "file.bin").stat().st_size == 100_000


def test_tries_that_bring_something_do_not_count_as_failures(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    body = random.Random(2).randbytes(6 * 2**20)
    server.always = Fault(cut=2**20)
    download(server.put(body), tmp_path / "file.bin", pacing=clock.pacing(attempts=2))
    assert (tmp_path / "file.bin").read_bytes() == body
    assert len(server.seen) == 6


# --- what is refused ----------------------------------------------------------------------------


def test_a_wrong_hash_leaves_nothing(server: FaultServer, tmp_path: Path, clock: Clock) -> None:
    server.always = Fault(corrupt=True)
    with pytest.raises(DownloadError) as caught:
        download(server.put(BODY), tmp_path / "file.bin", sha256=HASH, pacing=clock.pacing())
    assert "SHA-256" in sentence(caught)
    assert leftovers(tmp_path) == set()
    assert len(server.seen) == 1


@pytest.mark.parametrize("lie", [-1000, 1000])
@pytest.mark.parametrize("size_bytes", [None, len(BODY)])
def test_a_wrong_content_length_is_an_error(
    server: FaultServer, tmp_path: Path, clock: Clock, lie: int, size_bytes: int | None
) -> None:
    server.always = Fault(length_lie=lie)
    with pytest.raises(DownloadError) as caught:
        download(
            server.put(BODY),
            tmp_path / "file.bin",
            sha256=HASH,
            size_bytes=size_bytes,
            pacing=clock.pacing(attempts=3),
        )
    assert sentence(caught)
    assert not (tmp_path / "file.bin").exists()


@pytest.mark.parametrize("page_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_login_page_is_recognised_and_the_part_is_kept(
    server: FaultServer, tmp_path: Path, clock: Clock, page_type: str
) -> None:
    page = Fault(page=True, page_type=page_type)
    server.faults.extend([Fault(cut=100_000), page])
    with pytest.raises(DownloadError) as caught:
        download(server.put(BODY), tmp_path / "file.bin", sha256=HASH, pacing=clock.pacing())
    assert "sent a web page instead of the file" in sentence(caught)
    assert part_path(tmp_path / "file.bin").stat().st_size == 100_000


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "sign-in required (401)"),
        (403, "access denied (403)"),
        (404, "not found on the server (404)"),
        (410, "removed"),
        (418, "unexpected response from the server (418)"),
        (451, "country"),
    ],
)
def test_refusing_answers_are_final(
    server: FaultServer, tmp_path: Path, clock: Clock, status: int, words: str
) -> None:
    server.always = Fault(status=status)
    with pytest.raises(DownloadError) as caught:
        download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing())
    assert words in sentence(caught)
    assert len(server.seen) == 1
    assert leftovers(tmp_path) == set()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_server_errors_are_retried_and_then_shown(
    server: FaultServer, tmp_path: Path, clock: Clock, status: int
) -> None:
    url = server.put(BODY)
    server.faults.extend([Fault(status=status)] * 2)
    download(url, tmp_path / "file.bin", sha256=HASH, pacing=clock.pacing())
    assert (tmp_path / "file.bin").read_bytes() == BODY
    server.always = Fault(status=status)
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "file.bin", pacing=clock.pacing())
    assert f"({status})" in sentence(caught)
    assert len(server.seen) == 3 + 5


@pytest.mark.parametrize(
    ("retry_after", "waited_s"),
    [("7", 7.0), ("Sun, 09 Sep 2001 01:47:10 GMT", 1.0), ("soon", 1.0), ("-5", 1.0)],
)
def test_retry_after_is_honoured(
    server: FaultServer, tmp_path: Path, clock: Clock, retry_after: str, waited_s: float
) -> None:
    server.faults.append(Fault(status=429, retry_after=retry_after))
    download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing())
    assert clock.slept_s == pytest.approx(waited_s)


@pytest.mark.parametrize("asked", ["3600", "9" * 400, "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_server_that_asks_for_an_hour_is_not_waited_for(
    server: FaultServer, tmp_path: Path, clock: Clock, asked: str
) -> None:
    server.faults.append(Fault(status=503, retry_after=asked))
    with pytest.raises(DownloadError):
        download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing())
    assert clock.slept_s == 0


def test_redirects_are_followed_but_not_in_a_circle(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.put(BODY, "/там/file.bin".replace("там", "%D1%82%D0%B0%D0%BC"))
    server.put(b"", "/moved", headers={"Location": "/%D1%82%D0%B0%D0%BC/file.bin"})
    server.put(b"", "/circle", headers={"Location": "/circle"})
    download(server.url("/moved"), tmp_path / "file.bin", sha256=HASH)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    with pytest.raises(DownloadError) as caught:
        download(server.url("/circle"), tmp_path / "file.bin", pacing=clock.pacing())
    assert "more than 10 times" in sentence(caught)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/file.bin",
        "http://example.invalid/file.bin",
        "http://[",
        "https://user:secret@127.0.0.1/file.bin",
        "https://a\x7fb/",
    ],
)
def test_redirects_to_forbidden_addresses_are_refused(
    server: FaultServer, tmp_path: Path, clock: Clock, location: str
) -> None:
    server.always = Fault(location=location)
    with pytest.raises(DownloadError) as caught:
        download(server.url(), tmp_path / "file.bin", pacing=clock.pacing())
    assert "not allowed" in sentence(caught)


@pytest.mark.parametrize(
    "url",
    ["http://example.invalid/file.bin", "ftp://example.invalid/file.bin", "file:///etc/passwd",
     "https://", "https://user@example.invalid/file.bin", "https://host:99999/", "https://a b/",
     "https://" + "x" * 9000, "https://" + "ü" * 300 + ".invalid/", "", "\x00"],
)  # fmt: skip
def test_addresses_that_may_not_be_fetched_are_refused_before_anything_is_written(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "sub" / "file.bin")
    assert sentence(caught)
    assert leftovers(tmp_path) == set()


def test_an_unknown_server_is_an_error_without_retries(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(DownloadError) as caught:
        download("https://no-such-host.invalid/x", tmp_path / "file.bin", pacing=clock.pacing())
    assert "no-such-host.invalid was not found" in sentence(caught)
    assert "internet connection" in sentence(caught)
    assert clock.slept_s == 0
    assert leftovers(tmp_path) == set()


def test_a_closed_port_is_an_error_after_retries(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(DownloadError) as caught:
        download("http://127.0.0.1:9/x", tmp_path / "file.bin", pacing=clock.pacing())
    assert "refuses the connection" in sentence(caught)
    assert clock.slept_s == pytest.approx(1 + 2 + 4 + 8)


@pytest.mark.parametrize("fault", [Fault(garbage=True), Fault(silent=True), Fault(packed=True)])
def test_invalid_http_answers_are_errors(
    server: FaultServer, tmp_path: Path, clock: Clock, fault: Fault
) -> None:
    server.always = fault
    with pytest.raises(DownloadError) as caught:
        download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing())
    assert sentence(caught)
    assert leftovers(tmp_path) == set()


def test_a_stalled_server_is_given_up(server: FaultServer, tmp_path: Path, clock: Clock) -> None:
    server.always = Fault(pause_s=1.0, piece=1000)
    began = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing(2), timeouts=QUICK)
    assert "does not respond" in sentence(caught)
    assert time.monotonic() - began < 100  # all of it would take 300


def test_a_server_that_trickles_is_given_up(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.always = Fault(pause_s=0.02, piece=1)
    slow = Timeouts(slow_s=0.2)
    with pytest.raises(DownloadError) as caught:
        download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing(2), timeouts=slow)
    assert re.search(r"127\.0\.0\.1 sends only \d+ bytes? a second; try again", sentence(caught))
    quick = Timeouts(slow_s=0.2, least_bytes_a_second=1.0)
    body = server.put(b"all of it arrives", "/short.bin")
    assert download(body, tmp_path / "short.bin", timeouts=quick).read_bytes()[-7:] == b"arrives"


def test_a_server_that_trickles_its_headers_is_given_up(tmp_path: Path, clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            line, _ = listening.accept()
            with contextlib.suppress(OSError), line:
                line.sendall(b"HTTP/1.1 200 OK\r\n")
                for number in range(1000):
                    line.sendall(b"X-%d: 1\r\n" % number)
                    time.sleep(0.05)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/file.bin"
        with pytest.raises(DownloadError) as caught:
            download(
                url,
                tmp_path / "file.bin",
                pacing=clock.pacing(1),
                timeouts=Timeouts(stall_s=0.2, slow_s=0.2),
            )
        thread.join(60)
    assert "does not respond" in sentence(caught)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_over_the_limit_is_refused(
    server: FaultServer, tmp_path: Path, clock: Clock, chunked: bool
) -> None:
    server.always = Fault(chunked=chunked)
    with pytest.raises(DownloadError) as caught:
        download(
            server.put(BODY),
            tmp_path / "file.bin",
            size_limit_bytes=200_000,
            pacing=clock.pacing(),
        )
    assert "larger than the allowed 200.0 kB" in sentence(caught)
    assert leftovers(tmp_path) == set()


def test_a_file_of_another_length_is_refused_before_it_is_fetched(
    server: FaultServer, tmp_path: Path
) -> None:
    heard: list[int] = []
    with pytest.raises(DownloadError) as caught:
        download(
            server.put(BODY),
            tmp_path / "file.bin",
            size_bytes=300_001,
            listener=lambda done, _: heard.append(done),
        )
    assert "300000 bytes instead of 300001" in sentence(caught)
    assert heard == []


def test_a_body_longer_than_known_is_stopped_when_it_is_too_long(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    server.always = Fault(chunked=True)
    heard: list[int] = []
    with pytest.raises(DownloadError) as caught:
        download(
            server.put(BODY),
            tmp_path / "file.bin",
            size_bytes=200_000,
            listener=lambda done, _: heard.append(done),
            pacing=clock.pacing(),
        )
    assert "more than it announced" in sentence(caught)
    assert max(heard) <= 200_000
    assert leftovers(tmp_path) == set()


def test_a_complete_part_of_another_length_is_refused(
    server: FaultServer, tmp_path: Path, clock: Clock
) -> None:
    target = tmp_path / "file.bin"
    part_path(target).write_bytes(BODY)
    note = {"url": server.url(), "sha256": None, "etag": '"x"', "total_bytes": len(BODY)}
    note |= {"saved_bytes": len(BODY), "saved_sha256": HASH}
    note_path(part_path(target)).write_text(json.dumps(note))
    with pytest.raises(DownloadError):
        download(server.put(BODY), target, size_bytes=len(BODY) + 1, pacing=clock.pacing())
    assert leftovers(tmp_path) == set()


# --- the disk -----------------------------------------------------------------------------------

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - as shutil's own


def test_a_full_disk_is_an_error_before_the_transfer(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes = files.SPARE_BYTES + 299_999
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, free_bytes))
    with pytest.raises(DownloadError) as caught:
        download(server.put(BODY), tmp_path / "file.bin")
    assert "300.0 kB more are needed" in sentence(caught)
    assert leftovers(tmp_path) == set()


class FullDisk(io.FileIO):
    """A file on a disk that has room for 150,000 bytes."""

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        room = 150_000 - self.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:room])


def test_a_disk_that_fills_up_is_an_error_and_the_part_is_continued_later(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    server.always = Fault(piece=10_000, pause_s=0.001)
    with monkeypatch.context() as full:
        full.setattr(part_file.io, "FileIO", FullDisk)
        with pytest.raises(DownloadError) as caught:
            download(server.put(BODY), tmp_path / "file.bin", pacing=clock.pacing())
    assert "the disk is full" in sentence(caught)
    assert not (tmp_path / "file.bin").exists()
    download(server.url(), tmp_path / "file.bin")
    assert 0 < int(server.seen[-1].headers["Range"][6:-1]) <= 150_000
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_real_write_error_of_the_system_is_a_sentence(
    server: FaultServer, tmp_path: Path
) -> None:
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from engine.library.download.download import download\n"
        "from engine.errors import DownloadError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: download(sys.argv[1], Path(sys.argv[2]))\n"
        "except DownloadError as error: print(error)\n"
    )
    target = tmp_path / "file.bin"
    run = subprocess.run(
        [sys.executable, "-c", script, server.put(BODY), str(target)],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "file too large" in run.stdout
    assert not target.exists()


def test_destinations_that_cannot_be_written_are_errors(
    server: FaultServer, tmp_path: Path
) -> None:
    url = server.put(BODY)
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "file.bin")
    assert "a folder has that name" in sentence(caught)
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "plain" / "file.bin")
    assert "plain" in sentence(caught)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file.bin.part").symlink_to(tmp_path / "plain")
    with pytest.raises(DownloadError):
        download(url, tmp_path / "sub" / "file.bin")
    assert (tmp_path / "plain").read_bytes() == b""


# --- cancel, and two at once --------------------------------------------------------------------


def test_a_cancel_keeps_the_part_for_the_next_time(server: FaultServer, tmp_path: Path) -> None:
    cancel = CancelToken()

    def listener(done: int, _: int | None) -> None:
        if done >= 100_000:
            cancel.cancel()

    server.always = Fault(piece=20_000, pause_s=0.002)
    url = server.put(BODY)
    with pytest.raises(ConversionCancelled):
        download(url, tmp_path / "file.bin", sha256=HASH, listener=listener, cancel=cancel)
    kept = part_path(tmp_path / "file.bin").stat().st_size
    assert 100_000 <= kept < len(BODY)
    download(url, tmp_path / "file.bin", sha256=HASH)
    assert server.seen[-1].headers["Range"] == f"bytes={kept}-"
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_cancel_ends_a_silent_connection_at_once(server: FaultServer, tmp_path: Path) -> None:
    server.always = Fault(piece=100_000, pause_s=60.0)
    cancel = CancelToken()
    threading.Timer(0.3, cancel.cancel).start()
    began = time.monotonic()
    with pytest.raises(ConversionCancelled):
        download(server.put(BODY), tmp_path / "file.bin", cancel=cancel)
    assert time.monotonic() - began < 30  # the server would be silent for 60
    assert part_path(tmp_path / "file.bin").stat().st_size == 100_000


def test_a_cancel_ends_a_pause_between_tries(server: FaultServer, tmp_path: Path) -> None:
    server.always = Fault(status=503, retry_after="60")
    cancel = CancelToken()
    threading.Timer(0.3, cancel.cancel).start()
    began = time.monotonic()
    with pytest.raises(ConversionCancelled):
        download(server.put(BODY), tmp_path / "file.bin", cancel=cancel)
    assert time.monotonic() - began < 30


def test_two_at_once_do_not_disturb_each_other(server: FaultServer, tmp_path: Path) -> None:
    server.always = Fault(piece=10_000, pause_s=0.003)
    url = server.put(BODY)
    outcomes: list[str] = []

    def fetch() -> None:
        try:
            download(url, tmp_path / "file.bin", sha256=HASH)
            outcomes.append("right")
        except DownloadError as error:
            outcomes.append(error.why)

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("right") >= 1
    assert set(outcomes) <= {"right", "it is being downloaded already"}
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert leftovers(tmp_path) == {"file.bin"}


def test_two_processes_that_race_leave_one_right_file(server: FaultServer, tmp_path: Path) -> None:
    server.always = Fault(piece=30_000, pause_s=0.002)
    script = (
        "import sys; from pathlib import Path\n"
        "from engine.library.download.download import download\n"
        "from engine.errors import DownloadError\n"
        "for _ in range(15):\n"
        "    try: download(sys.argv[1], Path(sys.argv[2]))\n"
        "    except DownloadError as error: assert 'already' in error.why, error.why\n"
    )
    command = [sys.executable, "-c", script, server.put(BODY), str(tmp_path / "file.bin")]
    runs = [
        subprocess.Popen(command, cwd=Path(__file__).parents[4], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    broken = 0
    while any(run.poll() is None for run in runs):
        target = tmp_path / "file.bin"
        if target.exists() and target.read_bytes() != BODY:
            broken += 1
        time.sleep(0.005)
    assert [run.communicate()[1] for run in runs] == [""] * 3
    assert broken == 0
    assert leftovers(tmp_path) == {"file.bin"}


def test_a_late_lock_does_not_touch_the_installed_file(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first download installs its part between our opening and our locking of it."""
    target, witness = tmp_path / "file.bin", tmp_path / "witness"
    real_flock = part_file.fcntl.flock

    def late_flock(file: io.FileIO, operation: int) -> None:
        if not target.exists():
            part_path(target).rename(target)
            target.write_bytes(b"installed by the first")
            witness.hardlink_to(target)
        real_flock(file, operation)

    monkeypatch.setattr(part_file.fcntl, "flock", late_flock)
    download(server.put(BODY), target)
    assert witness.read_bytes() == b"installed by the first"
    assert target.read_bytes() == BODY
