"""Errors that a user can cause or fix, as one sentence: what happened, why, what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from engine.plain_text import plain


class Text:
    """A sentence with named gaps: translated first, filled in last.

    A message is a ``Text`` wherever something varies in it, and may be a plain ``str`` elsewhere.
    The app looks the template up in its catalogue and then fills in the values; the command
    line prints ``str(text)``, which is English. It compares with ``str`` as that English does.

    Parameters
    ----------
    template : English, with gaps as in `str.format`, e.g. ``Cannot read "{name}"``
    values : what goes into the gaps. A ``Text`` is translated too, a number is shown as is, and
        anything else may come from outside: it is shown as `engine.plain_text.plain`
    """

    __slots__ = ("template", "values")

    def __init__(self, template: str, **values: object) -> None:
        self.template = template
        self.values = values

    def translated(self, translate: Callable[[str], str]) -> str:
        """The sentence in another language.

        Parameters
        ----------
        translate : returns the translation of a template, or the template itself
        """
        template = translate(self.template)
        if not self.values:
            return template
        return template.format_map(
            {name: _shown(value, translate) for name, value in self.values.items()}
        )

    def to_record(self) -> dict[str, Any]:
        """The text as JSON; values other than numbers and texts become strings."""
        kept = {
            name: value.to_record()
            if isinstance(value, Text)
            else value
            if isinstance(value, int | float | str)
            else str(value)
            for name, value in self.values.items()
        }
        return {"text": self.template, "values": kept}

    @classmethod
    def from_record(cls, record: object) -> Text:
        """The text of a record; anything else becomes a text of its own string.

        A damaged record whose gaps and values do not match shows its template.
        """
        if not isinstance(record, dict):
            return cls(str(record))
        values = record.get("values")
        text = cls(str(record.get("text", "")))
        if not isinstance(values, dict):
            return text
        filled = {
            str(name): cls.from_record(value) if isinstance(value, dict) else value
            for name, value in values.items()
        }
        made = cls(text.template, **filled)
        try:
            str(made)
        except (LookupError, ValueError, AttributeError, TypeError):
            return text
        return made

    def __str__(self) -> str:
        return self.translated(lambda template: template)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __repr__(self) -> str:
        return f"Text({str(self)!r})"

    def __contains__(self, words: str) -> bool:
        return words in str(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        if not isinstance(other, Text):
            return NotImplemented
        return self.template == other.template and self.values == other.values

    def __hash__(self) -> int:
        return hash(str(self))


def _shown(value: object, translate: Callable[[str], str]) -> object:
    if isinstance(value, Text):
        return value.translated(translate)
    return value if isinstance(value, int | float) else plain(str(value))


Message = str | Text
"""A message to the user: fixed words, or words with gaps."""


def as_text(message: Message) -> Text:
    """A message as a `Text`; fixed words may hold braces."""
    return message if isinstance(message, Text) else Text(message)


class UserError(Exception):
    """An error as one sentence; the CLI prints it and exits with code 2.

    Parameters
    ----------
    what : what could not be done, naming the file, e.g. ``Cannot use the voice "aria.pth"``
    why : the cause, e.g. ``this is a training checkpoint``
    advice : what the user can do, e.g. ``export the small voice file from your trainer``
    """

    def __init__(self, what: Message, why: Message, advice: Message) -> None:
        super().__init__(what, why, advice)
        self.what = as_text(what)
        self.why = as_text(why)
        self.advice = as_text(advice)

    @property
    def text(self) -> Text:
        """The whole sentence, to be translated."""
        return Text("{what}: {why}; {advice}.", what=self.what, why=self.why, advice=self.advice)

    def __str__(self) -> str:
        return str(self.text)


class AudioFileError(UserError):
    """A source file has no sound that can be converted."""


class OutputFileError(UserError):
    """A result cannot be written to the requested place or in the requested format."""


class VoiceFileError(UserError):
    """A voice checkpoint (``.pth``) is damaged, of another kind, dangerous or inconsistent."""


class IndexFileError(UserError):
    """A retrieval index (``.index``) is damaged, empty or belongs to another voice."""


class WeightsError(UserError):
    """A shared network (content encoder, RMVPE) is missing, damaged or of another kind."""


class PitchCurveError(UserError):
    """A pitch curve file cannot be read."""


class OptionError(UserError):
    """An option has an invalid value, alone or together with others."""


class DeviceError(UserError):
    """The requested device is missing or cannot do the work."""


class ConversionCancelled(Exception):  # noqa: N818 - not an error: the user wanted it
    """The user cancelled; nothing was written."""


class DownloadError(UserError):
    """A file could not be downloaded, or another file arrived."""


class ArchiveError(UserError):
    """An archive (``.zip``) is damaged, malicious, too large or without a voice."""


class LibraryError(UserError):
    """The library of installed voices cannot do what was requested."""


class Failure(Exception):  # noqa: N818 - never leaves the engine
    """A cause and advice; `as_user_error` adds what could not be done.

    Parameters
    ----------
    why, advice : as in `UserError`
    """

    def __init__(self, why: Message, advice: Message) -> None:
        super().__init__(why, advice)
        self.why = why
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.why}; {self.advice}"


class Refusal(Failure):
    """Trying again would fail in the same way."""


class Interruption(Failure):
    """The next try may succeed.

    Parameters
    ----------
    asked_wait_s : how long the server asked us to wait
    offline : there seems to be no network, so waiting helps only in the middle of a transfer
    """

    def __init__(
        self,
        why: Message,
        advice: Message,
        *,
        asked_wait_s: float | None = None,
        offline: bool = False,
    ) -> None:
        super().__init__(why, advice)
        self.asked_wait_s = asked_wait_s
        self.offline = offline


@contextmanager
def as_user_error(what: Message, kind: type[UserError] = DownloadError) -> Iterator[None]:
    """Turn a `Failure` inside the block into an error of ``kind``, which says what was tried."""
    try:
        yield
    except Failure as failure:
        raise kind(what, failure.why, failure.advice) from failure


class NotAFileError(OSError):
    """Where a file is expected, there is a folder, a pipe or a device."""

    def __init__(self, path: object) -> None:
        super().__init__(errno.EINVAL, "not a regular file", str(path))


@contextmanager
def on_disk() -> Iterator[None]:
    """Turn an `OSError` inside the block into a `Refusal`."""
    try:
        yield
    except OSError as error:
        raise _disk_refusal(error) from error


def _disk_refusal(error: OSError) -> Refusal:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal("the disk is full", "free some space and try again")
    name = error.filename or ""
    if isinstance(error, NotAFileError):
        return Refusal(Text('"{name}" is not a regular file', name=name), "choose another file")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        why = (
            Text('you have no permission for "{name}"', name=name)
            if name
            else "you have no permission for its folder"
        )
        return Refusal(why, "change the folder's permissions or choose another one")
    reason = (error.strerror or "unknown error").lower()
    why = (
        Text('the disk reports an error for "{name}" ({reason})', name=name, reason=reason)
        if name
        else Text("the disk reports an error ({reason})", reason=reason)
    )
    return Refusal(why, "check the disk and the folder")
