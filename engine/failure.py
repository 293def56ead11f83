"""Why a transfer failed, before it is known which file the sentence is about."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import DownloadError, UserError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class TransferFailure(Exception):  # noqa: N818 - never leaves this package
    """A cause and an advice; `told_as` adds what could not be done.

    Parameters
    ----------
    why, advice : as in `engine.errors.UserError`
    """

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why, advice)
        self.why = why
        self.advice = advice


class Refusal(TransferFailure):
    """Trying again would give the same."""


class Interruption(TransferFailure):
    """The next try may go better.

    Parameters
    ----------
    asked_wait_s : how long the server asked to be left alone
    offline : there seems to be no network at all, so waiting is worth it only in mid-transfer
    """

    def __init__(
        self, why: str, advice: str, *, asked_wait_s: float | None = None, offline: bool = False
    ) -> None:
        super().__init__(why, advice)
        self.asked_wait_s = asked_wait_s
        self.offline = offline


@contextmanager
def told_as(what: str, kind: type[UserError] = DownloadError) -> Iterator[None]:
    """Turn a failure inside into the one sentence that the user sees.

    Raises
    ------
    kind : for every `TransferFailure`
    """
    try:
        yield
    except TransferFailure as failure:
        raise kind(what, failure.why, failure.advice) from failure


@contextmanager
def on_disk() -> Iterator[None]:
    """Turn a failure of the file system inside into a `Refusal`.

    Raises
    ------
    Refusal : for every OSError
    """
    try:
        yield
    except OSError as error:
        raise _disk_refusal(error) from error


def _disk_refusal(error: OSError) -> Refusal:
    if error.errno in _FULL:
        return Refusal("the disk is full", "free some space and try again")
    place = f' "{error.filename}"' if error.filename else ""
    if error.errno in _FORBIDDEN:
        return Refusal(
            f"this account may not use{place or ' its folder'}",
            "change the rights of that folder or choose another one",
        )
    reason = (error.strerror or "unknown fault").lower()
    return Refusal(f"the disk says of{place or ' the file'}: {reason}", "check the disk and folder")
