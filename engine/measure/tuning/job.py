"""What is converted to measure a machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.device import DeviceName
from engine.library.voice_library import VoiceLibrary
from engine.measure.tuning.comparison import MOST_ROUNDS
from engine.paths import has_content_encoder, models_dir

SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class TuningJob:
    """What is converted, and where.

    Attributes
    ----------
    seconds : of sound
    device : ``auto`` is the best there is
    voice, index : None makes full-size networks with random weights (0.8 GB, for a while)
    title : the voice's name, for the record
    models_dir : folder of the shared networks; None is the user's own
    most_rounds : of a comparison that the noise leaves open
    only : flags that are measured; None is all
    """

    seconds: float = 10.0
    device: DeviceName = "auto"
    voice: Path | None = None
    index: Path | None = None
    title: str = ""
    models_dir: Path | None = None
    most_rounds: int = MOST_ROUNDS
    only: frozenset[str] | None = None

    @classmethod
    def with_installed_voice(
        cls,
        seconds: float,
        device: DeviceName = "auto",
        models_folder: Path | None = None,
        library: VoiceLibrary | None = None,
    ) -> TuningJob:
        """With the voice that was installed last; with synthetic networks where there is none.

        The starter voice does not count: its networks are a tenth of a real voice's.

        Raises
        ------
        LibraryError : the library cannot be read
        """
        folder = models_dir(models_folder)
        voices = [voice for voice in (library or VoiceLibrary()).voices() if not voice.built_in]
        if not voices or not has_content_encoder(folder):
            return cls(seconds, device)
        latest = max(voices, key=lambda voice: voice.imported)
        return cls(seconds, device, latest.weights, latest.index, latest.name, folder)
