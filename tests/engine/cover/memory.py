"""Peak memory of covers of made songs of several lengths, each in a process of its own.

``python -m tests.engine.cover.memory 180 600`` prints a line of JSON for each number of seconds.
The separation is ideal and the voice small, so that what grows with the length is what is seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 44_100
_BLOCK_S = 10


def write_song(path: Path, seconds: int) -> None:
    """Notes in the middle and chords on the sides, a block at a time."""
    time_s = np.arange(_BLOCK_S * RATE_HZ) / RATE_HZ
    rise = np.minimum(1, 4 * np.abs(np.sin(np.pi * 2 * time_s)))
    voice = 0.3 * rise * np.sin(2 * np.pi * (220 * time_s + 2 * np.sin(2 * np.pi * 0.7 * time_s)))
    chord = sum(0.08 * np.sin(2 * np.pi * hz * time_s) for hz in (110.0, 138.6, 164.8))
    block = np.stack([voice + chord, voice - chord], 1)
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16") as file:
        for start_s in range(0, seconds, _BLOCK_S):
            file.write(block[: min(_BLOCK_S, seconds - start_s) * RATE_HZ])


def _cover(seconds: int) -> None:
    """Make one, and print what the process has held at most."""
    from engine import ConversionOptions, Converter, OptimizationConfig
    from engine.cover.cover import Cover
    from engine.cover.options import CoverNetworks
    from engine.device import peak_memory_bytes
    from engine.separation.separator import Separator
    from engine.stage_cache import StageCache
    from tests.engine.cover.sums import Sums
    from tests.engine.small_set import write_small_set

    Separator.open = Sums  # type: ignore[assignment, method-assign]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        small = write_small_set(place / "models")
        network = place / "vocals.network"
        network.write_text("1")
        write_song(place / "song.wav", seconds)
        config = OptimizationConfig(device="cpu")
        cache = StageCache(place / "stages", memory_bytes=1 << 20)
        converter = Converter(small.models_dir, config, cache=cache)
        covers = Cover(converter, CoverNetworks(network), place / "cache")
        options = ConversionOptions(pitch_method="yin")
        result = covers.make(place / "song.wav", small.voice, options)
        levels = sum(1 for _ in (place / "cache" / "covers").glob("*.wav"))
    print(
        json.dumps(
            {
                "seconds": seconds,
                "taken_s": round(result.taken_s, 1),
                "parts": levels,
                "peak_mb": round(peak_memory_bytes(converter.device) / 1e6),
            }
        )
    )


def measured(seconds: int) -> dict[str, float]:
    """What a process needs for a cover of that length; see the words that it prints."""
    command = [sys.executable, "-P", "-m", "tests.engine.cover.memory", "--one", str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        _cover(int(sys.argv[2]))
    else:
        for each in sys.argv[1:]:
            print(json.dumps(measured(int(each))), flush=True)
