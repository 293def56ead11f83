"""What a server said to one request."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from engine.library.download.connection_error import connection_failure

PIECE_BYTES = 2**18
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,256}"')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_PAGE_BEGINNINGS = (b"<!doctype", b"<html", b"<head", b"<?xml")


@dataclass(frozen=True)
class Span:
    """A ``Content-Range``: where the body begins in the file; the file's length if it is told."""

    start_bytes: int
    total_bytes: int | None


class Answer:
    """What a server said to one request, before its body is read.

    Attributes
    ----------
    url : the address that answered, after redirects
    status : HTTP status
    headers : of the last answer
    first_headers : of the first one; other than ``headers`` after a redirect
    """

    def __init__(
        self, url: str, response: http.client.HTTPResponse, first_headers: Message | None
    ) -> None:
        self._response = response
        self.url = url
        self.status = response.status
        self.headers: Message = response.headers
        self.first_headers: Message = response.headers if first_headers is None else first_headers

    @property
    def body_bytes(self) -> int | None:
        """The announced length of the body; None if it is sent in chunks or unannounced."""
        if self.chunked:
            return None
        return whole_number(self.headers.get("Content-Length"))

    @property
    def chunked(self) -> bool:
        """Whether the body tells by itself where it ends."""
        return bool(self._response.chunked)

    def read(self) -> bytes:
        """The next piece, at most `PIECE_BYTES`, as soon as there is one; b"" at the end.

        Raises
        ------
        Interruption : if the connection breaks or stalls
        """
        try:
            return self._response.read1(PIECE_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise connection_failure(urlsplit(self.url).hostname or "", error) from error

    @property
    def span(self) -> Span | None:
        """Which part of the file the body is; None if the header is missing or nonsense."""
        match = _CONTENT_RANGE.fullmatch((self.headers.get("Content-Range") or "").strip())
        return None if match is None else Span(int(match[1]), whole_number(match[3]))

    @property
    def strong_etag(self) -> str | None:
        """The server's name for this very content; None if it gives none to be relied on."""
        etag = (self.headers.get("ETag") or "").strip()
        return etag if _STRONG_ETAG.fullmatch(etag) else None

    @property
    def packed(self) -> bool:
        """Whether the body is compressed on the way although that was declined."""
        coding = self.headers.get("Content-Encoding") or "identity"
        return coding.strip().lower() != "identity"

    def is_page(self, beginning: bytes) -> bool:
        """Whether a web page came: by its declared type or its first bytes."""
        text = beginning[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        declared = self.headers.get_content_type().lower()
        return declared in _PAGE_TYPES or text.startswith(_PAGE_BEGINNINGS)


def whole_number(text: str | None) -> int | None:
    """``text`` as a count of bytes; None if it is none."""
    if text is None or not re.fullmatch(r"[0-9]{1,18}", text.strip()):
        return None
    return int(text)
