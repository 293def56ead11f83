"""The recipe's stages by name; see the README beside this file."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import platformdirs
import torch

from recipe.training import Effort

STAGES = "speech", "singing", "features", "prior", "vocoder", "export", "clips", "report"
MINUTES = 75.0


def main() -> None:
    """Run one stage, or go on with it."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    {
        "speech": _speech,
        "singing": _singing,
        "features": _features,
        "prior": _prior,
        "vocoder": _vocoder,
        "export": _export,
        "clips": _clips,
        "report": _report,
    }[arguments.stage](arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recipe.natural", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    cache = Path(platformdirs.user_cache_dir("Ultimate RVC", appauthor=False), "starter-natural")
    parser.add_argument("--work", type=Path, default=cache, help="where speech and weights lie")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, help="clips a step, instead of the stage's own number")
    parser.add_argument("--steps", type=int, help="instead of the stage's own number")
    parser.add_argument("--ends-at", type=float, help="seconds since 1970, instead of steps")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of speech")
    parser.add_argument("--former-set", type=Path, help="trainings: a 16 kHz set to begin with")
    parser.add_argument("--whisper", type=Path, help="features: model.bin of Whisper tiny.en")
    parser.add_argument("--set", type=Path, help="export, report: the folder of the set")
    parser.add_argument("--clips", type=Path, help="clips, report: folder of the clips")
    parser.add_argument("--target", default="heart", help="clips: the voice of the set")
    parser.add_argument("--sphinx", type=Path, help="clips: test/data of PocketSphinx's sources")
    parser.add_argument("--judge", type=Path, help="report: folder of Whisper base")
    parser.add_argument("--output", type=Path, help="report: where figures and sounds go")
    return parser


def _effort(arguments: argparse.Namespace) -> Effort:
    return Effort(arguments.device, arguments.batch, arguments.steps, arguments.ends_at)


def _speech(arguments: argparse.Namespace) -> None:
    from recipe.natural.speech import make_speech

    make_speech(arguments.work, arguments.minutes)


def _singing(arguments: argparse.Namespace) -> None:
    from recipe.natural.singing import make_targets

    make_targets(arguments.work, arguments.threads)


def _features(arguments: argparse.Namespace) -> None:
    from recipe.natural.views import make_views

    make_views(arguments.work, arguments.whisper, arguments.threads)


def _vocoder(arguments: argparse.Namespace) -> None:
    from recipe.natural.vocoder import train_vocoder

    train_vocoder(arguments.work, _effort(arguments), arguments.former_set)


def _prior(arguments: argparse.Namespace) -> None:
    from recipe.natural.prior import train_prior

    train_prior(arguments.work, _effort(arguments), arguments.former_set)


def _export(arguments: argparse.Namespace) -> None:
    from recipe.natural.export import export_set

    export_set(arguments.work, arguments.set or arguments.work / "set")


def _clips(arguments: argparse.Namespace) -> None:
    from recipe.natural.clips import make_clips, recordings, usual_voices

    folder = arguments.clips or arguments.work / "clips"
    make_clips(folder, usual_voices(arguments.target), recordings(arguments.sphinx))


def _report(arguments: argparse.Namespace) -> None:
    from recipe.natural.report import make_report

    folder = arguments.set or arguments.work / "set"
    output = arguments.output or arguments.work / "report"
    clips = arguments.clips or arguments.work / "clips"
    make_report(folder, clips, arguments.judge, output)


if __name__ == "__main__":
    main()
