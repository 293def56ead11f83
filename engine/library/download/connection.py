"""One HTTP request: https only (http to this machine), proxies, redirects, time limits, cancel.

The only module that opens a socket. `urllib3` speaks HTTP and `truststore` asks the system which
certificates to trust. Redirects stay here, because every address on the way is checked, and so
does the connection itself, because a cancel has to break it in the middle of a blocked read.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, InvalidURL
from urllib.parse import unquote, urlsplit

import truststore
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import make_headers, parse_url

from engine.errors import Failure, Interruption, Refusal, Text
from engine.files import size_text
from engine.library.download.address import checked_address, is_loopback, redirected
from engine.library.download.retry import asked_wait_s
from engine.progress import CancelToken

LATER = "try again later; the part that arrived is kept"

_MAX_REDIRECTS = 10
_PIECE_BYTES = 2**18
_WATCH_S = 0.1
_HEADERS = {
    "User-Agent": "UltimateRVC (voice conversion for macOS)",
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # a compressed body has another length and hash
    "Connection": "close",
}
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,256}"')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_PAGE_BEGINNINGS = (b"<!doctype", b"<html", b"<head", b"<?xml")


@dataclass(frozen=True)
class Timeouts:
    """How long a server may stay silent, and how slow it may be.

    Attributes
    ----------
    connect_s, stall_s : longest silence until it accepts a connection, and between two pieces
    slow_s, least_bytes_a_second : it may not be slower than this for so long
    """

    connect_s: float = 15.0
    stall_s: float = 30.0
    slow_s: float = 30.0
    least_bytes_a_second: float = 1000.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True)
class Span:
    """A ``Content-Range``: where the body begins in the file; the file's length if stated."""

    start_bytes: int
    total_bytes: int | None


