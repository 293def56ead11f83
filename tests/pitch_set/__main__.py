"""Print how well each pitch method does: ``python -m tests.pitch_set``.

The whole set needs ``pyworld``; its speech is that of the project, of flite's voices where that
program is installed, and of further recordings if some are named.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from engine.cli.output import table
from engine.loading import load_fcpe
from engine.paths import FCPE_FILE, starter_dir
from engine.pitch.fcpe import track_fcpe
from engine.pitch.high_notes import with_guide
from engine.pitch.hybrid import NETWORK, YIN, refined
from engine.pitch.swift import swift_frames
from engine.pitch.yin import track_yin
from tests.pitch_set.item import RATE_HZ, Floats, Item, degraded, sines
from tests.pitch_set.score import Score, Track, by_row
from tests.pitch_set.stored import DEGRADED, small_set, store

SENTENCES = {
    "slt": "Every morning we listen to music and sing along together, as loud as we can.",
    "awb": "The quick brown fox jumps over the lazy dog, and runs away again.",
    "rms": "Nobody knows how the rain began, but all of us remember when it ended.",
}


def methods(models_dir: Path | None) -> dict[str, Track]:
    """The trackers, without the ceiling of voices."""

    def yin(samples: Floats, high_hz: float = 2000.0) -> Floats:
        return track_yin(torch.from_numpy(samples), f0_max_hz=high_hz).numpy()

    def hybrid_with(network: Track | None) -> Track:
        def track(samples: Floats) -> Floats:
            finer = [] if network is None else [(network(samples), NETWORK)]
            return refined(swift_frames(samples).f0_hz, [*finer, (yin(samples), YIN)])

        return track

    found: dict[str, Track] = {
        "yin 1100": lambda samples: yin(samples, 1100.0),
        "yin": yin,
        "swift": lambda samples: swift_frames(samples).f0_hz,
        "strict": lambda samples: swift_frames(samples, strict=True).f0_hz,
        "hybrid": hybrid_with(None),
    }
    if models_dir is not None and (models_dir / FCPE_FILE).is_file():
        model = load_fcpe(models_dir)

        def fcpe(samples: Floats) -> Floats:
            return track_fcpe(model, torch.from_numpy(samples)).numpy()

        def guided(samples: Floats) -> Floats:
            audio = torch.from_numpy(samples)
            return with_guide(audio, track_fcpe(model, audio)).numpy()

        found |= {"fcpe alone": fcpe, "fcpe": guided, "hybrid+fcpe": hybrid_with(fcpe)}
    return found


def whole_set(recordings: list[Path], folder: Path) -> list[Item]:
    """All items: clean, sines, and what is done to some of them."""
    from tests.pitch_set.resynthesis import clean_items

    ours = [Path(__file__).parents[1] / "data" / "speech_slt.wav", starter_dir() / "sample.wav"]
    if shutil.which("flite"):
        for voice, text in SENTENCES.items():
            made = folder / f"flite_{voice}.wav"
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(made)], check=True)
            ours.append(made)
    clean = [*clean_items([*ours, *recordings]), *sines()]
    rows: dict[str, int] = {}
    changed: list[Item] = []
    for each in clean:
        rows[each.row] = rows.get(each.row, 0) + 1
        if each.row in DEGRADED and rows[each.row] <= 2:
            changed += degraded(each)
    return [*clean, *changed]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pitch_set", description=__doc__)
    parser.add_argument("recordings", nargs="*", type=Path, help="further speech")
    parser.add_argument("--small", action="store_true", help="the set of the tests")
    parser.add_argument("--store", action="store_true", help="make the set of the tests again")
    parser.add_argument("--methods", help="only these, separated by commas")
    parser.add_argument("--models-dir", type=Path, help="folder with fcpe.pt")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        items = small_set() if given.small else whole_set(given.recordings, Path(folder))
    if given.store:
        store(items)
        return
    tracks = methods(given.models_dir)
    if given.methods is not None:
        tracks = {name: tracks[name] for name in given.methods.split(",")}
    seconds = sum(len(each.samples) for each in items) / RATE_HZ
    found: dict[str, dict[str, Score]] = {}
    speeds = []
    for name, track in tracks.items():
        started_s = time.process_time()
        found[name] = by_row(items, track)
        speeds.append(f"{seconds / (time.process_time() - started_s):.0f}")
        print(f"{name} done", file=sys.stderr)
    print(f"{len(items)} items, {seconds:.0f} s; voiced frames found within 50 cents, %")
    head = ["", *tracks]
    rows = sorted(next(iter(found.values())), key=lambda row: (row == "all", row))

    def line(row: str, title: str, value: Callable[[Score], float]) -> list[str]:
        return [title, *(f"{value(scores[row]):.1f}" for scores in found.values())]

    lines = [line(row, row, lambda each: each.accuracy) for row in rows]
    lines += [
        line("all", "all, within 25 cents", lambda each: each.fine_accuracy),
        line("all", "median error, cents", lambda each: each.median_cents),
        line("all", "false alarms", lambda each: each.false_alarm_rate),
    ]
    lines += [
        line(row, f"... {row}", lambda each: each.false_alarm_rate)
        for row in ("noise 0 dB", "reverb 1 s", "bleed -10 dB")
        if row in rows
    ]
    lines.append(["x realtime, CPU time", *speeds])
    print(table([head, *lines], numbers=True))


if __name__ == "__main__":
    main()
