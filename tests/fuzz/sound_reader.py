"""The process that reads damaged sounds; see `tests.fuzz.reader`.

A sound must be refused by a `UserError` or be read to finite samples, at once, in blocks from
anywhere, and by its header, in little memory; nothing may be left behind.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import av
import numpy as np
import soundfile

from engine.audio.reader import decode_audio, probe_audio, read_blocks
from engine.errors import UserError
from tests.engine.audio.sound_file import Samples, Track, encode, music, mux
from tests.engine.hostile_checkpoints import peak_bytes
from tests.fuzz.mutation import mutated
from tests.fuzz.run import SECONDS_PER_FILE

RATE_HZ = 16_000
MOST_GROWN_BYTES = 300 * 2**20


def specimens(folder: Path) -> list[bytes]:
    """The undamaged files: a second of each kind, and those that are more than one recording."""
    stereo = music(RATE_HZ, RATE_HZ, 2)
    plain = ["w.wav", "f.flac", "v.ogg", "m.mp3", "i.aiff", "c.caf"]
    for name in plain:
        soundfile.write(folder / name, stereo, RATE_HZ)
    soundfile.write(folder / "o.ogg", stereo, RATE_HZ, subtype="OPUS")
    soundfile.write(folder / "x.wav", music(RATE_HZ, RATE_HZ, 6), RATE_HZ, format="WAVEX")
    soundfile.write(folder / "a.wav", stereo, RATE_HZ, subtype="IMA_ADPCM")
    for name in ("f.flac", "v.ogg", "m.mp3", "o.ogg"):
        content = (folder / name).read_bytes()
        (folder / f"joined-{name}").write_bytes(content + content)
    content = (folder / "m.mp3").read_bytes()
    (folder / "untagged.mp3").write_bytes(content[700:])
    for name, codec, video in (
        ("a.m4a", "aac", None),
        ("p.mov", "pcm_s16le", "mpeg4"),
        ("o.webm", "libopus", "libvpx"),
        ("w.wma", "wmav2", None),
        ("p.avi", "pcm_s16le", "mpeg4"),
        ("a.flv", "aac", None),
        ("a.aac", "aac", None),
    ):
        encode(folder / name, stereo[:, :1], RATE_HZ, codec, video)
    track = Track(stereo[:, :1], start_s=0.4, jump=(0.5, 0.4))
    mux(folder / "two.mkv", RATE_HZ, [Track(0 * track.sound), track], video_s=2)
    for name in ("late.mp4", "late.ts"):
        late = Track(track.sound, "aac", start_s=0.4, jump=(0.5, 0.4))
        mux(folder / name, RATE_HZ, [late], video_s=2)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


class _Checked:
    """A receiver that keeps nothing."""

    def begin(self, rate_hz: int, channels: int) -> None:
        self.n = 0

    def append(self, block: Samples) -> None:
        if not len(block) or not np.isfinite(block).all():
            raise AssertionError("an empty block, or one that is not finite")
        self.n += len(block)


def main() -> NoReturn:
    av.logging.set_level(None)
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as scratch:
        files = specimens(Path(made))
        path = Path(scratch) / "sound"
        for content in files:
            path.write_bytes(content)
            if _read(path) is not None:
                raise SystemExit("an undamaged sound was refused")
        start_bytes = peak_bytes()
        signal.signal(signal.SIGALRM, _too_slow)
        print("ready", flush=True)
        for line in sys.stdin:
            seed = int(line)
            path.write_bytes(mutated(files[seed % len(files)], seed))
            answer = _tried(seed, path)
            grown = peak_bytes() - start_bytes
            if grown > MOST_GROWN_BYTES:
                answer["failure"] = answer["failure"] or f"{grown >> 20} MB"
                start_bytes += grown
            print(json.dumps({**answer, "grown_bytes": grown}), flush=True)
    raise SystemExit(0)


def _tried(seed: int, path: Path) -> dict[str, object]:
    started = time.monotonic()
    signal.alarm(SECONDS_PER_FILE)
    failure = refusal = None
    try:
        refusal = _read(path)
    except BaseException as error:  # noqa: BLE001 - this is what is looked for
        failure = f"{type(error).__name__}: {error}"[:300]
    signal.alarm(0)
    if [each.name for each in path.parent.iterdir()] != [path.name]:
        failure = failure or "left something behind"
    if refusal is not None and ("\n" in refusal or len(refusal) > 300):
        failure = f"not a short sentence: {refusal[:200]}"
    return {
        "seed": seed,
        "ending": "sound",
        "refused": refusal is not None,
        "failure": failure,
        "seconds": round(time.monotonic() - started, 3),
    }


def _read(path: Path) -> str | None:
    """The sentence, or None if it was read."""
    try:
        receiver = _Checked()
        decoded = decode_audio(path, receiver, channels=1)
        if receiver.n != decoded.n_frames or receiver.n < 1:
            raise AssertionError(f"{receiver.n} samples, not {decoded.n_frames}")
        for start_s in (0.0, 0.6, 1e6):
            for block in read_blocks(path, start_s=start_s):
                if not np.isfinite(block.samples).all():
                    raise AssertionError("not finite")
        probe_audio(path)
    except UserError as refusal:
        return str(refusal)
    return None


def _too_slow(_: int, __: object) -> NoReturn:
    raise TimeoutError("too slow")


if __name__ == "__main__":
    main()
