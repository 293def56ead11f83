"""Examines this machine: what works, what does not, and what to do about it.

Native libraries are tried in processes of their own: one that crashes must not end the report,
and on macOS faiss and torch cannot be loaded into one process.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine.accelerators import torch_device
from engine.audio.system_decoder import AFCONVERT
from engine.child import Child, ChildError
from engine.device import DEVICE_NAMES, DeviceName, choose_device, describe, device_name
from engine.errors import DeviceError, UserError
from engine.files import file_sha256, scratch_folder, size_text
from engine.library.networks import NETWORKS, RMVPE, Network, is_expected
from engine.measure.tuning_record import TuningRecord
from engine.optimization import resolve
from engine.paths import bundle_contents, models_dir, starter_dir
from engine.pitch.methods import AUTO, METHODS, choose_method

State = Literal["ok", "warn", "fail"]

SOUND_OUTPUT = "Sound output"
"""Name of the check whose detail is the loudspeaker's name."""

TORCH_VERSION = "2.13"
SMALL_MEMORY_BYTES = 8 * 10**9
SMALL_DISK_BYTES = 10**9


@dataclass(frozen=True)
class Check:
    """One thing that was examined.

    Attributes
    ----------
    state : ``warn``: something is missing that not everyone needs; ``fail``: nothing can be
        converted
    detail : what was found
    advice : what to do; empty if nothing
    """

    name: str
    state: State
    detail: str
    advice: str = ""


@dataclass(frozen=True)
class Library:
    """A library, code that prints one line if it works, and what the library is for."""

    name: str
    code: str
    needed: bool
    purpose: str


_REINSTALL = (
    "delete the folder .venv and start again: this reinstalls the packages"
    if bundle_contents() is None
    else "the app is damaged: download it again"
)
_DOWNLOAD = (
    'run "urvc models download"'
    if bundle_contents() is None
    else "open Settings › Models in the app"
)
_SEARCHES = "searches an index with --retrieval faiss"
_QT_CODE = "from PySide6 import QtCore, QtWidgets; print(QtCore.qVersion())"
_LIBRARIES = (
    Library(
        "soundfile",
        "import soundfile as s; names = sorted(s.available_formats());"
        "print(s.__version__, s.__libsndfile_version__ + ':', ' '.join(names).lower())",
        needed=True,
        purpose="reads and writes wav, flac, mp3, ogg and aiff",
    ),
    Library("soxr", "import soxr; print(soxr.__version__)", needed=True, purpose="resamples"),
    Library("faiss", "import faiss as f; print(f.__version__)", needed=False, purpose=_SEARCHES),
    Library("Qt", _QT_CODE, needed=False, purpose="draws the window"),
)
_PYAV = Library(
    "PyAV",
    "import av; print(av.__version__, 'ffmpeg', av.ffmpeg_version_info)",
    needed=False,
    purpose="reads m4a files and the sound of videos",
)
_PLAYER_CODE = (
    "import sounddevice as s; print(s.__version__, s.get_portaudio_version()[1]);"
    "print(s.query_devices(kind='output')['name'])"
)


def run_checks(models: Path | None = None, *, verify: bool = False) -> list[Check]:
    """Examine everything; takes some seconds, changes nothing.

    Parameters
    ----------
    models : folder of the shared networks; None is the usual one
    verify : compare the SHA-256 of the shared networks too
    """
    folder = models_dir(models)
    shared = [
        check_network(network, folder, verify=verify)
        for network in NETWORKS
        if is_expected(network, folder)
    ]
    return [
        _python(),
        *_torch_and_device(),
        _memory(),
        _disk("Disk here", results_folder()),
        _disk("Disk of the models folder", folder),
        check_output_folder(results_folder()),
        *shared,
        check_pitch_methods(folder),
        *check_parts(),
        check_starter(folder, needed=any(check.state != "ok" for check in shared)),
        *map(check_library, _LIBRARIES),
        _container_decoder(),
        _player(),
    ]


def _python() -> Check:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("Python", "ok", detail)  # an older one could not have read this file


def _torch_and_device() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: one of its libraries cannot be loaded
        yield Check("PyTorch", "fail", f"cannot be loaded: {error}", _REINSTALL)
        return
    version = str(torch.__version__)
    if version.startswith(TORCH_VERSION):
        yield Check("PyTorch", "ok", version)
    else:
        advice = f"this program was tested with {TORCH_VERSION}; {_REINSTALL}"
        yield Check("PyTorch", "warn", version, advice)
    device = choose_device()
    if device.type != "cpu":
        yield Check("Device", "ok", describe(device))
        return
    reasons = "; ".join(_why_not(name) for name in DEVICE_NAMES if name in ("mps", "cuda"))
    advice = "conversions work, but slower than on a GPU"
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
    return Check(name, "warn", detail, "free some space for results and shared networks")


