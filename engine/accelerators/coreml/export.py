"""The networks of a voice as Core ML packages, each confirmed, with what their inputs mean."""

from __future__ import annotations

import dataclasses
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.accelerators.coreml.content import BUCKETS, PackageCache
from engine.accelerators.coreml.networks import (
    ContentForm,
    Form,
    LatentForm,
    PitchForm,
    Tiling,
    VocoderForm,
)
from engine.accelerators.coreml.neural_engine import obstacles
from engine.accelerators.coreml.program import (
    OUTPUT,
    require_coremltools,
    weights_digest,
    write_package,
)
from engine.errors import OutputFileError, Text, VoiceFileError
from engine.loading import load_content_encoder, load_rmvpe
from engine.models.content_encoder import ContentEncoder
from engine.models.synthesizer import build_synthesizer
from engine.paths import RMVPE_FILE
from engine.segments import ANALYSIS_RATE_HZ, FRAMES_PER_SECOND
from engine.voice import VoiceCard, find_encoder
from engine.voice_checkpoint import load_voice

README = "README.md"
METADATA = "metadata.json"

_MEANINGS = {
    "content": "features of what is said, float [1, T, C], 50 frames a second",
    "latent": "what the vocoder is given, float [1, C, T], 100 frames a second",
    "vocoder": "sound, float [1, n] in -1..1, at the voice's rate",
    "pitch": "features for RMVPE's GRU (which is not exported), float [1, T, 384]",
}


@dataclass(frozen=True)
class Exported:
    """One package.

    Attributes
    ----------
    inputs : name, shape, type and meaning of each
    agreement_db : with torch in float32, as an interpreter of the program found it; None is equal
    neural_engine : what keeps parts of it from the Neural Engine; empty is best
    """

    name: str
    file: str
    inputs: tuple[dict[str, object], ...]
    output: dict[str, object]
    agreement_db: float | None
    neural_engine: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """For JSON."""
        return dataclasses.asdict(self)

    @property
    def agreement(self) -> str:
        """In words."""
        return "equal" if self.agreement_db is None else f"{self.agreement_db:.0f} dB"


def export_voice(
    voice: Path,
    models_dir: Path,
    folder: Path,
    *,
    seconds: float,
    half: bool,
    listen: Callable[[str], None] = lambda _: None,
    pause: Callable[[], None] = lambda: None,
) -> list[Exported]:
    """Write the packages of a voice and of the networks that it needs.

    Parameters
    ----------
    folder : must not exist, or be empty; it appears only when all packages are confirmed
    seconds : of sound that each program takes at once
    half : float16 instead of float32
    listen : told the name of each network before it is converted
    pause : called between networks, and may raise to stop

    Raises
    ------
    UserError : a network cannot be read or converted, or the folder cannot be written
    """
    require_coremltools()
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputFileError(
            Text('Cannot export to "{name}"', name=folder.name),
            "it exists already and is not an empty folder",
            "name a new folder",
        )
    made = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    made.mkdir(parents=True)
    try:
        found = []
        for name, form in _forms(voice, models_dir, seconds):
            pause()
            listen(name)
            found.append(_export(name, form, made, half=half))
        _describe(found, voice, made, seconds=seconds, half=half)
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return found


def prepare_content(
    voice: Path, models_dir: Path, listen: Callable[[int], None], pause: Callable[[], None]
) -> None:
    """Convert the content encoder of a voice for conversions by this program.

    Parameters
    ----------
    listen : told how many programs are ready
    pause : called between them, and may raise to stop

    Raises
    ------
    UserError : a network cannot be read or converted
    """
    require_coremltools()
    card, cache = load_voice(voice).card, PackageCache()
    network = _encoder(card, models_dir)
    layer, digest = card.content_layer, weights_digest(network)
    for done, bucket in enumerate(BUCKETS):
        pause()
        listen(done)
        tiling = Tiling.of(network, bucket)
        cache.folder(ContentForm(network, tiling, layer, project=layer is not None), digest)


