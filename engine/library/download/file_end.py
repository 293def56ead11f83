"""The last bytes of a file behind an address, to see what it is before it is fetched."""

from __future__ import annotations

from engine.errors import Failure
from engine.library.download.connection import DEFAULT_TIMEOUTS, Timeouts, ask_server
from engine.library.download.link import RemoteFile
from engine.progress import CancelToken


def fetch_end(
    file: RemoteFile,
    most_bytes: int,
    *,
    cancel: CancelToken,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> bytes:
    """At most so many of a file's last bytes; none where the server does not give just these.

    Asked once only: this is a courtesy, and nothing depends on it.

    Raises
    ------
    ConversionCancelled : if cancelled
    """
    if not file.size_bytes:
        return b""
    start = max(0, file.size_bytes - most_bytes)
    headers = {"Range": f"bytes={start}-{file.size_bytes - 1}"}
    data = b""
    try:
        with ask_server("GET", file.url, headers, timeouts=timeouts, cancel=cancel) as answer:
            span = answer.span
            if answer.status != 206 or answer.packed or span is None or span.start_bytes != start:
                return b""
            while len(data) <= file.size_bytes - start and (piece := answer.read()):
                cancel.raise_if_cancelled()
                data += piece
    except Failure:
        cancel.raise_if_cancelled()
        return b""
    return data if len(data) == file.size_bytes - start else b""
