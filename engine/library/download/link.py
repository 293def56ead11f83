"""A voice from an address: what a pasted link offers, how large it is, and fetching it.

`find_voices` only asks; nothing is downloaded before `fetch_voice` is called with one offer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from engine.errors import DownloadError, Refusal, as_user_error
from engine.files import ByteListener, size_text
from engine.library.download.address import (
    checked_address,
    is_loopback,
    name_from_address,
    name_from_disposition,
    split_address,
)
from engine.library.download.connection import DEFAULT_TIMEOUTS, Timeouts, ask_server
from engine.library.download.connection_error import status_failure
from engine.library.download.download import SIZE_LIMIT_BYTES, download
from engine.library.download.http_response import Answer
from engine.library.download.hub import (
    HUB_HOSTS,
    ListedFile,
    Place,
    linked_sha256,
    listed_files,
    place_of,
)
from engine.library.download.retry import DEFAULT_PACING, Pacing, persist
from engine.library.naming import (
    SAYS_NOTHING,
    indexes_for,
    is_trained_index,
    is_training_file,
    singer_of,
)
from engine.library.networks import OFFICIAL_HUB, hub_address
from engine.progress import CancelToken

VOICE_ENDINGS = (".zip", ".pth", ".index")
_NO_HEAD = frozenset({400, 403, 405, 501})
"""Answers of servers that know GET only."""

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
    title : to choose by; the path in the repository, or the file's name
    files : what is fetched for it
    contents : names of the files in a zip, where they are known before it is fetched
    """

    title: str
    files: tuple[RemoteFile, ...]
    contents: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int | None:
        """Length of all files together; None if one of them is not known."""
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
    """What a pasted link offers, at least one voice; asks the server for sizes only.

    Parameters
    ----------
    link : of a ``.zip``, ``.pth`` or ``.index``, or of a file, folder or repository of the hub
    hub : a mirror of the hub; None for `engine.library.networks.hub_address`

    Raises
    ------
    DownloadError : if the link leads to no voice, or the server cannot be asked
    ConversionCancelled : if cancelled
    """
    cancel = cancel or CancelToken()
    mirror = hub_address(hub)
    with as_user_error("Cannot get a voice from this address", DownloadError):
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
                "there is no .zip and no voice file (.pth) in this repository",
                "check the address, or open it in a browser to see what it holds",
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
    """Download the files of one offer into ``folder``; what is there already is not fetched again.

    Parameters
    ----------
    size_limit_bytes : for all files together
    listener : told the bytes so far and in all, over all files

    Raises
    ------
    DownloadError : as in `engine.library.download.download.download`
    ConversionCancelled : if cancelled; what has come is kept
    """
    total_bytes = offer.size_bytes
    if total_bytes is not None and total_bytes > size_limit_bytes:
        raise DownloadError(
            f'Cannot download "{offer.title}"',
            f"it has {size_text(total_bytes)} where at most {size_text(size_limit_bytes)} "
            "are allowed",
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
    """The address in what was pasted: quotes and brackets off, ``https://`` added if missing.

    Raises
    ------
    Refusal : if it is no address that may be fetched
    """
    bare = text.strip().strip("<>\"'`“”‘’").strip()
    if not _SCHEME.match(bare):
        bare = f"https://{bare}"
    parts = split_address(bare)
    host = parts.hostname or ""
    named = "." in host or ":" in host or is_loopback(host)
    if not named or not bare.isprintable() or re.search(r"\s", parts.netloc):
        raise Refusal("it is no web address", "copy the address of the voice in the browser")
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
    offers = [VoiceOffer(places[each].path, (_remote(places[each], place),)) for each in zips]
    for voice in voices:
        alone_here = sum(folder == voice.parent for folder, _ in singers) == 1
        own = indexes_for(voice, full, alone=alone, alone_here=alone_here)[:1]
        remote = tuple(_remote(places[each], place) for each in (voice, *own))
        offers.append(VoiceOffer(places[voice].path, remote))
    return tuple(offers)


def _singer(voice: PurePosixPath) -> str:
    """Whose it is: the folder's name where the file's says nothing (``model.pth``)."""
    named = (singer_of(name) for name in (voice.stem, *(each.name for each in voice.parents)))
    return next((name for name in named if name not in SAYS_NOTHING), "")


def _remote(file: ListedFile, place: Place) -> RemoteFile:
    url = checked_address(place.file_url(file.path))
    name = name_from_address(url) or f"voice{PurePosixPath(file.path).suffix}"
    return RemoteFile(url, name, file.size_bytes, file.sha256)


def _place_on_hub(url: str, mirror: str) -> Place | None:
    """What ``url`` is on the hub; None if it lies elsewhere. A mirror stands in for the hub."""
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
    file = persist(
        lambda: _asked("HEAD", url, pacing, timeouts, cancel), pacing=pacing, cancel=cancel
    )
    if not file.name.lower().endswith(VOICE_ENDINGS):
        kind = f"a {named} file" if named else "no file of a voice"
        raise Refusal(
            f"it leads to {kind}",
            "use the address of a .zip or .pth, or of a Hugging Face repository; from other pages "
            "download in a browser and use the file",
        )
    return VoiceOffer(file.name, (file,))


def _asked(
    method: str, url: str, pacing: Pacing, timeouts: Timeouts, cancel: CancelToken
) -> RemoteFile:
    """Name and size of a file, without fetching it."""
    headers = {} if method == "HEAD" else {"Range": "bytes=0-0"}
    with ask_server(method, url, headers, timeouts=timeouts, cancel=cancel) as answer:
        status = answer.status
        if status in {200, 206}:
            return _described(url, answer)
        if method != "HEAD" or status not in _NO_HEAD:
            retry_after = answer.headers.get("Retry-After")
            raise status_failure(status, retry_after, pacing.now_s())
    return _asked("GET", url, pacing, timeouts, cancel)


def _described(url: str, answer: Answer) -> RemoteFile:
    if answer.is_page(b""):
        raise Refusal(
            "it leads to a web page and not to a file",
            "copy the address of the download button, or download in a browser and use the file",
        )
    span = answer.span if answer.status == 206 else None
    size_bytes = span.total_bytes if span is not None else answer.body_bytes
    names = (
        name_from_disposition(answer.headers.get("Content-Disposition")),
        name_from_address(url),
        name_from_address(answer.url),
    )
    fitting = [name for name in names if name.lower().endswith(VOICE_ENDINGS)]
    name = fitting[0] if fitting else next(filter(None, names), "")
    return RemoteFile(url, name, size_bytes, linked_sha256(answer))