class Response:
    """What a server answered, before its body is read.

    Attributes
    ----------
    url : the address that answered, after redirects
    first : the first response; another one than this after a redirect
    """

    def __init__(
        self, url: str, answer: HTTPResponse, first: Response | None, timeouts: Timeouts
    ) -> None:
        self._answer = answer
        self._timeouts = timeouts
        self._measured_from_s, self._measured_bytes = time.monotonic(), 0
        self.url = url
        self.status = answer.status
        self.first = self if first is None else first

    def header(self, name: str) -> str:
        """A header without the spaces around it; "" if there is none."""
        return self._answer.headers.get(name, "").strip()

    @property
    def redirect(self) -> str | None:
        """Where the server sends us instead."""
        return self._answer.get_redirect_location() or None

    @property
    def chunked(self) -> bool:
        """Whether the body marks its own end."""
        return self._answer.chunked

    @property
    def body_bytes(self) -> int | None:
        """The announced length of the body; None if it is sent in chunks or unannounced."""
        length = self.header("Content-Length")
        return int(length) if not self.chunked and _LENGTH.fullmatch(length) else None

    @property
    def span(self) -> Span | None:
        """Which part of the file the body is; None if the header is missing or invalid."""
        match = _CONTENT_RANGE.fullmatch(self.header("Content-Range"))
        if match is None:
            return None
        return Span(int(match[1]), None if match[3] == "*" else int(match[3]))

    @property
    def strong_etag(self) -> str | None:
        """The server's name for exactly this content; None if there is no reliable one."""
        etag = self.header("ETag")
        return etag if _STRONG_ETAG.fullmatch(etag) else None

    @property
    def compressed(self) -> bool:
        """Whether the body is compressed on the way although we declined that."""
        return self.header("Content-Encoding").lower() not in {"", "identity"}

    def is_page(self, beginning: bytes) -> bool:
        """Whether this is a web page, by its declared type or its first bytes."""
        declared = self.header("Content-Type").partition(";")[0].strip().lower()
        text = beginning[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        return declared in _PAGE_TYPES or text.startswith(_PAGE_BEGINNINGS)

    def read(self) -> bytes:
        """The next piece, as soon as there is one; b"" at the end.

        Raises
        ------
        Interruption : the connection broke, or is too slow
        """
        host = urlsplit(self.url).hostname or ""
        with _told(host):
            piece = self._answer.read1(_PIECE_BYTES)
        self._measured_bytes += len(piece)
        taken_s = time.monotonic() - self._measured_from_s
        if piece and taken_s >= self._timeouts.slow_s:
            if self._measured_bytes < self._timeouts.least_bytes_a_second * taken_s:
                speed = size_text(round(self._measured_bytes / taken_s))
                why = Text("{host} sends only {speed} a second", host=host, speed=speed)
                raise Interruption(why, LATER)
            self._measured_from_s, self._measured_bytes = time.monotonic(), 0
        return piece

    def failure(self) -> Failure:
        """What a status other than success means."""
        if self.status in _TRANSIENT or 500 <= self.status < 600:
            why = _CAUSES.get(self.status) or Text("server error ({status})", status=self.status)
            return Interruption(why, LATER, asked_wait_s=asked_wait_s(self.header("Retry-After")))
        return Refusal(
            _CAUSES.get(self.status)
            or Text("unexpected response from the server ({status})", status=self.status),
            _ADVICE.get(self.status, "check the address or try again later"),
        )


_TRANSIENT = frozenset({408, 425, 429})
_CAUSES = {
    401: "sign-in required (401)",
    403: "access denied (403)",
    404: "file not found on the server (404)",
    408: "the server timed out (408)",
    410: "the file was removed from the server (410)",
    429: "too many requests to the server (429)",
    451: "the file is blocked in this country for legal reasons (451)",
}
_PRIVATE = "open the address in a browser to see if the file is private, or use another address"
_GONE = "check the address; the file may have been moved or renamed"
_ADVICE = {401: _PRIVATE, 403: _PRIVATE, 404: _GONE, 410: _GONE, 451: "use another address"}


@contextmanager
def ask_server(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    timeouts: Timeouts,
    cancel: CancelToken,
) -> Iterator[Response]:
    """Send one request, follow its redirects, and lend the response.

    A cancel breaks the connection from another thread, so that reading ends at once.

    Raises
    ------
    Refusal : if the address is not allowed or the server is not trusted
    Interruption : if the server cannot be reached now
    """
    target = checked_address(url)
    first: Response | None = None
    for _ in range(_MAX_REDIRECTS + 1):
        cancel.raise_if_cancelled()
        with _sent(method, target, headers, timeouts, cancel) as answer:
            response = Response(target, answer, first, timeouts)
            if response.redirect is None:
                yield response
                return
            first = first or response
            target = redirected(target, response.redirect)
    raise Refusal(
        Text("the server redirects more than {count} times", count=_MAX_REDIRECTS),
        "use another address for the same file",
    )


@contextmanager
def _sent(
    method: str, url: str, headers: Mapping[str, str], timeouts: Timeouts, cancel: CancelToken
) -> Iterator[HTTPResponse]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = _connection_to(host, parts.port, parts.scheme, timeouts.connect_s)
    try:
        with _told(host):
            connection.connect()
        connection.timeout = timeouts.stall_s
        connection.sock.settimeout(timeouts.stall_s)
        ends_s = time.monotonic() + timeouts.stall_s + timeouts.slow_s
        with _broken_by(cancel, connection.sock, ends_s) as answered:
            with _told(host), _in_time(host, ends_s):
                connection.request(
                    method,
                    parts.path + ("?" + parts.query if parts.query else ""),
                    headers={**_HEADERS, **headers},
                    preload_content=False,
                    decode_content=False,
                    enforce_content_length=False,
                )
                answer = connection.getresponse()
            answered.set()
            with answer:
                yield answer
    finally:
        connection.close()


def _connection_to(host: str, port: int | None, scheme: str, timeout_s: float) -> HTTPConnection:
    if scheme == "http":
        return HTTPConnection(host, port, timeout=timeout_s)
    trust = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if own := os.environ.get("SSL_CERT_FILE"):
        with suppress(OSError):
            trust.load_verify_locations(own)
    named = urllib.request.getproxies().get("https", "")
    if not named or is_loopback(host) or urllib.request.proxy_bypass(host):
        return HTTPSConnection(host, port, timeout=timeout_s, ssl_context=trust)
    advice = "set https_proxy to http://host:port"
    try:
        proxy = parse_url(named if "://" in named else f"http://{named}")
    except LocationParseError as error:
        raise Refusal("the address of the proxy is invalid", advice) from error
    if proxy.scheme != "http" or not proxy.host:
        raise Refusal(Text("a proxy of type {kind} is not supported", kind=proxy.scheme), advice)
    connection = HTTPSConnection(proxy.host, proxy.port or 80, timeout=timeout_s, ssl_context=trust)
    login = make_headers(proxy_basic_auth=unquote(proxy.auth)) if proxy.auth else None
    connection.set_tunnel(host, port or 443, login)
    return connection


@contextmanager
def _broken_by(
    cancel: CancelToken, line: socket.socket, ends_s: float
) -> Iterator[threading.Event]:
    """Shut ``line`` down when ``cancel`` is set: a blocked read then returns at once.

    So it does at the time ``ends_s`` (`time.monotonic`), unless the event that this yields is set:
    a server that sends its headers one by one is never silent.
    """
    over, answered = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_S):
            if cancel.cancelled or (not answered.is_set() and time.monotonic() > ends_s):
                with suppress(OSError):
                    # Not SSLSocket.shutdown: it drops the state that the reading thread uses.
                    socket.socket.shutdown(line, socket.SHUT_RDWR)
                return

    thread = threading.Thread(target=watch, name="download-cancel", daemon=True)
    thread.start()
    try:
        yield answered
    finally:
        over.set()
        thread.join()


