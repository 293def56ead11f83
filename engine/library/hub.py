"""Repositories of the Hugging Face hub: pages, files and listings."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

import msgspec

from engine.errors import Interruption, Refusal
from engine.library.download.connection import LATER, Response, Timeouts, ask_server
from engine.library.download.retry import Pacing, persist
from engine.progress import CancelToken

HUB_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "hf-mirror.com"})
MAX_PAGES = 10
"""Of a listing, each of up to 1000 files; far more than any voice repository has."""
MAX_PAGE_BYTES = 8 * 2**20

LONGEST_PATH = 1000
_MOST_DIGITS = 19

_KINDS = {"datasets": "datasets", "spaces": "spaces", "models": "models"}
_FILE_VIEWS = frozenset({"blob", "resolve", "raw"})
_NEXT_PAGE = re.compile(r'<([^>]{1,4096})>\s*;[^,]*\brel="?next"?')
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Place:
    """A file or a folder of a repository.

    Attributes
    ----------
    hub : base address without a slash at the end
    kind : ``models``, ``datasets`` or ``spaces``
    repository : ``user/name``
    revision : branch, tag or commit
    path : inside the repository; "" for all of it
    is_file : whether ``path`` is a file
    """

    hub: str
    kind: str
    repository: str
    revision: str
    path: str
    is_file: bool

    def file_url(self, path: str) -> str:
        """The download address of a file of this repository."""
        prefix = "" if self.kind == "models" else f"/{self.kind}"
        return (
            f"{self.hub}{prefix}/{quote(self.repository)}/resolve/"
            f"{quote(self.revision, safe='')}/{quote(path)}"
        )

    def listing_url(self) -> str:
        """The address that lists the files below ``path``."""
        folder = f"/{quote(self.path)}" if self.path else ""
        return (
            f"{self.hub}/api/{self.kind}/{quote(self.repository)}/tree/"
            f"{quote(self.revision, safe='')}{folder}?recursive=true"
        )


@dataclass(frozen=True)
class ListedFile:
    """One file as the hub lists it; ``sha256`` only for large ones."""

    path: str
    size_bytes: int | None
    sha256: str | None


def place_of(url: str, hub: str) -> Place:
    """The repository, file or folder that a page of the hub shows.

    Parameters
    ----------
    url : any address on the hub
    hub : base address to fetch from, e.g. of a mirror

    Raises
    ------
    Refusal : if the page belongs to no repository
    """
    parts = [unquote(part) for part in urlsplit(url).path.split("/") if part]
    kind = _KINDS.get(parts[0], "models") if parts else "models"
    if parts and parts[0] in _KINDS:
        parts = parts[1:]
    if len(parts) < 2 or any(part in {".", ".."} for part in parts):
        raise Refusal(
            "this page isn't a repository of files",
            "open the voice's own page and copy its address",
        )
    repository, rest = "/".join(parts[:2]), parts[2:]
    view = rest[0] if rest else "tree"
    # A pull request's branch is the only revision with slashes of its own: refs/pr/1.
    words = 3 if rest[1:3] == ["refs", "pr"] else 1
    revision = "/".join(rest[1 : 1 + words]) or "main"
    path = "/".join(rest[1 + words :])
    if view in _FILE_VIEWS and path:
        return Place(hub, kind, repository, revision, path, is_file=True)
    if view == "tree":
        return Place(hub, kind, repository, revision, path, is_file=False)
    return Place(hub, kind, repository, "main", "", is_file=False)


def listed_files(
    place: Place, *, pacing: Pacing, timeouts: Timeouts, cancel: CancelToken
) -> tuple[ListedFile, ...]:
    """All files below ``place``, as the hub lists them."""
    files: list[ListedFile] = []
    url: str | None = place.listing_url()
    for _ in range(MAX_PAGES):
        if url is None:
            break

        def attempt(page_url: str = url) -> tuple[list[ListedFile], str | None]:
            return _page(page_url, timeouts, cancel)

        page, next_page = persist(attempt, pacing=pacing, cancel=cancel)
        files.extend(page)
        url = None if next_page is None else _on_hub(next_page, place.hub)
    return tuple(files)


def linked_sha256(response: Response) -> str | None:
    """The SHA-256 that the hub itself states for a large file; None for other files."""
    etag = response.first.header("X-Linked-Etag").strip('"')
    return etag if _SHA256.fullmatch(etag) else None


def _page(url: str, timeouts: Timeouts, cancel: CancelToken) -> tuple[list[ListedFile], str | None]:
    """One page of a listing, and the address of the next one."""
    with ask_server("GET", url, {}, timeouts=timeouts, cancel=cancel) as response:
        if response.status != 200:
            raise response.failure()
        body = b""
        while piece := response.read():
            cancel.raise_if_cancelled()
            body += piece
            if len(body) > MAX_PAGE_BYTES:
                raise _not_a_listing()
        cancel.raise_if_cancelled()
        if response.body_bytes not in {None, len(body)}:
            raise Interruption("the connection was lost", LATER)
        following = _NEXT_PAGE.search(response.header("Link"))
    try:
        # Not msgspec: half a character in one name makes it refuse the whole page.
        rows = json.loads(body, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise _not_a_listing() from error
    if not isinstance(rows, list):
        raise _not_a_listing()
    entries = [entry for entry in map(_entry, rows) if entry is not None]
    if rows and not entries:
        raise _not_a_listing()
    files = [
        ListedFile(each.path, each.size, each.lfs.oid if each.lfs else None)
        for each in entries
        if each.type == "file" and _can_be_fetched(each.path)
    ]
    return files, following[1] if following else None


def _number(digits: str) -> int | None:
    """A number; None if it is longer than any size, and Python would refuse the whole page."""
    return int(digits) if len(digits) < _MOST_DIGITS else None


def _entry(row: object) -> _Entry | None:
    """One row of a listing; None if it is malformed, which must not hide the other rows."""
    try:
        return msgspec.convert(row, _Entry)
    except (ValueError, RecursionError):
        return None


def _can_be_fetched(path: str) -> bool:
    """Whether it is the path of a file in a repository; any other one must not hide the rest."""
    if not 0 < len(path) <= LONGEST_PATH or "\0" in path or ".." in path.split("/"):
        return False
    return not any("\ud800" <= each <= "\udfff" for each in path)  # halves of characters


class _Large(msgspec.Struct):
    oid: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _Entry(msgspec.Struct):
    """What is read of one row of the hub's listing."""

    type: str
    path: str
    size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    lfs: _Large | None = None


def _on_hub(url: str, hub: str) -> str:
    """The same page on ``hub``: a mirror's listing may name the official hub."""
    parts = urlsplit(url)
    return f"{hub}{parts.path}?{parts.query}"


def _not_a_listing() -> Refusal:
    return Refusal(
        "the server did not send a list of files",
        "sign in to this network in a browser if it asks for it, or check the mirror's address",
    )
