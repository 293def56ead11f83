"""Download one file: under its name there is either the right file or none.

Nothing here starts by itself: every call follows something the user did.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from engine.errors import DownloadError, Interruption, Refusal, Text, as_user_error, on_disk
from engine.files import ByteListener, file_sha256, require_room, size_text
from engine.library.download.address import checked_address
from engine.library.download.connection import (
    DEFAULT_TIMEOUTS,
    LATER,
    Response,
    Timeouts,
    ask_server,
)
from engine.library.download.part_file import SAVE_EVERY_BYTES, Origin, PartFile, claimed_part
from engine.library.download.retry import DEFAULT_PACING, Pacing, persist
from engine.progress import CancelToken

_LOG = logging.getLogger(__name__)

SIZE_LIMIT_BYTES = 4 * 10**9
"""Far more than any shared network or voice has."""

_OK, _PARTIAL, _BEYOND_END = 200, 206, 416
_AGAIN = "try again; if it happens again, use another address"


def download(
    url: str,
    destination: Path,
    *,
    sha256: str | None = None,
    size_bytes: int | None = None,
    size_limit_bytes: int = SIZE_LIMIT_BYTES,
    listener: ByteListener | None = None,
    cancel: CancelToken | None = None,
    pacing: Pacing = DEFAULT_PACING,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Path:
    """Fetch ``url`` into ``destination``; the next call continues a cancelled or broken download.

    With ``sha256``, the hash decides whether the result is right. Without, the announced length
    decides whether the file is whole, and its ETag whether a part may be continued.

    Parameters
    ----------
    url : https, or http to this machine
    destination : replaced only by a complete file; missing folders are created
    sha256 : hex digest the file must have; if ``destination`` has it already, nothing is fetched
    size_bytes : length the file must have
    size_limit_bytes : longer files are refused, before the transfer if the server states a length

    Raises
    ------
    DownloadError : ``destination`` is then as it was
    ConversionCancelled : the part that arrived is kept for the next call
    """
    with as_user_error(Text('Cannot download "{name}"', name=destination.name), DownloadError):
        expected = sha256.lower() if sha256 is not None else None
        cancel = cancel or CancelToken()
        address = checked_address(url)
        if _is_there(destination, expected, cancel):
            return destination
        with claimed_part(destination) as part:
            part.recover(address, expected)
            host = urlsplit(address).hostname
            _LOG.info("downloading %s from %s", destination.name, host)
            transfer = _Transfer(
                address,
                destination.parent,
                part,
                sha256=expected,
                size_bytes=size_bytes,
                size_limit_bytes=size_limit_bytes,
                listener=listener,
                cancel=cancel,
                timeouts=timeouts,
                furthest_bytes=part.length_bytes,
            )
            persist(
                transfer.attempt,
                pacing=pacing,
                cancel=cancel,
                progress_bytes=lambda: transfer.furthest_bytes,
            )
            part.install(destination)
            _LOG.info("downloaded %s", destination.name)
    return destination


@dataclass
class _Transfer:
    """One download and its tries; the bytes so far are in ``part``."""

    url: str
    folder: Path
    part: PartFile
    sha256: str | None
    size_bytes: int | None
    size_limit_bytes: int
    listener: ByteListener | None
    cancel: CancelToken
    timeouts: Timeouts
    may_start_over: bool = True
    furthest_bytes: int = 0

    def attempt(self) -> None:
        """Fetch what is missing; return when the part is the whole, right file."""
        if not self._is_whole():
            with ask_server(
                "GET",
                self.url,
                self._range_headers(),
                timeouts=self.timeouts,
                cancel=self.cancel,
            ) as response:
                self._receive(response)
        self._verify()

    def _is_whole(self) -> bool:
        """Whether an earlier call fetched everything and was stopped before the end."""
        origin = self.part.origin
        return origin is not None and self.part.length_bytes == origin.total_bytes

    def _range_headers(self) -> dict[str, str]:
        origin = self.part.origin
        if origin is None or not self.part.length_bytes:
            return {}
        if not origin.continues(self.url, self.sha256):
            return {}
        headers = {"Range": f"bytes={self.part.length_bytes}-"}
        if self.sha256 is None and origin.etag is not None:
            headers["If-Range"] = origin.etag
        return headers

    def _receive(self, response: Response) -> None:
        """Read the body into the part."""
        self._refuse_other_status(response)
        start_bytes, total_bytes = self._place_of(response)
        self._refuse_size(total_bytes)
        piece = response.read()
        self.cancel.raise_if_cancelled()
        if response.is_page(piece if start_bytes == 0 else b""):
            raise Refusal(
                "the server sent a web page instead of the file",
                "sign in to this network in a browser if it asks for it; otherwise check that the "
                "address leads to the file itself and not to a page about it",
            )
        if not piece and total_bytes:
            raise Interruption("the connection was lost", LATER)
        with on_disk():
            require_room(self.folder, max(0, (total_bytes or 0) - self.part.length_bytes))
        if start_bytes:
            self.part.mixed = True
        else:
            origin = Origin(self.url, self.sha256, response.strong_etag, total_bytes)
            self.part.restart(origin)
        self._tell(total_bytes)
        self._copy(response, piece, total_bytes)

    def _copy(self, response: Response, piece: bytes, total_bytes: int | None) -> None:
        part = self.part
        room_proven_bytes = part.length_bytes
        while piece:
            length_bytes = part.length_bytes + len(piece)
            if length_bytes > self.size_limit_bytes:
                part.discard()
                self._refuse_size(length_bytes)
            if total_bytes is not None and length_bytes > total_bytes:
                part.discard()
                raise Interruption("the server sent more than it announced", _AGAIN)
            if length_bytes - room_proven_bytes >= SAVE_EVERY_BYTES:
                room_proven_bytes = length_bytes
                with on_disk():
                    require_room(self.folder, 0)
            part.write(piece)
            self.furthest_bytes = max(self.furthest_bytes, length_bytes)
            self._tell(total_bytes)
            self.cancel.raise_if_cancelled()
            piece = response.read()
        self.cancel.raise_if_cancelled()
        if total_bytes is not None and part.length_bytes < total_bytes:
            why = Text(
                "the connection was lost after {done} of {total}",
                done=size_text(part.length_bytes),
                total=size_text(total_bytes),
            )
            raise Interruption(why, LATER)

    def _refuse_other_status(self, response: Response) -> None:
        """Raise unless the body is the file or the part that we asked for."""
        if response.status == _BEYOND_END and self.part.length_bytes:
            self.part.discard()
            raise Interruption("the file on the server changed during the download", _AGAIN)
        if response.status not in {_OK, _PARTIAL}:
            raise response.failure()
        if response.compressed:
            raise Refusal(
                "the server sends the file compressed, so it cannot be verified",
                "use another address",
            )

    def _place_of(self, response: Response) -> tuple[int, int | None]:
        """Where the body begins in the file, and how long the file is (None: not announced)."""
        if response.status == _OK:
            total_bytes = self.size_bytes if response.body_bytes is None else response.body_bytes
            if total_bytes is None and self.sha256 is None and not response.chunked:
                raise Refusal(
                    "the server does not state the file's length, so a lost connection would go "
                    "unnoticed",
                    "download it in a browser and open the file here",
                )
            return 0, total_bytes
        span, origin = response.span, self.part.origin
        known_bytes = self.size_bytes if origin is None else origin.total_bytes
        if span is not None and span.start_bytes == self.part.length_bytes:
            total_bytes = known_bytes if span.total_bytes is None else span.total_bytes
            fits = known_bytes in {None, total_bytes} and self._is_same_file(response)
            if fits and (total_bytes is not None or self.sha256 is not None):
                return span.start_bytes, total_bytes
        self.part.discard()
        raise Interruption("the server sent the wrong part of the file", _AGAIN)

    def _is_same_file(self, response: Response) -> bool:
        """Whether the ETag allows adding to the part; a known hash decides at the end instead."""
        origin = self.part.origin
        return self.sha256 is not None or origin is None or response.strong_etag == origin.etag

    def _refuse_size(self, size_bytes: int | None) -> None:
        if size_bytes is None:
            return
        if size_bytes > self.size_limit_bytes:
            raise Refusal(
                Text(
                    "it is larger than the allowed {limit}",
                    limit=size_text(self.size_limit_bytes),
                ),
                "check that it is the right address",
            )
        if self.size_bytes not in {None, size_bytes}:
            raise Refusal(
                Text(
                    "the file on the server has {size} bytes instead of {expected}",
                    size=size_bytes,
                    expected=self.size_bytes,
                ),
                "use another address or mirror",
            )

    def _verify(self) -> None:
        """Raise, and delete the part, unless it is the right file."""
        part = self.part
        if self.size_bytes in {None, part.length_bytes} and self.sha256 in {None, part.sha256}:
            return
        # A part of old and new bytes, or of unknown length, may be wrong by bad luck.
        unsure = part.mixed or part.origin is None or part.origin.total_bytes is None
        part.discard()
        if unsure and self.may_start_over:
            self.may_start_over = False
            raise Interruption("the pieces that arrived do not form the right file", _AGAIN)
        raise Refusal(
            "the downloaded file is not the expected one (its SHA-256 differs)",
            "use another address or mirror",
        )

    def _tell(self, total_bytes: int | None) -> None:
        if self.listener is not None:
            self.listener(self.part.length_bytes, total_bytes)


def _is_there(destination: Path, sha256: str | None, cancel: CancelToken) -> bool:
    """Whether the right file is in place already."""
    with on_disk():
        if destination.is_dir():
            raise Refusal("a folder has that name", "rename or move that folder")
        if sha256 is None or not destination.is_file():
            return False
        return file_sha256(destination, cancel) == sha256