def _encoder(card: VoiceCard, models_dir: Path) -> ContentEncoder:
    """The content encoder of a voice.

    Raises
    ------
    VoiceFileError : it is of a kind that is not converted
    """
    network = load_content_encoder(find_encoder(card, models_dir))
    if not isinstance(network, ContentEncoder):
        raise VoiceFileError(
            Text('Cannot export the voice "{name}"', name=card.path.name),
            "its content encoder is a Whisper, which is not converted to Core ML",
            "choose a voice with a HuBERT, such as ContentVec",
        )
    try:
        Tiling.of(network, 1)
    except ValueError as error:
        raise VoiceFileError(
            Text('Cannot export the voice "{name}"', name=card.path.name),
            Text("its content encoder cannot be converted ({reason})", reason=error),
            "choose a voice with another content encoder, such as ContentVec",
        ) from error
    return network


def _forms(voice: Path, models_dir: Path, seconds: float) -> Iterator[tuple[str, Form]]:
    """Each network in the form in which it is converted; one at a time is in memory."""
    checkpoint = load_voice(voice)
    card, frames = checkpoint.card, round(seconds * FRAMES_PER_SECOND)
    encoder = _encoder(card, models_dir)
    tiling = Tiling.of(encoder, max(frames // 2, 1))
    layer = card.content_layer
    yield "content", ContentForm(encoder, tiling, layer, project=layer is not None)
    del encoder
    synthesizer = build_synthesizer(checkpoint.sizes, checkpoint.state)
    yield "latent", LatentForm(synthesizer, frames).eval()
    yield "vocoder", VocoderForm(synthesizer, frames).eval()
    del synthesizer
    if card.pitch_guided and (models_dir / RMVPE_FILE).is_file():
        yield "pitch", PitchForm(load_rmvpe(models_dir / RMVPE_FILE).network, frames).eval()


def _export(name: str, form: Form, folder: Path, *, half: bool) -> Exported:
    file = f"{name}.mlpackage"
    checked = write_package(form, folder / file, half=half)
    kind = "float16" if half else "float32"
    inputs: tuple[dict[str, object], ...] = tuple(
        {
            "name": each.name,
            "shape": list(each.shape),
            "type": kind if each.most is None else "int32",
            "meaning": each.meaning,
        }
        for each in form.inputs
    )
    output: dict[str, object] = {
        "name": OUTPUT,
        "shape": list(checked.output_shape),
        "type": kind,
        "meaning": _MEANINGS[name],
    }
    return Exported(
        name, file, inputs, output, checked.agreement_db, tuple(obstacles(checked.program))
    )


def _describe(
    found: list[Exported], voice: Path, folder: Path, *, seconds: float, half: bool
) -> None:
    """Write what a program needs to know, as JSON, and as a text for people."""
    card = load_voice(voice).card
    facts = {
        "voice": card.path.name,
        "seconds": seconds,
        "precision": "float16" if half else "float32",
        "sample_rate_hz": card.sample_rate_hz,
        "sound_rate_of_content_and_pitch_hz": ANALYSIS_RATE_HZ,
        "content_layer": card.content_layer,
        "vocoder": card.vocoder,
        "speakers": card.speakers,
        "packages": [each.record() for each in found],
    }
    (folder / METADATA).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    lines = [
        f"# {card.path.stem} for Core ML",
        "",
        f"Every program takes exactly {seconds:g} s of sound, and needs macOS 15.",
        "It was compared with PyTorch by an interpreter of its operations, not by Core ML.",
        "Where and how exactly a Mac runs it has to be measured there.",
        "The rights of use are those of the voice and of the networks.",
    ]
    for each in found:
        lines += ["", f"## {each.file}", "", "| | name | shape | type | meaning |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_row("in", given) for given in each.inputs]
        lines += [_row("out", each.output), ""]
        lines += [f"Agreement with PyTorch in float32: {each.agreement}."]
        kept_off = ", ".join(each.neural_engine)
        lines += [
            f"The Neural Engine is expected not to take: {kept_off}."
            if kept_off
            else "Nothing in it is known to be refused by the Neural Engine."
        ]
    (folder / README).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(side: str, given: dict[str, object]) -> str:
    return f"| {side} | " + " | ".join(str(each) for each in given.values()) + " |"
