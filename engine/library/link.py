"""Voices behind a link: which ones, how large, what their zips contain, and fetching one.

`find_voices` and `with_contents` only ask; nothing is downloaded before `fetch_voice` is called.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from engine.errors import DownloadError, Failure, Refusal, Text, as_user_error
from engine.files import ByteListener, size_text
from engine.library.archive import DAMAGE, ZIP_ENDING, is_junk
from engine.library.download.address import (
    checked_address,
    is_loopback,
    name_from_address,
    name_from_disposition,
    split_address,
)
from engine.library.download.connection import (
    DEFAULT_TIMEOUTS,
    Response,
    Timeouts,
    ask_server,
)
from engine.library.download.download import SIZE_LIMIT_BYTES, download
from engine.library.download.retry import DEFAULT_PACING, Pacing, persist
from engine.library.hub import (
    HUB_HOSTS,
    ListedFile,
    Place,
    linked_sha256,
    listed_files,
    place_of,
)
from engine.library.member_name import member_places
from engine.library.naming import (
    GENERIC_NAMES,
    indexes_for,
    is_trained_index,
    is_training_file,
    singer_of,
)
from engine.library.networks import OFFICIAL_HUB, hub_address
from engine.library.song_page import refuse_songs
from engine.plain_text import plain
from engine.progress import CancelToken

VOICE_ENDINGS = (".zip", ".pth", ".index")
_NO_HEAD = frozenset({400, 403, 405, 501})
"""Answers of servers that support GET only."""

_END_BYTES = 1 << 16
"""Room for a zip's table of a few hundred files; a voice has a handful."""

_MOST_OFFERS = 4
"""The tables are read for this many zips at most: one request each."""

