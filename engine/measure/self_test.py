"""Tests this copy of the program: imports every module, converts a second, compares the result.

Made for a finished bundle: it writes nothing and needs no network. The starter voice converts a
second of its sample, and the result is compared with a stored one.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING

from engine.child import Child, ChildError
from engine.files import scratch_folder
from engine.paths import bundle_contents, starter_dir
from engine.voice import starter_voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "self_test"
RESULT = FOLDER / "result.wav"
INPUTS = FOLDER / "inputs.sha256"

LEAST_AGREEMENT_DB = 30.0
"""Other kernels agree to 60 dB and more (`tests/engine/test_parity.py`). A conversion without the
index agrees to 21 dB; one that is a tenth of a semitone off, to less than 0."""

_START_S = 0.5
_LENGTH_S = 1.0


@dataclass(frozen=True)
class Sound:
    """A result and how it was made.

    Attributes
    ----------
    samples : float32 [n]
    device : on which it was made
    load_s, convert_s : seconds of a first conversion with loading, and of a second one
    """

    samples: NDArray[np.float32]
    rate_hz: int
    device: str
    load_s: float
    convert_s: float


def main(packages: Sequence[str] = ("engine",)) -> int:
    """Print the result; 0 if the test passes, else 1.

    Parameters
    ----------
    packages : whose modules are all imported
    """
    fault = _fault(packages)
    sys.stdout.write(f"self-test failed: {fault}.\n" if fault else "self-test passed\n")
    return 1 if fault else 0


def convert_sample(semitones: float = 0.0, index_rate: float = 0.75) -> Sound:
    """Convert a second of the sample with the starter voice, twice: the second run is timed.

    Raises
    ------
    UserError : the starter set is damaged or missing
    """
    import numpy as np

    from engine.audio.reader import read_audio
    from engine.converter import Converter
    from engine.device import describe
    from engine.optimization import OptimizationConfig
    from engine.options import ConversionOptions

    source = read_audio(starter_dir() / "sample.wav", mono=True)
    start = round(_START_S * source.rate_hz)
    samples = source.samples[start : start + round(_LENGTH_S * source.rate_hz), 0]
    # YIN: it needs no weights, so that the result is the same where RMVPE is installed.
    options = ConversionOptions(semitones=semitones, index_rate=index_rate, pitch_method="yin")
    times = [time.perf_counter()]
    with scratch_folder() as scratch:
        converter = Converter(
            optimization=OptimizationConfig.for_this_machine(),
            tuning_dir=scratch,
            examine_device=False,
        )
        for _ in range(2):
            result = converter.convert(samples, source.rate_hz, starter_voice(), options)
            times.append(time.perf_counter())
    assert result.samples is not None  # noqa: S101 - `convert` always gives them
    made = np.asarray(result.samples, dtype=np.float32)
    name = describe(converter.device)
    return Sound(made, result.rate_hz, name, times[1] - times[0], times[2] - times[1])


def inputs_sha256() -> str:
    """Of everything the result depends on: the sample, the voice, its index, its encoder."""
    digest = hashlib.sha256()
    names = ("sample.wav", "voice.pth", "starter.index", "encoder/config.json")
    for name in (*names, "encoder/model.safetensors"):
        digest.update((starter_dir() / name).read_bytes())
    return digest.hexdigest()


def store_result() -> None:
    """Renew the stored result after an intended change of the starter voice."""
    from engine.audio.writer import write_audio

    FOLDER.mkdir(parents=True, exist_ok=True)
    made = convert_sample()
    write_audio(RESULT, made.samples, made.rate_hz, "wav", "float", overwrite=True)
    INPUTS.write_text(inputs_sha256() + "\n", encoding="ascii")


def agreement_with_stored_db(made: Sound) -> float:
    """`agreement_db` with the stored result; minus infinity if the two cannot be compared."""
    from engine.agreement import agreement_db
    from engine.audio.reader import read_audio

    stored = read_audio(RESULT, mono=True)
    expected = stored.samples[:, 0]
    if stored.rate_hz != made.rate_hz or expected.shape != made.samples.shape:
        return -math.inf
    found_db = agreement_db(expected, made.samples)
    return math.inf if found_db is None else found_db


def import_all(packages: Sequence[str]) -> int:
    """Import every module of the packages except ``__main__``; how many."""
    count = 0
    for name in packages:
        package = import_module(name)
        for found in walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith(".__main__"):
                import_module(found.name)
                count += 1
    return count


def modules_outside(bundle: Path) -> list[str]:
    """Modules that were loaded from elsewhere, where another machine does not have them."""
    names = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    # Modules without a file may have a bare name: torch's `_ops.py`, those inside shiboken.
    files = (Path(each) for each in names if each and Path(each).is_absolute())
    inside = bundle.resolve()
    return sorted(str(each) for each in files if not each.resolve().is_relative_to(inside))


def _fault(packages: Sequence[str]) -> str:
    """What is wrong, or ""; prints what works."""
    from engine.errors import UserError

    begun = time.perf_counter()
    try:
        count = import_all(packages)
        sys.stdout.write(f"{count} modules imported in {time.perf_counter() - begun:.1f} s\n")
        if not INPUTS.is_file() or INPUTS.read_text(encoding="ascii").strip() != inputs_sha256():
            return "the stored result belongs to another starter voice (see packaging/README.md)"
        made = convert_sample()
    except (ImportError, OSError, UserError) as error:
        return f"{type(error).__name__}: {error}"
    sys.stdout.write(
        f"{_LENGTH_S:.0f} s converted on {made.device}: {made.load_s:.2f} s with loading, "
        f"{made.convert_s:.2f} s again\n"
    )
    contents = bundle_contents()
    outside = [] if contents is None else modules_outside(contents)
    if outside:
        return f"{len(outside)} modules come from outside the bundle, e.g. {outside[0]}"
    try:
        Child().output("-c", "import engine; print(engine.__name__)")
        Child().output("-m", "pip", "--version")
    except ChildError as error:
        return f"a process of its own does not start ({error})"
    found_db = agreement_with_stored_db(made)
    sys.stdout.write(f"agrees with the stored result to {found_db:.0f} dB\n")
    if not found_db >= LEAST_AGREEMENT_DB:
        return f"the result is wrong (less than {LEAST_AGREEMENT_DB:.0f} dB)"
    return ""