@contextmanager
def _in_time(host: str, ends_s: float) -> Iterator[None]:
    """Say that the server was too slow where it failed, or seems to have ended, after that time."""
    try:
        yield
    finally:
        if time.monotonic() > ends_s:
            raise TimeoutError(host)


@contextmanager
def _told(host: str) -> Iterator[None]:
    """Turn what a connection to ``host`` raises into a `Failure`."""
    try:
        yield
    except (OSError, HTTPError, HTTPException, ValueError) as error:
        raise _connection_failure(host, error) from error


def _connection_failure(host: str, error: BaseException) -> Failure:
    while isinstance(error, HTTPError) and error.__cause__ is not None:
        error = error.__cause__  # urllib3 wraps what the system said
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refusal(
            Text(
                "couldn't verify {host}'s certificate ({reason})",
                host=host,
                reason=error.verify_message,
            ),
            "sign in to this network if it asks for it, check this computer's clock, "
            "or use another network",
        )
    if isinstance(error, LocationParseError | InvalidURL):
        return Refusal("the address is invalid", "copy it again from the browser")
    if str(error).startswith("Tunnel connection failed"):
        status = str(error).removeprefix("Tunnel connection failed:").strip()
        return Refusal(
            Text("the proxy refuses a connection to {host} ({status})", host=host, status=status),
            "check this network's proxy (https_proxy) and its password",
        )
    if isinstance(error, socket.gaierror):
        why, advice = Text("the server {host} was not found", host=host), _CHECK_ADDRESS
        return Interruption(why, advice, offline=True)
    if isinstance(error, OSError) and error.errno in _NO_NETWORK:
        why = Text("{host} cannot be reached", host=host)
        return Interruption(why, "check the internet connection", offline=True)
    if isinstance(error, TimeoutError):
        return Interruption(Text("{host} does not respond", host=host), LATER)
    if isinstance(error, ConnectionRefusedError):
        return Interruption(Text("{host} refuses the connection", host=host), _CHECK_ADDRESS)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        why = Text("no secure connection to {host} is possible", host=host)
        return Interruption(why, "try again later or on another network")
    return Interruption(Text("the connection to {host} was lost", host=host), LATER)


_NO_NETWORK = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
_CHECK_ADDRESS = "check the internet connection and the spelling of the address"
