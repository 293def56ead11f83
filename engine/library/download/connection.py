"""One HTTP request: https only (http to this machine), proxies, redirects, time limits, cancel.

The only place of the program that opens a socket.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import unquote, urlsplit

from engine.errors import Refusal
from engine.library.download.address import checked_address, is_loopback, redirected
from engine.library.download.connection_error import connection_failure
from engine.library.download.http_response import Answer
from engine.progress import CancelToken

MAX_REDIRECTS = 10
USER_AGENT = "UltimateRVC (voice conversion for macOS)"
SYSTEM_AUTHORITIES = Path("/etc/ssl/cert.pem")
"""Where macOS keeps its own list of trusted authorities, for Pythons that come without one."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WATCH_S = 0.1


@dataclass(frozen=True)
class Timeouts:
    """How long a server may keep silent.

    Attributes
    ----------
    connect_s : until it answers a call
    stall_s : between two pieces of data
    """

    connect_s: float = 15.0
    stall_s: float = 30.0


DEFAULT_TIMEOUTS = Timeouts()


@contextmanager
def ask_server(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    timeouts: Timeouts,
    cancel: CancelToken,
) -> Iterator[Answer]:
    """Send one request, follow its redirects, and lend the answer.

    A cancel breaks the connection from another thread, so that reading ends at once.

    Raises
    ------
    Refusal : if the address may not be used or the server cannot be trusted
    Interruption : if it cannot be reached just now
    """
    target = checked_address(url)
    first_headers: Message | None = None
    for _ in range(MAX_REDIRECTS + 1):
        cancel.raise_if_cancelled()
        with _sent(method, target, headers, timeouts, cancel) as response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                yield Answer(target, response, first_headers)
                return
            first_headers = first_headers or response.headers
            target = redirected(target, location)
    raise Refusal(
        f"the server sends us on more than {MAX_REDIRECTS} times",
        "use another address for the same file",
    )


@contextmanager
def _sent(
    method: str, url: str, headers: Mapping[str, str], timeouts: Timeouts, cancel: CancelToken
) -> Iterator[http.client.HTTPResponse]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = _connection_to(host, parts.port, parts.scheme, timeouts)
    try:
        try:
            connection.connect()
            line = connection.sock
            line.settimeout(timeouts.stall_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise connection_failure(host, error) from error
        with _broken_by(cancel, line):
            try:
                path = parts.path + ("?" + parts.query if parts.query else "")
                connection.request(method, path, headers={**_COMMON_HEADERS, **headers})
                response = connection.getresponse()
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise connection_failure(host, error) from error
            with response:
                yield response
    finally:
        connection.close()


_COMMON_HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # a packed body has another length and hash
    "Connection": "close",
}


def _connection_to(
    host: str, port: int | None, scheme: str, timeouts: Timeouts
) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port or 80, timeout=timeouts.connect_s)
    proxy = None if is_loopback(host) else _proxy_for(host)
    if proxy is None:
        return http.client.HTTPSConnection(
            host, port or 443, timeout=timeouts.connect_s, context=_trust()
        )
    proxy_host, proxy_port, credentials = proxy
    connection = http.client.HTTPSConnection(
        proxy_host, proxy_port, timeout=timeouts.connect_s, context=_trust()
    )
    connection.set_tunnel(host, port or 443, credentials)
    return connection


def _proxy_for(host: str) -> tuple[str, int, dict[str, str]] | None:
    """Host, port and log-in header of the proxy that the environment (or macOS) names."""
    named = urllib.request.getproxies().get("https", "")
    if not named or urllib.request.proxy_bypass(host):
        return None
    advice = "give the proxy as http://host:port in https_proxy"
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        port = parts.port or 80
    except ValueError as error:
        raise Refusal("the address of the proxy is misspelt", advice) from error
    if parts.scheme != "http" or not parts.hostname:
        raise Refusal(f"a proxy of the kind {parts.scheme} is not supported", advice)
    if parts.username is None:
        return parts.hostname, port, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    token = base64.b64encode(login.encode()).decode("ascii")
    return parts.hostname, port, {"Proxy-Authorization": f"Basic {token}"}


def _trust() -> ssl.SSLContext:
    """The system's authorities; a Python without a list of its own takes that of macOS."""
    context = ssl.create_default_context()
    folder = ssl.get_default_verify_paths().capath
    has_own = context.cert_store_stats()["x509_ca"] > 0 or any(Path(folder or "").glob("*.[0-9]"))
    if not has_own and SYSTEM_AUTHORITIES.is_file():
        context.load_verify_locations(cafile=SYSTEM_AUTHORITIES)
    return context


@contextmanager
def _broken_by(cancel: CancelToken, line: socket.socket) -> Iterator[None]:
    """Shut ``line`` down when ``cancel`` is set: a blocked read then returns at once."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_S):
            if cancel.cancelled:
                with suppress(OSError):
                    # Not SSLSocket.shutdown: it drops the state the reading thread is using.
                    socket.socket.shutdown(line, socket.SHUT_RDWR)
                return

    thread = threading.Thread(target=watch, name="download-cancel", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
