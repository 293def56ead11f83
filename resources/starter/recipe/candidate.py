"""A starter set in any folder, used as the product uses an installed one."""

from __future__ import annotations

from pathlib import Path

from engine import Converter, VoiceFiles
from engine.voice_record import read_record, write_checkpoint

_EMBEDDER = "starter-candidate"


def load_candidate(folder: Path, scratch: Path) -> tuple[Converter, VoiceFiles]:
    """A converter and the voice of a set.

    Parameters
    ----------
    scratch : an empty folder, in which the voice names the encoder of its set
    """
    record = {**read_record(folder / "voice.pth"), "embedder_model": _EMBEDDER}
    with (scratch / "voice.pth").open("wb") as file:
        write_checkpoint(record, file)
    (scratch / _EMBEDDER).symlink_to((folder / "encoder").resolve())
    voice = VoiceFiles(scratch / "voice.pth", folder / "starter.index")
    return Converter(models_dir=scratch), voice
