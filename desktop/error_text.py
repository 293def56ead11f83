"""What a failure is called on the screen, and the report that can be copied."""

from __future__ import annotations

import platform
import re
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from desktop.engine_words import spoken
from engine.device import is_out_of_memory
from engine.errors import UserError
from engine.machine import app_version

_PATH = re.compile(
    r"(?:(?<=[\s\"'(=])|^)(?:[A-Za-z]:[\\/]|~?/)(?=\S)[^\n\"'<>|:]*[\\/]", re.MULTILINE
)


def sentence_for(error: BaseException) -> str:
    """One sentence for the user, in the user's language: what happened, why, what to do."""
    return spoken(english_sentence(error))


def english_sentence(error: BaseException) -> str:
    """The same in English, to be kept; `spoken` shows it."""
    if isinstance(error, UserError):
        return str(error)
    if is_out_of_memory(error):
        return (
            "The conversion was stopped: there is not enough memory; close other programs, or "
            "convert a shorter file."
        )
    return (
        f"The conversion was stopped: the program made a mistake ({type(error).__name__}); try "
        "again, and if it happens again send the report."
    )


def report_for(error: BaseException) -> str:
    """A report for the makers: versions and traceback, without the user's folders."""
    lines = traceback.format_exception(error)
    return without_folders(f"{machine_lines()}\n\n{''.join(lines)}")


def machine_lines() -> str:
    """Program, Python and system, one a line."""
    return "\n".join(
        (
            "Ultimate RVC " + app_version(),
            f"Python {platform.python_version()}",
            f"PySide6 {_version_of('PySide6-Essentials')}, torch {_version_of('torch')}",
            f"{platform.platform()} ({platform.machine()})",
        )
    )


def without_folders(text: str) -> str:
    """The text with every absolute path cut down to its last part."""
    root = Path(__file__).resolve().parents[1]
    for known in (f"{root}/", f"{Path(sys.prefix).resolve()}/", f"{Path(sys.base_prefix)}/"):
        text = text.replace(known, "")
    return _PATH.sub("…/", text)


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(from source)"
