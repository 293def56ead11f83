"""Fetch one file so that under its name there is either the right file or none.

Nothing here starts by itself: every call is the answer to something the user did.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import DownloadError, Interruption, Refusal, as_user_error, on_disk
from engine.files import (
    ByteListener,
    file_sha256,
    require_room,
    size_text,
)
from engine.library.download.address import checked_address
from engine.library.download.connection import DEFAULT_TIMEOUTS, Timeouts, ask_server
from engine.library.download.connection_error import status_failure
from engine.library.download.http_response import Answer
from engine.library.download.part_file import SAVE_EVERY_BYTES, Origin, PartFile, claimed_part
from engine.library.download.retry import DEFAULT_PACING, Pacing, persist
from engine.progress import CancelToken

SIZE_LIMIT_BYTES = 4 * 10**9
"""No shared network and no voice comes near; what does is not what the user wants."""

_OK, _PARTIAL, _BEYOND_END = 200, 206, 416
_AGAIN = "try again; if it happens again, use another address"
_LATER = "try again later; what has come so far is kept"


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
    """Fetch ``url`` into ``destination``; a cancelled or broken download is taken up next time.

    With ``sha256`` the result is proven by it. Without, the server's announced length decides
    whether the file is whole, and its ETag whether a part may be continued.

    Parameters
    ----------
    url : https, or http to this machine
    destination : replaced only by a complete file; its folder is made if need be
    sha256 : hex digest the file must have; if ``destination`` has it already, nothing is fetched
    size_bytes : length the file must have
    size_limit_bytes : anything longer is refused, before it starts if the server says so
    listener : told the bytes so far and the bytes in all (None: the server does not say)

    Raises
    ------
    DownloadError : if the file could not be fetched; ``destination`` is then as it was
    ConversionCancelled : if cancelled; what has come is kept for the next time
    """
    with as_user_error(f'Cannot download "{destination.name}"', DownloadError):
        expected = sha256.lower() if sha256 is not None else None
        cancel = cancel or CancelToken()
        address = checked_address(url)
        if _is_there(destination, expected, cancel):
            return destination
        with claimed_part(destination) as part:
            part.recover(address, expected)
            transfer = _Transfer(
                address,
                destination.parent,
                part,
                sha256=expected,
                size_bytes=size_bytes,
                size_limit_bytes=size_limit_bytes,
                listener=listener,
                cancel=cancel,
                pacing=pacing,
                timeouts=timeouts,
            )
            persist(
                transfer.attempt,
                pacing=pacing,
                cancel=cancel,
                progress_bytes=lambda: transfer.furthest_bytes,
            )
            part.install(destination)
    return destination


class _Transfer:
    """One download and its several tries; what has come is in ``part``."""

    def __init__(
        self,
        url: str,
        folder: Path,
        part: PartFile,
        *,
        sha256: str | None,
        size_bytes: int | None,
        size_limit_bytes: int,
        listener: ByteListener | None,
        cancel: CancelToken,
        pacing: Pacing,
        timeouts: Timeouts,
    ) -> None:
        self._url = url
        self._folder = folder
        self._part = part
        self._sha256 = sha256
        self._size_bytes = size_bytes
        self._size_limit_bytes = size_limit_bytes
        self._listener = listener
        self._cancel = cancel
        self._pacing = pacing
        self._timeouts = timeouts
        self._may_start_over = True
        self.furthest_bytes = part.length_bytes

    def attempt(self) -> None:
        """Fetch what is missing; returns when the part is the whole and right file.

        Raises
        ------
        Interruption : if another try may go better
        Refusal : if not
        """
        if not self._is_whole():
            with ask_server(
                "GET",
                self._url,
                self._range_headers(),
                timeouts=self._timeouts,
                cancel=self._cancel,
            ) as answer:
                self._receive(answer)
        self._prove()

    def _is_whole(self) -> bool:
        """Whether an earlier call had fetched all and was stopped before the end."""
        origin = self._part.origin
        return origin is not None and self._part.length_bytes == origin.total_bytes

    def _range_headers(self) -> dict[str, str]:
        origin = self._part.origin
        if origin is None or not self._part.length_bytes:
            return {}
        if not origin.continues(self._url, self._sha256):
            return {}
        headers = {"Range": f"bytes={self._part.length_bytes}-"}
        if self._sha256 is None and origin.etag is not None:
            headers["If-Range"] = origin.etag
        return headers

    def _receive(self, answer: Answer) -> None:
        """Read the body of ``answer`` into the part."""
        self._refuse_other_status(answer)
        start_bytes, total_bytes = self._place_of(answer)
        self._refuse_size(total_bytes)
        piece = answer.read()
        self._cancel.raise_if_cancelled()
        if answer.is_page(piece if start_bytes == 0 else b""):
            raise Refusal(
                "a web page came instead of the file",
                "log in to this network in a browser if it asks for it; else check that the "
                "address leads to the file itself and not to a page about it",
            )
        if not piece and total_bytes:
            raise Interruption("the connection broke off", _LATER)
        with on_disk():
            require_room(self._folder, max(0, (total_bytes or 0) - self._part.length_bytes))
        if start_bytes:
            self._part.mixed = True
        else:
            origin = Origin(self._url, self._sha256, answer.strong_etag, total_bytes)
            self._part.restart(origin)
        self._tell(total_bytes)
        self._copy(answer, piece, total_bytes)

    def _copy(self, answer: Answer, piece: bytes, total_bytes: int | None) -> None:
        part = self._part
        room_proven_bytes = part.length_bytes
        while piece:
            length_bytes = part.length_bytes + len(piece)
            if length_bytes > self._size_limit_bytes:
                part.discard()
                self._refuse_size(length_bytes)
            if total_bytes is not None and length_bytes > total_bytes:
                part.discard()
                raise Interruption("the server sends more than it announced", _AGAIN)
            if length_bytes - room_proven_bytes >= SAVE_EVERY_BYTES:
                room_proven_bytes = length_bytes
                with on_disk():
                    require_room(self._folder, 0)
            part.write(piece)
            self.furthest_bytes = max(self.furthest_bytes, length_bytes)
            self._tell(total_bytes)
            self._cancel.raise_if_cancelled()
            piece = answer.read()
        self._cancel.raise_if_cancelled()
        if total_bytes is not None and part.length_bytes < total_bytes:
            done = f"{size_text(part.length_bytes)} of {size_text(total_bytes)}"
            raise Interruption(f"the connection broke off after {done}", _LATER)

    def _refuse_other_status(self, answer: Answer) -> None:
        """Raise unless the body is the file or the part that was asked for."""
        if answer.status == _BEYOND_END and self._part.length_bytes:
            self._part.discard()
            raise Interruption("the file there has changed meanwhile", _AGAIN)
        if answer.status not in {_OK, _PARTIAL}:
            retry_after = answer.headers.get("Retry-After")
            raise status_failure(answer.status, retry_after, self._pacing.now_s())
        if answer.packed:
            raise Refusal("the server packs the file on the way", "use another address")

    def _place_of(self, answer: Answer) -> tuple[int, int | None]:
        """Where the body begins in the file, and how long the file is (None: not announced)."""
        if answer.status == _OK:
            total_bytes = self._size_bytes if answer.body_bytes is None else answer.body_bytes
            if total_bytes is None and self._sha256 is None and not answer.chunked:
                raise Refusal(
                    "the server does not say how long it is, so a broken connection would go "
                    "unnoticed",
                    "download it in a browser and use the file",
                )
            return 0, total_bytes
        span, origin = answer.span, self._part.origin
        known_bytes = self._size_bytes if origin is None else origin.total_bytes
        if span is not None and span.start_bytes == self._part.length_bytes:
            total_bytes = known_bytes if span.total_bytes is None else span.total_bytes
            fits = known_bytes in {None, total_bytes} and self._is_same_file(answer)
            if fits and (total_bytes is not None or self._sha256 is not None):
                return span.start_bytes, total_bytes
        self._part.discard()
        raise Interruption("the server sent another part of the file than was asked for", _AGAIN)

    def _is_same_file(self, answer: Answer) -> bool:
        """Whether the ETag allows to add to the part; the hash, if known, decides at the end."""
        origin = self._part.origin
        return self._sha256 is not None or origin is None or answer.strong_etag == origin.etag

    def _refuse_size(self, size_bytes: int | None) -> None:
        if size_bytes is None:
            return
        if size_bytes > self._size_limit_bytes:
            raise Refusal(
                f"it is longer than the {size_text(self._size_limit_bytes)} that are allowed",
                "check that it is the right address",
            )
        if self._size_bytes not in {None, size_bytes}:
            raise Refusal(
                f"the file there has {size_bytes} bytes where {self._size_bytes} belong",
                "use another address or mirror",
            )

    def _prove(self) -> None:
        """Raise, and delete the part, unless it is the right file."""
        part = self._part
        if self._size_bytes in {None, part.length_bytes} and self._sha256 in {None, part.sha256}:
            return
        # A part of old and new bytes, or of unknown length, may be wrong by accident.
        unsure = part.mixed or part.origin is None or part.origin.total_bytes is None
        part.discard()
        if unsure and self._may_start_over:
            self._may_start_over = False
            raise Interruption("the pieces that came do not make the right file", _AGAIN)
        raise Refusal(
            "what came is not the file that belongs there (its SHA-256 is another)",
            "use another address or mirror",
        )

    def _tell(self, total_bytes: int | None) -> None:
        if self._listener is not None:
            self._listener(self._part.length_bytes, total_bytes)


def _is_there(destination: Path, sha256: str | None, cancel: CancelToken) -> bool:
    """Whether the right file is in place already."""
    with on_disk():
        if destination.is_dir():
            raise Refusal("there is a folder of that name", "move that folder away")
        if sha256 is None or not destination.is_file():
            return False
        return file_sha256(destination, cancel) == sha256