_MOST_NAMES = 12
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*://", re.IGNORECASE)


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched.

    Attributes
    ----------
    url : where from
    name : safe name for it on this disk
    size_bytes : None if the server does not say
    sha256 : None if the server does not say
    """

    url: str
    name: str
    size_bytes: int | None
    sha256: str | None = None


@dataclass(frozen=True)
class VoiceOffer:
    """One voice behind a link: a zip, or a ``.pth`` with or without its index.

    Attributes
    ----------
    title : path in the repository, or the file's name; to be shown
    files : what is fetched for it
    contents : names of the files in a zip, where they are known before it is fetched
    """

    title: str
    files: tuple[RemoteFile, ...]
    contents: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int | None:
        """Length of all files together; None if one of them is unknown."""
        sizes = [file.size_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def find_voices(
    link: str,
    *,
    hub: str | None = None,
    cancel: CancelToken | None = None,
    pacing: Pacing = DEFAULT_PACING,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> tuple[VoiceOffer, ...]:
    """The voices behind a pasted link, at least one; asks the server for sizes only.

    Parameters
    ----------
    link : of a ``.zip``, ``.pth`` or ``.index``, or of a file, folder or repository of the hub
    hub : a mirror of the hub; None for `engine.library.networks.hub_address`

    Raises
    ------
    DownloadError : if the link leads to no voice, or the server cannot be asked
    """
    cancel = cancel or CancelToken()
    mirror = hub_address(hub)
    with as_user_error("Cannot get a voice from this address", DownloadError):
        refuse_songs(link)
        url = pasted_address(link)
        place = _place_on_hub(url, mirror)
        if place is None:
            return (_direct_offer(url, pacing, timeouts, cancel),)
        if place.is_file:
            return (_direct_offer(place.file_url(place.path), pacing, timeouts, cancel),)
        files = listed_files(place, pacing=pacing, timeouts=timeouts, cancel=cancel)
        offers = offers_among(files, place)
        if not offers:
            raise Refusal(
                "this repository has no .zip and no voice file (.pth)",
                "check the address, or open it in a browser to see what it contains",
            )
        return offers


def fetch_voice(
    offer: VoiceOffer,
    folder: Path,
    *,
    size_limit_bytes: int = SIZE_LIMIT_BYTES,
    listener: ByteListener | None = None,
    cancel: CancelToken | None = None,
    pacing: Pacing = DEFAULT_PACING,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> tuple[Path, ...]:
    """Download the files of one offer into ``folder``, except those that are there already.

    Parameters
    ----------
    size_limit_bytes : for all files together
    listener : receives the bytes so far and in all, over all files
    """
    total_bytes = offer.size_bytes
    if total_bytes is not None and total_bytes > size_limit_bytes:
        raise DownloadError(
            Text('Cannot download "{name}"', name=offer.title),
            Text(
                "it has {size}, and at most {limit} are allowed",
                size=size_text(total_bytes),
                limit=size_text(size_limit_bytes),
            ),
            "check that it is the right address",
        )
    paths: list[Path] = []
    before_bytes = 0
    for file in offer.files:

        def heard(done_bytes: int, _: int | None, before_bytes: int = before_bytes) -> None:
            if listener is not None:
                listener(before_bytes + done_bytes, total_bytes)

        path = download(
            file.url,
            folder / file.name,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            size_limit_bytes=size_limit_bytes - before_bytes,
            listener=heard,
            cancel=cancel,
            pacing=pacing,
            timeouts=timeouts,
        )
        before_bytes += path.stat().st_size
        paths.append(path)
    return tuple(paths)


def pasted_address(text: str) -> str:
    """The address in pasted text, without quotes and brackets, with ``https://`` if missing.

    Raises
    ------
    Refusal : if it is not an address that may be fetched
    """
    bare = text.strip().strip("<>\"'`“”‘’").strip()
    if not _SCHEME.match(bare):
        bare = f"https://{bare}"
    parts = split_address(bare)
    host = parts.hostname or ""
    named = "." in host or ":" in host or is_loopback(host)
    if not named or not bare.isprintable() or re.search(r"\s", parts.netloc):
        raise Refusal("it isn't a web address", "copy the voice's address in the browser")
    if parts.scheme == "http" and host in HUB_HOSTS:
        bare = "https" + bare[len("http") :]
    return checked_address(bare)


def offers_among(files: Sequence[ListedFile], place: Place) -> tuple[VoiceOffer, ...]:
    """The voices in a listing: each zip, and each ``.pth`` with the index that belongs to it."""
    ordered = sorted(files, key=lambda listed: listed.path)
    places = {PurePosixPath(file.path): file for file in ordered}
    zips = [each for each in places if each.suffix.lower() == ".zip"]
    voices = [each for each in places if each.suffix.lower() == ".pth"]
    voices = [each for each in voices if not is_training_file(each.name)]
    indexes = [each for each in places if each.suffix.lower() == ".index"]
    full = [each for each in indexes if not is_trained_index(each.name)]
    singers = {(voice.parent, _singer(voice)) for voice in voices}
    alone = len({singer for _, singer in singers}) == 1
    offers = [
        VoiceOffer(plain(places[each].path), (_remote(places[each], place),)) for each in zips
    ]
    for voice in voices:
        alone_here = sum(folder == voice.parent for folder, _ in singers) == 1
        own = indexes_for(voice, full, alone=alone, alone_here=alone_here)[:1]
        remote = tuple(_remote(places[each], place) for each in (voice, *own))
        offers.append(VoiceOffer(plain(places[voice].path), remote))
    return tuple(offers)


def _singer(voice: PurePosixPath) -> str:
    """The singer by the file's name, or by its folder's where the file is called ``model.pth``."""
    named = (singer_of(name) for name in (voice.stem, *(each.name for each in voice.parents)))
    return next((name for name in named if name not in GENERIC_NAMES), "")


def _remote(file: ListedFile, place: Place) -> RemoteFile:
    url = checked_address(place.file_url(file.path))
    name = name_from_address(url) or f"voice{PurePosixPath(file.path).suffix}"
    return RemoteFile(url, name, file.size_bytes, file.sha256)


def _place_on_hub(url: str, mirror: str) -> Place | None:
    """What ``url`` is on the hub or its mirror; None if it is elsewhere."""
    parts = urlsplit(url)
    if mirror != OFFICIAL_HUB and f"{parts.scheme}://{parts.netloc}" == mirror:
        return place_of(url, mirror)
    host = parts.hostname or ""
    if host not in HUB_HOSTS:
        return None
    own = f"https://{host}" if host == "hf-mirror.com" else OFFICIAL_HUB
    return place_of(url, own if mirror == OFFICIAL_HUB else mirror)


def _direct_offer(url: str, pacing: Pacing, timeouts: Timeouts, cancel: CancelToken) -> VoiceOffer:
    named = PurePosixPath(urlsplit(url).path).suffix.lower()
    file = persist(lambda: _asked("HEAD", url, timeouts, cancel), pacing=pacing, cancel=cancel)
    if not file.name.lower().endswith(VOICE_ENDINGS):
        raise Refusal(
            Text("it leads to a {ending} file, not to a voice", ending=named)
            if named
            else "it doesn't lead to a voice file",
            "use the address of a .zip or .pth, or of a Hugging Face repository; from other pages, "
            "download in a browser and open the file here",
        )
    return VoiceOffer(file.name, (file,))


def _asked(method: str, url: str, timeouts: Timeouts, cancel: CancelToken) -> RemoteFile:
    """Name and size of a file, without fetching it."""
    headers = {} if method == "HEAD" else {"Range": "bytes=0-0"}
    with ask_server(method, url, headers, timeouts=timeouts, cancel=cancel) as response:
        if response.status in {200, 206}:
            return _described(url, response)
        if method != "HEAD" or response.status not in _NO_HEAD:
            raise response.failure()
    return _asked("GET", url, timeouts, cancel)


def _described(url: str, response: Response) -> RemoteFile:
    if response.is_page(b""):
        raise Refusal(
            "it leads to a web page, not to a file",
            "copy the address of the download button, or download in a browser and open the file "
            "here",
        )
    span = response.span if response.status == 206 else None
    size_bytes = span.total_bytes if span is not None else response.body_bytes
    names = (
        name_from_disposition(response.header("Content-Disposition")),
        name_from_address(url),
        name_from_address(response.url),
    )
    fitting = [name for name in names if name.lower().endswith(VOICE_ENDINGS)]
    name = fitting[0] if fitting else next(filter(None, names), "")
    return RemoteFile(url, name, size_bytes, linked_sha256(response))


def with_contents(offers: Sequence[VoiceOffer], cancel: CancelToken) -> tuple[VoiceOffer, ...]:
    """The offers, with the names of the files in their zips where these can be found out."""
    if len(offers) > _MOST_OFFERS:
        return tuple(offers)
    return tuple(replace(offer, contents=_names_in(offer, cancel)) for offer in offers)


def _names_in(offer: VoiceOffer, cancel: CancelToken) -> tuple[str, ...]:
    file = offer.files[0]
    size_bytes = file.size_bytes
    if size_bytes is None or not file.name.lower().endswith(ZIP_ENDING):
        return ()
    end = _end_of(file, size_bytes, cancel)
    with suppress(*DAMAGE, OSError, Refusal):
        with zipfile.ZipFile(_EndOfFile(end, size_bytes)) as archive:
            entries = archive.infolist()
        places = zip(member_places(entries), entries, strict=True)
        files = [place for place, entry in places if not entry.is_dir() and not is_junk(place)]
        names = [place.name for place in files[:_MOST_NAMES]]
        return tuple(names) if len(files) <= _MOST_NAMES else (*names, "…")
    return ()


def _end_of(file: RemoteFile, size_bytes: int, cancel: CancelToken) -> bytes:
    """The last bytes of a file; none where the server does not send exactly these. Asked once."""
    start = max(0, size_bytes - _END_BYTES)
    headers = {"Range": f"bytes={start}-{size_bytes - 1}"}
    data = b""
    try:
        with ask_server(
            "GET", file.url, headers, timeouts=DEFAULT_TIMEOUTS, cancel=cancel
        ) as response:
            span = response.span
            if response.status != 206 or response.compressed or span is None:
                return b""
            while span.start_bytes == start and (piece := response.read()):
                cancel.raise_if_cancelled()
                data += piece
                if len(data) > size_bytes - start:
                    return b""
    except Failure:
        cancel.raise_if_cancelled()
        return b""
    return data if len(data) == size_bytes - start else b""


class _EndOfFile(io.BufferedIOBase):
    """A file of which only the end is known; it reads as empty elsewhere."""

    def __init__(self, end: bytes, size_bytes: int) -> None:
        self._end = end
        self._first = size_bytes - len(end)
        self._size_bytes = size_bytes
        self._at = 0

    def read(self, size: int | None = -1) -> bytes:
        start = self._at - self._first
        if start < 0:
            return b""
        stop = len(self._end) if size is None or size < 0 else start + size
        data = self._end[start:stop]
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise OSError("before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
