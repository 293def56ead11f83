"""From checkpoints to the files that ship, in float16."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from recipe.export import export_index, export_voice
from recipe.natural.network import VOICE_SIZES
from recipe.natural.prior import statistics
from recipe.natural.views import VIEWS
from recipe.training import averaged
from recipe.voice import joined
from recipe.whisper_file import write_encoder


def export_set(folder: Path, output: Path) -> None:
    """Write ``encoder/``, ``voice.pth`` and ``starter.index`` from a work folder."""
    output.mkdir(parents=True, exist_ok=True)
    voice = joined(*(averaged(folder / f"{s}.safetensors", "voice") for s in ("vocoder", "prior")))
    mean, spread = statistics(folder)
    own = (load_file(folder / "views.safetensors")[VIEWS[0]].float() - mean) / spread
    pair_id = export_index(output / "starter.index", own.numpy())
    tensors = load_file(folder / "encoder" / "model.safetensors")
    write_encoder(output / "encoder", tensors, (mean, spread), pair_id)
    export_voice(output / "voice.pth", voice, pair_id, VOICE_SIZES)
