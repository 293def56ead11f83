"""Where things lie: shared networks, the starter set, the Mac app's bundle."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TypeVar

import platformdirs

from engine.errors import Text, WeightsError

Advice = TypeVar("Advice", str, Text)

MODELS_VARIABLE = "URVC_MODELS_DIR"
ADD_ONS_VARIABLE = "URVC_ADD_ONS_DIR"
BUNDLE_VARIABLE = "RESOURCEPATH"
"""The bundle's launcher sets it to its ``Contents/Resources``; child processes inherit it."""

CONTENT_ENCODER_DIR = "hubert_base"
"""Folder inside the models folder: ``config.json`` beside the weights."""

CONFIG_FILE = "config.json"
WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
FAIRSEQ_FILE = "hubert_base.pt"
"""The same network as one file in fairseq's layout, beside that folder."""

OTHER_ENCODERS = (
    "spin",
    "spin-v2",
    "chinese-hubert-base",
    "japanese-hubert-base",
    "korean-hubert-base",
)
"""Other content encoders of trainers, by their names in voices; each has a folder of that name."""

RMVPE_FILE = "rmvpe.pt"
FCPE_FILE = "fcpe.pt"

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
    """
    return data_folder("models", MODELS_VARIABLE, override)


def mlx_folder() -> Path:
    """Where MLX is as an add-on; each version of Python has a folder of its own."""
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return data_folder("add-ons", ADD_ONS_VARIABLE, None) / f"mlx-{version}"


def data_folder(name: str, variable: str, override: Path | None) -> Path:
    """The absolute path of a data folder: the override, else the environment's, else the default.

    It need not exist yet.
    """
    if override is not None:
        return override.expanduser().absolute()
    named = os.environ.get(variable, "")
    if named:
        return Path(named).expanduser().absolute()
    return Path(platformdirs.user_data_dir("Ultimate RVC", appauthor=False), name)


def bundle_contents() -> Path | None:
    """The folder ``Contents`` of the Mac app's bundle; None outside a bundle."""
    named = os.environ.get(BUNDLE_VARIABLE, "")
    return Path(named).resolve().parent if named else None


def advised(command: Advice, app: Advice) -> Advice:
    """The advice that can be followed here.

    Parameters
    ----------
    command : what to type in a checkout, which has the command ``urvc``
    app : where to do it in the app; the bundle has no command
    """
    return command if bundle_contents() is None else app


def starter_dir() -> Path:
    """The starter set: ``encoder/``, ``voice.pth``, ``starter.index`` and ``sample.wav``."""
    return Path(__file__).resolve().parents[1] / "resources" / "starter"


STARTER_EMBEDDER = "urvc-starter"
"""The content encoder that the starter voice's checkpoint names."""


_CONTENTVEC_NAMES = frozenset({"contentvec", "contentvec-base", "hubert", "hubert-base"})
_OTHER_SPELLINGS = {
    "spin-v1": "spin",
    "spinv2": "spin-v2",
    "hubert-base-chinese": "chinese-hubert-base",
    "hubert-base-japanese": "japanese-hubert-base",
    "hubert-base-korean": "korean-hubert-base",
}
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def encoder_name(embedder: str) -> str | None:
    """The one name of a content encoder that trainers spell in several ways.

    Returns
    -------
    One of `OTHER_ENCODERS` or `STARTER_EMBEDDER`, an unknown name as it is, or None for ContentVec.
    """
    plain = re.sub(r"\.(pt|pth|bin|safetensors)$", "", embedder.strip().lower()).replace("_", "-")
    if plain in _CONTENTVEC_NAMES:
        return None
    known = _OTHER_SPELLINGS.get(plain, plain)
    return known if known in OTHER_ENCODERS else embedder


def content_encoder_path(embedder: str, models_folder: Path) -> Path:
    """Where a content encoder lies, for `engine.loading.load_content_encoder`.

    ContentVec is ``hubert_base`` in the models folder; any other one is a folder of its own name
    beside it.

    Parameters
    ----------
    embedder : the name in a voice's checkpoint
    models_folder : from `models_dir`

    Raises
    ------
    WeightsError : the name cannot be that of a folder
    """
    name = encoder_name(embedder)
    if name is None:
        return models_folder
    if name == STARTER_EMBEDDER:
        return starter_dir() / "encoder"
    if not _FILE_NAME.fullmatch(name):
        raise WeightsError(
            "Cannot find the content encoder",
            Text(
                'the voice calls it "{name}", which cannot be the name of a folder', name=embedder
            ),
            "ask the voice's author which content encoder it was trained with",
        )
    return models_folder / name
