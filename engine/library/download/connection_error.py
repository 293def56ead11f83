"""What a broken connection or a refusing server means, in words."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl

from engine.errors import Failure, Interruption, Refusal
from engine.library.download.retry import asked_wait_s

_NO_NETWORK = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
_TRANSIENT = frozenset({408, 425, 429})
_LATER = "try again later; what has come so far is kept"
_CAUSES = {
    401: "the server wants a log-in (401)",
    403: "the server refuses access (403)",
    404: "the server has no such file (404)",
    408: "the server lost patience (408)",
    410: "the file has been taken away (410)",
    429: "the server has had too many requests (429)",
    451: "the server may not give the file to this country (451)",
}
_LOCKED = "open the address in a browser to see whether the file is private, or use another address"
_GONE = "check the address; the file may have been moved or renamed"
_ADVICE = {401: _LOCKED, 403: _LOCKED, 404: _GONE, 410: _GONE, 451: "use another address"}


def connection_failure(host: str, error: Exception) -> Failure:
    """What ``error``, raised by a connection to ``host``, means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refusal(
            f"{host} cannot prove who it is ({error.verify_message})",
            "log in to this network if it asks for it, check the clock of this computer, "
            "or use another network",
        )
    if isinstance(error, socket.gaierror):
        return Interruption(
            f"the server {host} was not found",
            "check the internet connection and the spelling of the address",
            offline=True,
        )
    if isinstance(error, TimeoutError):
        return Interruption(f"{host} does not answer", f"check the internet connection or {_LATER}")
    if isinstance(error, http.client.InvalidURL):
        return Refusal("the address is misspelt", "copy it again from the browser")
    if isinstance(error, OSError):
        return _socket_failure(host, error)
    return Interruption(f"{host} broke off", _LATER)


def status_failure(status: int, retry_after: str | None, now_s: float) -> Failure:
    """What an answer other than the file itself means."""
    why = _CAUSES.get(status)
    if status in _TRANSIENT or 500 <= status < 600:
        why = why or f"the server has a fault of its own ({status})"
        return Interruption(why, _LATER, asked_wait_s=asked_wait_s(retry_after, now_s))
    advice = _ADVICE.get(status, "check the address or try again later")
    return Refusal(why or f"the server gave a strange answer ({status})", advice)


def _socket_failure(host: str, error: OSError) -> Failure:
    if str(error).startswith("Tunnel connection failed"):
        status = str(error).removeprefix("Tunnel connection failed:").strip()
        return Refusal(
            f"the proxy does not let us through to {host} ({status})",
            "check the proxy of this network (https_proxy) and its password",
        )
    if error.errno in _NO_NETWORK:
        advice = "check the internet connection"
        return Interruption(f"{host} cannot be reached", advice, offline=True)
    if isinstance(error, ConnectionRefusedError):
        return Interruption(f"{host} refuses the connection", "check the address or try later")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return Interruption(
            f"no protected connection to {host} came about", "try again later or on another network"
        )
    return Interruption(f"{host} broke off", _LATER)
