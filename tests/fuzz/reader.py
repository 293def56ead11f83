"""The process that reads damaged files: little memory, little time per file, one line per failure.

Reads lines ``SEED`` from its input; answers each with one line of JSON. A file must be refused by a
`UserError` or be loaded; anything else is a failure, and so is a process that dies.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import torch

from engine.errors import UserError
from engine.library.archive import Limits
from engine.library.export import export_voice
from engine.library.voice_library import VoiceLibrary
from engine.pitch.curve import read_curve_file
from engine.retrieval.index_file import read_index
from engine.voice_checkpoint import load_voice
from tests.engine.hostile_checkpoints import peak_bytes
from tests.engine.loading import zoo
from tests.fuzz.mutation import mutated
from tests.fuzz.odd_record import odd_record
from tests.fuzz.run import SECONDS_PER_FILE

MEMORY_BYTES = 700 * 2**20
"""On top of what the process takes before the first file."""

LIMITS = Limits(unpacked_bytes=64 * 2**20, ratio_from_bytes=2**20)
_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pty.spawn")
_FORBIDDEN += ("socket.connect", "ctypes.dlopen", "os.fork", "code.__new__")


def specimens() -> list[tuple[str, bytes]]:
    """The undamaged files: (ending, content)."""
    aria, index = zoo.voice(), zoo.index()
    archives = [zoo.packed({"a/aria.pth": aria, "a/aria.index": index, "a/a.png": zoo.png()})]
    archives += [zoo.packed({"in.zip": zoo.packed({"aria.pth": aria})})]
    archives += [zoo.packed_with_bytes({"初音ミク.pth".encode("shift_jis"): aria})]
    flat = zoo.flat_index()
    return [
        *((".pth", voice) for voice in (aria, zoo.old_voice(), zoo.stored_voice())),
        *((".index", each) for each in (index, flat, zoo.mapped_index())),
        *((".zip", archive) for archive in archives),
        (".csv", b"time,frequency,confidence\n" + b"".join(_curve_lines())),
        (".record", aria),
    ]


def _curve_lines() -> Iterator[bytes]:
    return (f"{n / 100},{220 + n % 30}.5,0.9\r\n".encode() for n in range(60))


def main() -> NoReturn:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.fsync = lambda _descriptor: None  # nobody cuts the power
    files = specimens()
    with tempfile.TemporaryDirectory() as scratch:
        for ending, content in files:  # so that everything is imported before the limits apply
            if (
                _read(_written(Path(scratch), ending, content)) is not None
                and content != files[6][1]
            ):
                raise SystemExit(f"an undamaged {ending} was refused")
        start_bytes = peak_bytes()
        _limit_memory()
        sys.addaudithook(_forbid)
        signal.signal(signal.SIGALRM, _too_slow)
        print("ready", flush=True)
        for line in sys.stdin:
            seed = int(line)
            ending, content = files[seed % len(files)]
            changed = odd_record(seed) if ending == ".record" else mutated(content, seed)
            answer = _tried(seed, ending, changed, Path(scratch))
            print(json.dumps(answer | {"grown_bytes": peak_bytes() - start_bytes}), flush=True)
    raise SystemExit(0)


def _tried(seed: int, ending: str, content: bytes, scratch: Path) -> dict[str, object]:
    path = _written(scratch, ending, content)
    before = set(scratch.iterdir())
    started = time.monotonic()
    signal.alarm(SECONDS_PER_FILE)
    failure = None
    try:
        refusal = _read(path)
    except BaseException as error:  # noqa: BLE001 - this is what is looked for
        refusal, failure = None, f"{type(error).__name__}: {error}"[:300]
    signal.alarm(0)
    if set(scratch.iterdir()) != before:
        failure = failure or "left something behind"
    if refusal is not None and ("\n" in refusal or len(refusal) > 900):
        failure = f"not a short sentence: {refusal[:200]}"
    return {
        "seed": seed,
        "ending": ending,
        "refused": refusal is not None,
        "failure": failure,
        "seconds": round(time.monotonic() - started, 3),
    }


def _read(path: Path) -> str | None:
    """The sentence, or None if it loaded."""
    try:
        if path.suffix == ".pth":
            load_voice(path)
        elif path.suffix == ".index":
            read_index(path, zoo.WIDTH)
        elif path.suffix == ".csv":
            read_curve_file(path).at_frames(100)
        elif path.suffix == ".record":
            _import(path)
        else:
            with tempfile.TemporaryDirectory() as root:
                library = VoiceLibrary(Path(root), limits=LIMITS)
                try:
                    library.import_files([path])
                finally:
                    kept = {entry.name for entry in Path(root).rglob("*")}
                    staged = list((Path(root) / ".staging").iterdir())
                    if staged or any(name.startswith("..") for name in kept):
                        raise AssertionError(f"left behind: {staged}")
    except UserError as refusal:
        return str(refusal)
    return None


def _import(path: Path) -> None:
    """What the library has taken must load again, be listed, and be exported."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "aria.pth")
        source.write_bytes(path.read_bytes())
        library = VoiceLibrary(Path(folder, "library"))
        (imported,) = library.import_files([source]).imported
        try:
            voice = library.voices()[1]
            card = load_voice(voice.weights).card
            again = library.import_files([export_voice(voice, Path(folder), overwrite=False)])
            if again.imported[0].outcome != "already there" or card.notes:
                raise AssertionError("another voice after its export")
        except UserError as refusal:
            raise AssertionError(f"refused after it was added: {refusal}") from refusal
        if any(len(str(note)) > 600 for note in imported.notes):
            raise AssertionError("a note too long")


def _written(scratch: Path, ending: str, content: bytes) -> Path:
    path = scratch / f"aria{ending}"
    path.write_bytes(content)
    return path


def _limit_memory() -> None:
    if sys.platform == "darwin":
        return  # macOS does not enforce RLIMIT_AS
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _forbid(event: str, _: object) -> None:
    if event in _FORBIDDEN:
        os.write(2, f"code was run: {event}\n".encode())
        os._exit(99)


def _too_slow(_: int, __: object) -> NoReturn:
    raise TimeoutError("too slow")


if __name__ == "__main__":
    main()
