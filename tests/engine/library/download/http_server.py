"""A real HTTP server on this machine that misbehaves as told, one fault per request."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = b"<!DOCTYPE html><html><body>Welcome to the hotel, please log in</body></html>"


@dataclass(frozen=True)
class Fault:
    """How one request is answered; the default is without fault.

    ``cut`` sends that many bytes of the body and closes (``reset``: with a TCP reset).
    ``length_lie`` is added to the announced length. ``status`` replaces the answer.
    """

    cut: int | None = None
    reset: bool = False
    length_lie: int = 0
    corrupt: bool = False
    page: bool = False
    page_type: str = "text/html; charset=utf-8"
    status: int = 0
    retry_after: str | None = None
    location: str | None = None
    ignore_range: bool = False
    wrong_span: int = 0
    span_header: str | None = None
    chunked: bool = False
    no_length: bool = False
    packed: bool = False
    silent: bool = False
    garbage: bool = False
    pause_s: float = 0.0
    piece: int = 65536
    change: bytes | None = None
    """The file is replaced by this, with a new ETag, before the answer."""
    ignore_if_range: bool = False


FINE = Fault()


@dataclass
class Served:
    """A file of the server."""

    body: bytes
    media_type: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = "auto"

    @property
    def tag(self) -> str | None:
        """The ETag header."""
        if self.etag == "auto":
            return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'
        return self.etag


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]


class FaultServer:
    """Files, faults to come (used up one per request), and the requests that came."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.faults: deque[Fault] = deque()
        self.always: Fault = FINE
        self.head_status = 0
        self.seen: list[Seen] = []
        self._server = _QuietServer(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.port: int = self._server.server_address[1]
        self.scheme = "http"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def base(self) -> str:
        """Address without a slash at the end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def url(self, path: str = "/file.bin") -> str:
        """Address of a file."""
        return self.base + path

    def put(self, body: bytes, path: str = "/file.bin", **more: Any) -> str:
        """Serve ``body``; its address."""
        self.files[path] = Served(body, **more)
        return self.url(path)

    def protect(self, certificate: str, key: str) -> None:
        """Speak TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.scheme = "https"

    def start(self) -> FaultServer:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; connections that are open break."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def running_server() -> Iterator[FaultServer]:
    """A server for the length of a test."""
    server = FaultServer().start()
    try:
        yield server
    finally:
        server.stop()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    owner: FaultServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _QuietServer
    timeout = 20

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        if self.server.owner.head_status:
            self.server.owner.seen.append(Seen("HEAD", self.path, dict(self.headers)))
            self._bare(self.server.owner.head_status, {})
        else:
            self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        owner = self.server.owner
        self.close_connection = True
        owner.seen.append(Seen(self.command, self.path, dict(self.headers)))
        fault = owner.faults.popleft() if owner.faults else owner.always
        file = owner.files.get(self.path)
        if fault.silent:
            return
        if fault.garbage:
            self.wfile.write(b"\x00\xffI am no web server\r\n\r\n")
            return
        if fault.status or fault.location is not None:
            more = {"Retry-After": fault.retry_after, "Location": fault.location}
            self._bare(fault.status or 302, {k: v for k, v in more.items() if v is not None})
            return
        if fault.page:
            self._send(200, PAGE, {"Content-Type": fault.page_type}, fault)
            return
        if file is None:
            self._bare(404, {})
            return
        if fault.change is not None:
            file.body = fault.change
        if "Location" in file.headers:
            self._bare(302, file.headers)
            return
        self._send_file(file, fault)

    def _send_file(self, file: Served, fault: Fault) -> None:
        body = file.body
        if fault.corrupt and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 0x40]) + body[middle + 1 :]
        headers = {"Content-Type": file.media_type, "Accept-Ranges": "bytes", **file.headers}
        if file.tag is not None:
            headers["ETag"] = file.tag
        if fault.packed:
            headers["Content-Encoding"] = "gzip"
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        changed = condition is not None and condition != file.tag and not fault.ignore_if_range
        if match is None or changed or fault.ignore_range:
            self._send(200, body, headers, fault)
            return
        start = int(match[1])
        if start >= len(body):
            self._bare(416, {"Content-Range": f"bytes */{len(body)}"})
            return
        start = max(0, start + fault.wrong_span)
        end = min(int(match[2]), len(body) - 1) if match[2] else len(body) - 1
        headers["Content-Range"] = fault.span_header or f"bytes {start}-{end}/{len(body)}"
        self._send(206, body[start : end + 1], headers, fault)

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not fault.no_length:
            self.send_header("Content-Length", str(max(0, len(body) + fault.length_lie)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = body if fault.cut is None else body[: fault.cut]
        for start in range(0, len(sent), fault.piece):
            piece = sent[start : start + fault.piece]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if fault.chunked else piece)
            if fault.pause_s:
                self.wfile.flush()
                time.sleep(fault.pause_s)
        if fault.chunked and fault.cut is None:
            self.wfile.write(b"0\r\n\r\n")
        if fault.reset:
            self.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def _bare(self, status: int, headers: dict[str, str]) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()
