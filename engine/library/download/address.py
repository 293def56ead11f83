"""Addresses: which ones may be fetched, and the file names in them."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import PurePosixPath
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from engine.errors import Refusal, Text

LONGEST_ADDRESS = 8192
LONGEST_NAME_BYTES = 200
"""File systems allow 255; the rest is for endings such as ``.part.json``."""

_URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"
_HOST = re.compile(r"[A-Za-z0-9._\-]+|\[[0-9A-Fa-f:.]+\]")
_UNSAFE_IN_NAMES = re.compile(r'[<>:"|?*/\\]')


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, by its spelling alone (no look-up)."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_address(text: str) -> str:
    """``text`` as an absolute URL in ASCII, without fragment, that may be fetched.

    Raises
    ------
    Refusal : not a web address, with a password, or neither https nor this machine
    """
    parts = split_address(text)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        raise Refusal("it isn't a web address", "use an address that begins with https://")
    if parts.scheme == "http" and not is_loopback(host):
        raise Refusal(
            Text("{host} would send it unencrypted (http)", host=host),
            "use an address that begins with https://",
        )
    if parts.username is not None or parts.password is not None:
        raise Refusal("the address contains a user name", "use the address without it")
    if ":" in host:
        host = f"[{host}]"
    port = "" if parts.port is None else f":{parts.port}"
    path = quote(parts.path or "/", safe=_URL_CHARACTERS)
    query = quote(parts.query, safe=_URL_CHARACTERS)
    return urlunsplit((parts.scheme, _ascii_host(host) + port, path, query, ""))


def split_address(text: str) -> SplitResult:
    """``urlsplit`` with a `Refusal` for what is not an address or has an invalid port."""
    try:
        parts = urlsplit(text.strip())
        _ = parts.port
    except ValueError as error:
        raise Refusal("the address is invalid", "copy it again from the browser") from error
    if len(text) > LONGEST_ADDRESS:
        raise Refusal("the address is too long", "copy it again from the browser")
    return parts


def redirected(url: str, location: str) -> str:
    """The checked address to which ``url`` redirects.

    Raises
    ------
    Refusal : if it is not allowed, or leads from https to http
    """
    try:
        # http.client decodes headers as latin-1; servers mean UTF-8.
        location = location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        location = quote(location, safe=_URL_CHARACTERS, encoding="latin-1", errors="replace")
    try:
        target = checked_address(urljoin(url, location))
    except (Refusal, ValueError) as error:
        raise Refusal(
            "the server redirects to an address that is not allowed",
            "use another address for the same file",
        ) from error
    if url.startswith("https:") and not target.startswith("https:"):
        raise Refusal(
            "the server redirects to an unencrypted address (http)",
            "use another address for the same file",
        )
    return target


def name_from_address(url: str) -> str:
    """The last part of the path of ``url`` as a safe file name; "" if it has none."""
    return safe_name(unquote(PurePosixPath(urlsplit(url).path).name))


def name_from_disposition(value: str | None) -> str:
    """The safe file name of a ``Content-Disposition`` header; "" if it names none."""
    message = Message()
    message["Content-Disposition"] = (value or "").replace("\r", " ").replace("\n", " ")
    named = message.get_params([], header="Content-Disposition")
    values = [value for key, value in named if key == "filename"]
    # The encoded form (``filename*``, a triple here) is the exact one of the two.
    values.sort(key=lambda value: isinstance(value, str))
    return safe_name(collapse_rfc2231_value(values[0])) if values else ""


def safe_name(name: str) -> str:
    """``name`` as the name of one visible file: no folders, no control or direction characters.

    Returns
    -------
    At most `LONGEST_NAME_BYTES` bytes of UTF-8, ending kept; "" if nothing is left.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    visible = "".join(
        " " if character.isspace() else character
        for character in last
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    clean = _UNSAFE_IN_NAMES.sub("_", visible).strip(" ").lstrip(".").strip(" ")
    stem, dot, ending = clean.rpartition(".")
    if not dot or len(ending) > 10:
        stem, ending = clean, ""
    room = LONGEST_NAME_BYTES - len((dot + ending).encode()) if ending else LONGEST_NAME_BYTES
    short = stem.encode("utf-8", "ignore")[:room].decode("utf-8", "ignore").rstrip(" .")
    return f"{short}.{ending}" if short and ending else short


def _ascii_host(host: str) -> str:
    invalid = Refusal("the address is invalid", "copy it again from the browser")
    try:
        plain = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise invalid from error
    if not _HOST.fullmatch(plain):
        raise invalid
    return plain
