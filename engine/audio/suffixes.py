"""Endings of file names worth offering; nothing needs to be loaded to know them."""

from __future__ import annotations

AUDIO_SUFFIXES = frozenset(
    {
        ".wav", ".wave", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif",
        ".aiff", ".aifc", ".caf", ".au", ".m4a", ".m4b", ".aac", ".ac3", ".amr", ".ape", ".tta",
        ".wma", ".wv", ".weba",
    }
)  # fmt: skip
VIDEO_SUFFIXES = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".mka", ".webm", ".avi", ".wmv", ".asf", ".flv",
        ".3gp", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    }
)  # fmt: skip
SUPPORTED_SUFFIXES = AUDIO_SUFFIXES | VIDEO_SUFFIXES
"""Lower-case endings worth offering in a file dialog; what a file holds decides, not its name."""