def results_folder() -> Path:
    """Where results go: the working folder, or the home folder if Finder started the app."""
    folder = Path.cwd()
    return Path.home() if folder == Path("/") and bundle_contents() is not None else folder


def check_output_folder(folder: Path) -> Check:
    """Whether a file can be written there."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Check("Output folder", "ok", f"{folder} can be written")
    except OSError as error:
        advice = "start from another folder, or choose one with --output-dir"
        return Check("Output folder", "warn", f"{folder}: {error.strerror}", advice)


def check_network(network: Network, folder: Path, *, verify: bool = False) -> Check:
    """Whether the files of a network are there, and the usual ones if ``verify``."""
    files = network.files_in(folder)
    missing = [file.relative_path for file in files if not file.has_content(folder)]
    if missing:
        use = "community voices need it, the starter voice does not"
        if network is RMVPE:
            use = "without it SwiftF0 finds the pitch"
        advice = f'{_DOWNLOAD} to download it into "{folder}"; {use}'
        return Check(network.title, "warn", f"missing or empty: {' and '.join(missing)}", advice)
    found = ", ".join(
        f"{file.relative_path} {size_text(file.path(folder).stat().st_size)}" for file in files
    )
    if not verify:
        return Check(network.title, "ok", found)
    other = [each.relative_path for each in files if file_sha256(each.path(folder)) != each.sha256]
    if not other:
        return Check(network.title, "ok", f"{found}, SHA-256 correct")
    advice = "if voices sound wrong, download it again; other versions may also work"
    detail = f"{' and '.join(other)} differs from the usual file (SHA-256)"
    return Check(network.title, "warn", detail, advice)


def check_pitch_methods(folder: Path) -> Check:
    """Which pitch methods can be used, and which one is taken without being asked for."""
    usable = [each.name for each in METHODS.values() if each.is_installed(folder)]
    chosen = choose_method(AUTO, folder).name
    return Check("Pitch methods", "ok", f"{', '.join(usable)}; automatic: {chosen}")


def check_parts(folder: Path | None = None) -> Iterator[Check]:
    """By what each part runs on the device, once that was examined; else nothing.

    Parameters
    ----------
    folder : of the findings; None is the user's own
    """
    try:
        from engine.examination import FirstUse
        from engine.separation.examination import described

        config = resolve({}, tuned=TuningRecord(folder).flags)
        device = choose_device(torch_device(config))
    except (ImportError, OSError, UserError):
        return  # see the check of PyTorch
    own = replace(config, device=device_name(device))
    first_use = FirstUse(str(device), describe(device), own, folder)
    found = first_use.described()
    found += described(first_use.record, str(device), half=own.use_fp16)
    if found:
        yield Check("Parts", "ok", "; ".join(found))


def check_starter(models: Path, *, needed: bool) -> Check:
    """Convert the sample with the starter voice, all the way to a file."""
    name = "Starter voice"
    state: State = "fail" if needed else "warn"
    sample = starter_dir() / "sample.wav"
    if not sample.is_file():
        return Check(name, state, f"{sample} is missing", "download this program again")
    with scratch_folder() as scratch:
        command = ["-m", "engine", "convert", str(sample), "--json"]
        command += ["--output-dir", str(scratch), "--models-dir", str(models)]
        try:
            report = json.loads(Child().output(*command)[-1])
        except ChildError as error:
            advice = "follow the other advice here; if that doesn't help, report this line"
            return Check(name, "fail", str(error), advice)
    detail = (
        f"{report['seconds_in']:.1f} s of sound converted in {report['seconds_taken']:.1f} s"
        f" on {report['device']}"
    )
    return Check(name, "ok", detail)


def check_library(library: Library) -> Check:
    """Run its code in a process of its own."""
    try:
        return Check(library.name, "ok", Child().output("-c", library.code)[-1])
    except ChildError as error:
        state: State = "fail" if library.needed else "warn"
        return Check(library.name, state, str(error), f"it {library.purpose}; {_REINSTALL}")


def _container_decoder() -> Check:
    """What reads m4a and videos: PyAV, or macOS itself in the bundle."""
    if bundle_contents() is None:
        return check_library(_PYAV)
    if AFCONVERT.is_file():
        return Check("afconvert", "ok", "macOS reads m4a, mp4 and mov; webm and mkv cannot be read")
    advice = "convert such files to WAV first"
    return Check("afconvert", "warn", f"{AFCONVERT} is missing: cannot read m4a or videos", advice)


def _player() -> Check:
    try:
        return Check(SOUND_OUTPUT, "ok", ", ".join(Child().output("-c", _PLAYER_CODE)))
    except ChildError as error:
        absent = "PortAudio library not found" in str(error)
        remedy = "install libportaudio2 (apt-get)" if absent else "connect an output"
        advice = f"conversions work; to play results, {remedy}"
        return Check(SOUND_OUTPUT, "warn", str(error), advice)
