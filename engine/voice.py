"""A voice as it lies on the disk, and the one that ships with the program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.paths import starter_dir


@dataclass(frozen=True)
class VoiceFiles:
    """A voice as it lies on the disk.

    Attributes
    ----------
    weights : the ``.pth``
    index : the ``.index`` that came with it, if any
    name : what it is called in the names of results; None takes the name of the file
    """

    weights: Path
    index: Path | None = None
    name: str | None = None

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.weights.stem


def starter_voice() -> VoiceFiles:
    """The voice that ships with the program."""
    folder = starter_dir()
    return VoiceFiles(folder / "voice.pth", folder / "starter.index", "Starter")
