"""The recipe's stages by name; see the Makefile beside this file."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

import platformdirs
import torch

from engine.loading import load_content_encoder
from engine.models.content_encoder import ContentEncoder
from engine.models.whisper import WhisperEncoder
from recipe.network import new_encoder
from recipe.training import Effort, averaged

HERE = Path(__file__).resolve().parents[1]
READINGS, WHISPER = "readings.safetensors", "encoder"
STAGES = "data", "encoder", "vocoder", "readings", "prior", "export", "report"


def main() -> None:
    """Run one stage, or go on with it."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    run: dict[str, Callable[[argparse.Namespace], None]] = {
        "data": _data,
        "encoder": _encoder,
        "vocoder": _vocoder,
        "readings": _readings,
        "prior": _prior,
        "export": _export,
        "report": _report,
    }
    run[arguments.stage](arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recipe", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    cache = Path(platformdirs.user_cache_dir("Ultimate RVC", appauthor=False), "starter-recipe")
    parser.add_argument("--work", type=Path, default=cache, help="where speech and weights lie")
    parser.add_argument("--output", type=Path, default=HERE, help="where the finished set goes")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--threads", type=int, default=1, help="also processes that make data")
    parser.add_argument("--batch", type=int, help="clips a step, instead of the stage's own number")
    parser.add_argument("--steps", type=int, help="instead of the stage's own number")
    parser.add_argument("--ends-at", type=float, help="seconds since 1970, instead of steps")
    parser.add_argument("--warm-start", type=Path, help="folder of an encoder to begin with")
    parser.add_argument("--whisper", type=Path, help="encoder: model.bin, instead of training one")
    parser.add_argument(
        "--former-voice", type=Path, help="prior, export: a voice whose vocoder is kept"
    )
    parser.add_argument("--flite-sentences", type=int, default=1400)
    parser.add_argument("--espeak-sentences", type=int, default=6000)
    parser.add_argument("--report-sentences", type=int, default=16)
    return parser


def _effort(arguments: argparse.Namespace) -> Effort:
    return Effort(arguments.device, arguments.batch, arguments.steps, arguments.ends_at)


def _data(arguments: argparse.Namespace) -> None:
    from recipe.data import make_data

    sentences = arguments.flite_sentences, arguments.espeak_sentences
    make_data(arguments.work, *sentences, arguments.threads)


def _vocoder(arguments: argparse.Namespace) -> None:
    from recipe.vocoder import train_vocoder

    train_vocoder(arguments.work, _effort(arguments))


def _encoder(arguments: argparse.Namespace) -> None:
    from recipe.encoder import train_encoder
    from recipe.reading import write_normalised

    if arguments.whisper is not None:
        write_normalised(arguments.work, arguments.whisper)
        return
    begin = arguments.warm_start
    start = None if begin is None else load_content_encoder(begin).state_dict()
    train_encoder(arguments.work, _effort(arguments), start)


def _trained_encoder(arguments: argparse.Namespace) -> ContentEncoder | WhisperEncoder:
    if (whisper := arguments.work / WHISPER).exists():
        return load_content_encoder(whisper).to(arguments.device)
    encoder = new_encoder(seed=1)
    encoder.load_state_dict(averaged(arguments.work / "encoder.safetensors", "encoder"))
    return encoder.to(arguments.device).eval().requires_grad_(requires_grad=False)


def _readings(arguments: argparse.Namespace) -> None:
    from recipe.reading import make_readings

    if not (file := arguments.work / READINGS).exists():
        readings = make_readings(arguments.work, _trained_encoder(arguments), arguments.device)
        readings.save(file)


def _prior(arguments: argparse.Namespace) -> None:
    from recipe.reading import load_readings
    from recipe.voice import train_prior

    readings = load_readings(arguments.work / READINGS, arguments.device)
    train_prior(arguments.work, _effort(arguments), readings, arguments.former_voice)


def _export(arguments: argparse.Namespace) -> None:
    from recipe.export import export
    from recipe.reading import target_features
    from recipe.voice import joined

    encoder = _trained_encoder(arguments)
    features = target_features(arguments.work, encoder, most=400)
    voice = averaged(arguments.work / "prior.safetensors", "voice")
    if arguments.former_voice is None:
        voice = joined(averaged(arguments.work / "vocoder.safetensors", "voice"), voice)
    whisper = isinstance(encoder, WhisperEncoder)
    source = arguments.work / WHISPER if whisper else encoder.state_dict()
    export(arguments.output, source, voice, features, arguments.former_voice)


def _report(arguments: argparse.Namespace) -> None:
    from recipe.curve import read_curves
    from recipe.report import make_report

    curves = read_curves(arguments.work)
    make_report(arguments.output, arguments.work / "report", curves, arguments.report_sentences)


if __name__ == "__main__":
    main()
