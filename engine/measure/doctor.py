"""Examines this machine: what works, what does not, and what to do about it.

Foreign native libraries are tried in a process of their own: one that crashes on loading must
not take the report with it, and on macOS faiss and torch must not meet in one process.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from json import dumps, loads
from pathlib import Path
from typing import Literal, get_args

from engine.audio.system_decoder import AFCONVERT
from engine.bundle import bundle_contents
from engine.device import DEVICE_NAMES, DeviceName, choose_device, describe
from engine.errors import DeviceError
from engine.files import file_sha256, size_text
from engine.library.networks import NETWORKS, Network
from engine.measure.interpreter import run_python
from engine.paths import models_dir, starter_dir

State = Literal["ok", "warn", "fail"]

TORCH_VERSION = "2.13"
SMALL_MEMORY_BYTES = 8 * 10**9
SMALL_DISK_BYTES = 10**9


@dataclass(frozen=True)
class Check:
    """One thing that was examined.

    Attributes
    ----------
    name : what
    state : ``ok``; ``warn``: something is missing that not everyone needs; ``fail``: nothing can
        be converted
    detail : what was found
    advice : what to do; empty when all is well
    """

    name: str
    state: State
    detail: str
    advice: str = ""


@dataclass(frozen=True)
class _Library:
    """A library, the code that proves it works by printing one line, and what it is for."""

    name: str
    code: str
    needed: bool
    purpose: str


_AGAIN = (
    "delete the folder .venv and start again: the packages are then installed anew"
    if bundle_contents() is None
    else "the app is damaged: download it again"
)
_FETCH = (
    '"urvc models download"' if bundle_contents() is None else "the app's settings, under Models,"
)
_SEARCHES = "searches an index with --retrieval faiss"
_QT_CODE = "from PySide6 import QtCore, QtWidgets; print(QtCore.qVersion())"
_LIBRARIES = (
    _Library(
        "soundfile",
        "import soundfile as s; names = sorted(s.available_formats());"
        "print(s.__version__, s.__libsndfile_version__ + ':', ' '.join(names).lower())",
        needed=True,
        purpose="reads and writes wav, flac, mp3, ogg and aiff",
    ),
    _Library("soxr", "import soxr; print(soxr.__version__)", needed=True, purpose="resamples"),
    _Library("faiss", "import faiss as f; print(f.__version__)", needed=False, purpose=_SEARCHES),
    _Library("Qt", _QT_CODE, needed=False, purpose="draws the window"),
)
_PYAV = _Library(
    "PyAV",
    "import av; print(av.__version__, 'ffmpeg', av.ffmpeg_version_info)",
    needed=False,
    purpose="reads m4a and the sound of videos",
)
_PLAYER_CODE = (
    "import sounddevice as s; print(s.__version__, s.get_portaudio_version()[1]);"
    "print(s.query_devices(kind='output')['name'])"
)


def run_checks(models: Path | None = None, *, verify: bool = False) -> list[Check]:
    """Examine everything; takes some seconds, changes nothing.

    Parameters
    ----------
    models : folder of the shared networks; None is where this program looks
    verify : read the shared networks whole and compare their SHA-256
    """
    folder = models_dir(models)
    shared = [_weights(network, folder, verify=verify) for network in NETWORKS]
    return [
        _python(),
        *_torch_and_device(),
        _memory(),
        _disk("Disk here", _here()),
        _disk("Disk of the models folder", folder),
        _output_folder(_here()),
        *shared,
        _starter(folder, needed=any(check.state != "ok" for check in shared)),
        *map(_library, _LIBRARIES),
        _container_decoder(),
        _player(),
    ]


def main(models: Path | None = None, *, verify: bool = False, as_json: bool = False) -> int:
    """Print what was found; 0 if this machine can convert, else 1."""
    checks = run_checks(models, verify=verify)
    able = all(check.state != "fail" for check in checks)
    if as_json:
        report = {"can_convert": able, "checks": [asdict(check) for check in checks]}
        sys.stdout.write(dumps(report, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join([*_lines(checks), "", _verdict(checks)]) + "\n")
    return 0 if able else 1


def _lines(checks: list[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{check.state:<4}  {check.name:<{width}}  {check.detail}"
        if check.advice:
            yield f"{'':<{width + 6}}  -> {check.advice}"


def _verdict(checks: list[Check]) -> str:
    counts = {state: sum(check.state == state for check in checks) for state in get_args(State)}
    if counts["fail"]:
        return f"Cannot convert: {counts['fail']} of {len(checks)} checks failed."
    return f"Ready to convert ({counts['ok']} checks well, {counts['warn']} with advice)."


def _python() -> Check:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("Python", "ok", detail)  # an older one could not have read this file


def _torch_and_device() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: one of its libraries cannot be loaded
        yield Check("PyTorch", "fail", f"cannot be loaded: {error}", _AGAIN)
        return
    version = str(torch.__version__)
    if version.startswith(TORCH_VERSION):
        yield Check("PyTorch", "ok", version)
    else:
        advice = f"this program was tested with {TORCH_VERSION}; {_AGAIN}"
        yield Check("PyTorch", "warn", version, advice)
    device = choose_device()
    if device.type != "cpu":
        yield Check("Device", "ok", describe(device))
        return
    reasons = "; ".join(_why_not(name) for name in DEVICE_NAMES if name in ("mps", "cuda"))
    advice = "converting works, slower than on a GPU"
    yield Check("Device", "warn", f"{describe(device)}; {reasons}", advice)


def _why_not(name: DeviceName) -> str:
    try:
        return f"{name}: {choose_device(name)}"
    except DeviceError as error:
        return f"{name}: {error.why}"


def _memory() -> Check:
    total_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if total_bytes >= SMALL_MEMORY_BYTES:
        return Check("Memory", "ok", size_text(total_bytes))
    advice = "close other programs while converting long files"
    return Check("Memory", "warn", size_text(total_bytes), advice)


def _disk(name: str, folder: Path) -> Check:
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free_bytes = shutil.disk_usage(existing).free
    detail = f"{size_text(free_bytes)} free ({folder})"
    if free_bytes >= SMALL_DISK_BYTES:
        return Check(name, "ok", detail)
    return Check(name, "warn", detail, "free some space: results and shared weights need room")


def _here() -> Path:
    """Where results would go: the working folder; an app that Finder starts has none."""
    folder = Path.cwd()
    return Path.home() if folder == Path("/") and bundle_contents() is not None else folder


def _output_folder(folder: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Check("Output folder", "ok", f"{folder} can be written")
    except OSError as error:
        advice = "start from another folder, or name one with --output-dir"
        return Check("Output folder", "warn", f"{folder}: {error.strerror}", advice)


def _weights(network: Network, folder: Path, *, verify: bool) -> Check:
    files = network.files_in(folder)
    missing = [file.relative_path for file in files if not file.has_content(folder)]
    if missing:
        advice = (
            f'{_FETCH} can fetch it into "{folder}"; voices from the community need it, '
            "the starter does not"
        )
        return Check(network.title, "warn", f"missing or empty: {' and '.join(missing)}", advice)
    found = ", ".join(
        f"{file.relative_path} {size_text(file.path(folder).stat().st_size)}" for file in files
    )
    if not verify:
        return Check(network.title, "ok", found)
    other = [each.relative_path for each in files if file_sha256(each.path(folder)) != each.sha256]
    if not other:
        return Check(network.title, "ok", f"{found}, SHA-256 right")
    advice = "if voices sound wrong, fetch it again; other versions may also work"
    detail = f"{' and '.join(other)} is not the usual file (SHA-256)"
    return Check(network.title, "warn", detail, advice)


def _starter(models: Path, *, needed: bool) -> Check:
    """Convert the sample with the starter voice, all the way to a file."""
    name = "Starter voice"
    state: State = "fail" if needed else "warn"
    sample = starter_dir() / "sample.wav"
    if not sample.is_file():
        return Check(name, state, f"{sample} is missing", "fetch this program again")
    with tempfile.TemporaryDirectory() as scratch:
        command = ["-m", "engine", "convert", str(sample), "--json"]
        command += ["--output-dir", scratch, "--models-dir", str(models)]
        works, said = run_python(command)
    if not works:
        return Check(
            name, "fail", said[-1], "follow the other advice here; if it stays, report this line"
        )
    report = loads(said[-1])
    detail = (
        f"{report['seconds_in']:.1f} s of sound converted in {report['seconds_taken']:.1f} s"
        f" on {report['device']}"
    )
    return Check(name, "ok", detail)


def _library(library: _Library) -> Check:
    works, said = run_python(["-c", library.code])
    if works:
        return Check(library.name, "ok", said[-1])
    state: State = "fail" if library.needed else "warn"
    return Check(library.name, state, said[-1], f"it {library.purpose}; {_AGAIN}")


def _container_decoder() -> Check:
    """What reads m4a and videos: PyAV, or in the bundle, which has none, macOS itself."""
    if bundle_contents() is None:
        return _library(_PYAV)
    if AFCONVERT.is_file():
        return Check("afconvert", "ok", "macOS reads m4a, mp4 and mov; webm and mkv cannot be read")
    advice = "convert such files to WAV first"
    return Check("afconvert", "warn", f"{AFCONVERT} is missing: no m4a, no videos", advice)


def _player() -> Check:
    works, said = run_python(["-c", _PLAYER_CODE])
    if works:
        return Check("Sound output", "ok", ", ".join(said))
    absent = "PortAudio library not found" in said[-1]
    remedy = "install libportaudio2 (apt-get)" if absent else "connect an output"
    return Check("Sound output", "warn", said[-1], f"converting works; to play results, {remedy}")
