"""Where the shared networks lie, and the starter set that ships with the program."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

from engine.errors import WeightsError

MODELS_VARIABLE = "URVC_MODELS_DIR"

CONTENT_ENCODER_DIR = "hubert_base"
"""Folder inside the models folder: ``config.json`` beside the weights."""

CONFIG_FILE = "config.json"
WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
FAIRSEQ_FILE = "hubert_base.pt"
"""The same network as one file in fairseq's layout, beside that folder."""

RMVPE_FILE = "rmvpe.pt"

VOICE_WEIGHTS_FILE = "voice.safetensors"
VOICE_INDEX_FILE = "voice.index"
VOICE_ROWS_FILE = "voice.rows"
"""In the folder of an installed voice."""


def models_dir(override: Path | None = None) -> Path:
    """The folder of the shared networks; it need not exist yet.

    Parameters
    ----------
    override : what ``--models-dir`` said; else the environment's ``URVC_MODELS_DIR``, else the
        user's data folder of this system

    Returns
    -------
    An absolute path.
    """
    return data_folder("models", MODELS_VARIABLE, override)


def data_folder(name: str, variable: str, override: Path | None) -> Path:
    """A folder of this program's data: what was asked for, else the environment's, else the usual.

    Returns
    -------
    An absolute path; it need not exist yet
    """
    if override is not None:
        return override.expanduser().absolute()
    named = os.environ.get(variable, "")
    if named:
        return Path(named).expanduser().absolute()
    return Path(platformdirs.user_data_dir("Ultimate RVC", appauthor=False), name)


def starter_dir() -> Path:
    """The starter set: ``encoder/``, ``voice.pth``, ``starter.index`` and ``sample.wav``."""
    return Path(__file__).resolve().parents[1] / "resources" / "starter"


STARTER_EMBEDDER = "urvc-starter"
"""What the starter voice's checkpoint names as its content encoder."""


_CONTENTVEC_NAMES = frozenset({"contentvec", "contentvec_base", "hubert", "hubert_base"})
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def content_encoder_path(embedder: str, models_folder: Path) -> Path:
    """Where the content encoder of that name lies (see `load_content_encoder`).

    ContentVec is ``hubert_base`` in the models folder, as on the hub; any other embedder is a
    folder of its own name beside it.

    Parameters
    ----------
    embedder : as a voice's checkpoint names it
    models_folder : from `models_dir`

    Raises
    ------
    WeightsError : a name that cannot be one of a folder
    """
    if embedder.lower() in _CONTENTVEC_NAMES:
        return models_folder
    if embedder == STARTER_EMBEDDER:
        return starter_dir() / "encoder"
    if not _FILE_NAME.fullmatch(embedder):
        raise WeightsError(
            "Cannot find the content encoder",
            f'the voice names it "{embedder}", which cannot be the name of a folder',
            "ask the voice's author which content encoder it was trained with",
        )
    return models_folder / embedder
