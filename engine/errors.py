"""Every failure that a user can cause or mend, as one sentence: what happened, why, what to do."""

from __future__ import annotations


class UserError(Exception):
    """A failure told in one sentence; the CLI prints it and exits with code 2.

    Parameters
    ----------
    what : what could not be done, naming the file, e.g. ``Cannot use the voice "aria.pth"``
    why : the cause, e.g. ``it is a training checkpoint``
    advice : what the user can do, e.g. ``export the small voice file from your trainer``
    """

    def __init__(self, what: str, why: str, advice: str) -> None:
        super().__init__(what, why, advice)
        self.what = what
        self.why = why
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.advice}."


class AudioFileError(UserError):
    """A source file holds no sound that can be converted."""


class OutputFileError(UserError):
    """A result cannot be written where, or in the format, that was asked for."""


class VoiceFileError(UserError):
    """A voice checkpoint (``.pth``) is damaged, foreign, dangerous or contradicts itself."""


class IndexFileError(UserError):
    """A retrieval index (``.index``) is damaged, empty or belongs to another voice."""


class WeightsError(UserError):
    """A shared network (content encoder, RMVPE) is missing, damaged or of another kind."""


class PitchCurveError(UserError):
    """A pitch curve file cannot be read."""


class OptionError(UserError):
    """An option has a value that makes no sense, alone or with the others."""


class DeviceError(UserError):
    """The device that was asked for is not there or cannot do the work."""


class ConversionCancelled(Exception):  # noqa: N818 - not an error: the user wanted it
    """The user cancelled; nothing was written."""


class DownloadError(UserError):
    """A file could not be fetched from the network, or what came is not the file."""


class ArchiveError(UserError):
    """An archive (``.zip``) is damaged, hostile, too large or holds no voice."""


class LibraryError(UserError):
    """The library of installed voices cannot do what was asked."""
