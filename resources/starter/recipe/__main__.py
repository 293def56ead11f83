"""The recipe's stages by name; see the Makefile beside this file."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs
import torch

from engine.models.content_encoder import ContentEncoder
from engine.weights.content_encoder import load_content_encoder
from recipe.network import new_encoder
from recipe.training import averaged

HERE = Path(__file__).resolve().parents[1]
STEPS = "data", "encoder", "vocoder", "voice", "export", "report"


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
        "voice": _voice,
        "export": _export,
        "report": _report,
    }
    run[arguments.stage](arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recipe", description=__doc__)
    parser.add_argument("stage", choices=STEPS)
    cache = Path(platformdirs.user_cache_dir("Ultimate RVC", appauthor=False), "starter-recipe")
    parser.add_argument("--work", type=Path, default=cache, help="where speech and weights lie")
    parser.add_argument("--output", type=Path, default=HERE, help="where the finished set goes")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, help="clips a step, instead of the stage's own number")
    parser.add_argument("--warm-start", type=Path, help="folder of an encoder to begin with")
    parser.add_argument("--flite-sentences", type=int, default=1200)
    parser.add_argument("--espeak-sentences", type=int, default=3000)
    parser.add_argument("--report-sentences", type=int, default=16)
    return parser


def _data(arguments: argparse.Namespace) -> None:
    from recipe.data import make_data

    make_data(arguments.work, arguments.flite_sentences, arguments.espeak_sentences)


def _batch(arguments: argparse.Namespace) -> dict[str, int]:
    return {} if arguments.batch is None else {"batch": arguments.batch}


def _vocoder(arguments: argparse.Namespace) -> None:
    from recipe.vocoder import train_vocoder

    train_vocoder(arguments.work, arguments.device, **_batch(arguments))


def _encoder(arguments: argparse.Namespace) -> None:
    from recipe.encoder import train_encoder

    begin = arguments.warm_start
    start = None if begin is None else load_content_encoder(begin).state_dict()
    train_encoder(arguments.work, arguments.device, start, **_batch(arguments))


def _trained_encoder(arguments: argparse.Namespace) -> ContentEncoder:
    encoder = new_encoder(seed=1)
    encoder.load_state_dict(averaged(arguments.work / "encoder.safetensors", "encoder"))
    return encoder.to(arguments.device).eval().requires_grad_(requires_grad=False)


def _voice(arguments: argparse.Namespace) -> None:
    from recipe.reading import load_readings
    from recipe.voice import train_joint, train_prior

    work, device = arguments.work, arguments.device
    readings = load_readings(work, _trained_encoder(arguments), device)
    vocoder = averaged(work / "vocoder.safetensors", "voice")
    train_prior(work, device, readings, vocoder, **_batch(arguments))
    start = averaged(work / "prior.safetensors", "voice")
    train_joint(work, device, readings, start, **_batch(arguments))


def _export(arguments: argparse.Namespace) -> None:
    from recipe.export import export
    from recipe.reading import load_readings

    encoder = _trained_encoder(arguments)
    readings = load_readings(arguments.work, encoder, arguments.device, most=400)
    features = np.concatenate([each.views[0] for each in readings]).astype(np.float32)
    voice = averaged(arguments.work / "joint.safetensors", "voice")
    export(arguments.output, encoder.state_dict(), voice, features)


def _report(arguments: argparse.Namespace) -> None:
    from recipe.curve import read_curves
    from recipe.report import make_report

    curves = read_curves(arguments.work)
    make_report(arguments.output, arguments.work / "report", curves, arguments.report_sentences)


if __name__ == "__main__":
    main()
