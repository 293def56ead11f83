"""The table of downloadable networks, and their care: find, verify, download, copy in, remove.

A new network is one row in `NETWORKS`: doctor, command line and app show it by themselves.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from engine.errors import (
    DownloadError,
    Refusal,
    Text,
    WeightsError,
    as_user_error,
    on_disk,
)
from engine.files import (
    PIECE_BYTES,
    ByteListener,
    atomic_file,
    file_sha256,
    open_file,
    require_room,
)
from engine.library.download.address import checked_address
from engine.library.download.connection import DEFAULT_TIMEOUTS, Timeouts
from engine.library.download.download import download
from engine.library.download.part_file import note_path, part_path
from engine.library.download.retry import DEFAULT_PACING, Pacing
from engine.library.network import OFFICIAL_HUB as OFFICIAL_HUB
from engine.library.network import UNKNOWN_LICENCE as UNKNOWN_LICENCE
from engine.library.network import Network as Network
from engine.library.network import NetworkFile as NetworkFile
from engine.library.separation_networks import DEREVERB, KARAOKE, VOCALS_BEST, VOCALS_FAST
from engine.paths import (
    CONFIG_FILE,
    CONTENT_ENCODER_DIR,
    FAIRSEQ_FILE,
    FCPE_FILE,
    RMVPE_FILE,
    WEIGHTS_FILES,
    encoder_name,
)
from engine.progress import CancelToken

MIRROR_VARIABLE = "URVC_MIRROR"
_LONGEST_BYTES = 2 * 10**9

FileState = Literal["right", "missing", "damaged"]


_RVC = "lj1995/VoiceConversionWebUI"
_RVC_FILES = f"/{_RVC}/resolve/e6d0c1a17da07c33557852f9dfa2bd44cc75737d/"
_ENCODER_CONFIG = f"{CONTENT_ENCODER_DIR}/{CONFIG_FILE}"
_ENCODER_WEIGHTS = [f"{CONTENT_ENCODER_DIR}/{name}" for name in WEIGHTS_FILES]

CONTENT_ENCODER = Network(
    key="content",
    title="Content encoder (HuBERT base)",
    purpose="Recognizes what is sung or said. Every community voice needs it.",
    licence="MIT",
    source_page=f"{OFFICIAL_HUB}/{_RVC}",
    variants=(
        (
            NetworkFile(
                _ENCODER_CONFIG,
                about_bytes=1_500,
                sha256="0346950779dfb7f9316fa74ed846e2b8a22a08eedfdc5387b73f327cb1a4a7cf",
                url_path=_RVC_FILES + _ENCODER_CONFIG,
            ),
            NetworkFile(
                _ENCODER_WEIGHTS[-1],
                about_bytes=189_000_000,
                sha256="cc8c20f4b90a520757260197a3ff2505705a7adbd20ad9eeaa4e1a9b38442ef5",
                url_path=_RVC_FILES + _ENCODER_WEIGHTS[-1],
            ),
        ),
        (NetworkFile(_ENCODER_CONFIG), NetworkFile(_ENCODER_WEIGHTS[0])),
        (NetworkFile(FAIRSEQ_FILE),),
    ),
)
RMVPE = Network(
    key="pitch",
    title="Pitch network (RMVPE)",
    purpose="Follows the melody, even through reverb and noise. Best for singing.",
    licence="MIT",
    source_page=f"{OFFICIAL_HUB}/{_RVC}",
    variants=(
        (
            NetworkFile(
                RMVPE_FILE,
                about_bytes=181_184_272,
                size_bytes=181_184_272,
                sha256="6d62215f4306e3ca278246188607209f09af3dc77ed4232efdd069798c4ec193",
                url_path=_RVC_FILES + RMVPE_FILE,
            ),
        ),
    ),
)
FCPE = Network(
    key="fcpe",
    title="Pitch network (FCPE)",
    purpose="Follows speech and quick leaps closely. Only the methods FCPE and Hybrid use it.",
    licence="MIT",
    source_page=f"{OFFICIAL_HUB}/IAHispano/Applio",
    variants=(
        (
            NetworkFile(
                FCPE_FILE,
                about_bytes=43_362_881,
                size_bytes=43_362_881,
                sha256="8544427eebbf2baef6213cc9a05057e46961617a8e5bd96975a0d42da6a09059",
                url_path="/IAHispano/Applio/resolve/70ed563897504c756ec94067c12c902c4fd42025"
                "/Resources/predictors/fcpe.pt",
            ),
        ),
        # fcpe_c_v001.pt, as the package torchfcpe 0.0.4 has it: the same network, saved again.
        (
            NetworkFile(
                FCPE_FILE,
                about_bytes=43_363_260,
                size_bytes=43_363_260,
                sha256="b9aeaeb673436eeda50ceafd632aa681aa63417e52eae4207503d180c9b10015",
            ),
        ),
    ),
    usual=False,
)


def _other_encoder(
    name: str,
    title: str,
    address: str,
    licence: str | None = None,
    size_bytes: int | None = None,
    sha256: tuple[str | None, str | None] = (None, None),
) -> Network:
    """A content encoder that some voices need.

    Parameters
    ----------
    address : of its folder below the hub: owner, name and place at a revision
    licence : None where none is stated; then the user has to look at the page first
    size_bytes, sha256 : of the weights; of the configuration and the weights
    """
    config, weights, other = (f"{name}/{each}" for each in (CONFIG_FILE, *WEIGHTS_FILES[::-1]))
    first = (
        NetworkFile(config, 1_500, None, sha256[0], f"{address}/{CONFIG_FILE}"),
        NetworkFile(
            weights,
            size_bytes or _BASE_BYTES,
            size_bytes,
            sha256[1],
            f"{address}/{WEIGHTS_FILES[-1]}",
        ),
    )
    return Network(
        key=name,
        title=title,
        purpose="Only voices that were trained with it need it.",
        licence=licence or UNKNOWN_LICENCE,
        source_page=OFFICIAL_HUB + address.partition("/resolve/")[0],
        variants=(first, (NetworkFile(config), NetworkFile(other))),
        licence_first=licence is None,
        usual=False,
    )


_BASE_BYTES = 378_000_000
"""A HuBERT base in float32."""

_APPLIO = "/IAHispano/Applio/resolve/main/Resources/embedders"
"""Where the trainer Applio (its ``rvc/lib/utils.py`` of August 2026) gets them from.

It states neither hashes nor licences. rinna's own Japanese HuBERT is under Apache 2.0.
"""

NETWORKS = (
    CONTENT_ENCODER,
    RMVPE,
    FCPE,
    _other_encoder("spin", "Content encoder spin", f"{_APPLIO}/spin"),
    _other_encoder("spin-v2", "Content encoder spin-v2", f"{_APPLIO}/spin-v2"),
    _other_encoder(
        "chinese-hubert-base",
        "Content encoder for Chinese (HuBERT base)",
        "/lj1995/GPT-SoVITS/resolve/336b2ec4e8d4ac74740798dd40af44e74659ecaf/chinese-hubert-base",
        "MIT",  # also of its makers' page, TencentGameMate/chinese-hubert-base
        188_811_417,
        (
            "c3e5060a1277e0f078cc6be9da4528a605dba6ece93018981fe2c820e5c7b103",
            "24164f129c66499d1346e2aa55f183250c223161ec2770c0da3d3b08cf432d3c",
        ),
    ),
    _other_encoder(
        "japanese-hubert-base",
        "Content encoder for Japanese (HuBERT base)",
        f"{_APPLIO}/japanese_hubert_base",
    ),
    _other_encoder(
        "korean-hubert-base",
        "Content encoder for Korean (HuBERT base)",
        f"{_APPLIO}/korean_hubert_base",
    ),
    VOCALS_FAST,
    VOCALS_BEST,
    KARAOKE,
    DEREVERB,
)
"""All that can be downloaded or brought along."""


def is_expected(network: Network, folder: Path) -> bool:
    """Whether a network should be in the models folder: a usual one, or one that was begun."""
    return network.usual or any(file.has_content(folder) for file in network.every_file)


def encoder_for(embedder: str) -> Network | None:
    """The content encoder that a voice needs, by the name in its checkpoint; None if unknown."""
    name = encoder_name(embedder)
    if name is None:
        return CONTENT_ENCODER
    return next((network for network in NETWORKS if network.key == name), None)


def hub_address(setting: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """The base address of the hub, without a slash at the end.

    Parameters
    ----------
    setting : the user's; else the environment's ``URVC_MIRROR``, else the official hub
    """
    named = setting or environment.get(MIRROR_VARIABLE) or OFFICIAL_HUB
    with as_user_error(Text('Cannot use the mirror "{address}"', address=named), DownloadError):
        return checked_address(named).rstrip("/")


def verify(
    network: Network,
    folder: Path,
    *,
    listener: ByteListener | None = None,
    cancel: CancelToken | None = None,
) -> FileState:
    """Compare the SHA-256 of all files; the result is the worst state of them."""
    states = {_state(file, folder, listener, cancel) for file in network.files_in(folder)}
    worst: tuple[FileState, ...] = ("damaged", "missing")
    return next((state for state in worst if state in states), "right")


def fetch(
    network: Network,
    folder: Path,
    *,
    hub: str | None = None,
    licence_read: bool = False,
    listener: ByteListener | None = None,
    cancel: CancelToken | None = None,
    pacing: Pacing = DEFAULT_PACING,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> None:
    """Download the files that are not there yet.

    Parameters
    ----------
    hub : base address; None for `hub_address`
    listener : receives the bytes so far and in all, over all files

    Raises
    ------
    DownloadError : also if the network has no address, or its licence was not read
    ConversionCancelled : the part that arrived is kept for the next call
    """
    with as_user_error(_about('Cannot download "{network}"', network), DownloadError):
        if not network.can_be_downloaded:
            raise Refusal("it has no download address", _get_it(network))
        if network.licence_first and not licence_read:
            raise _licence_refusal(network)
    files = network.missing(folder)
    total_bytes = sum(file.about_bytes for file in files)
    before_bytes = 0
    for file in files:

        def heard(done_bytes: int, _: int | None, before_bytes: int = before_bytes) -> None:
            if listener is not None:
                listener(before_bytes + done_bytes, total_bytes)

        download(
            hub_address(hub) + (file.url_path or ""),
            file.path(folder),
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            size_limit_bytes=_LONGEST_BYTES,
            listener=heard,
            cancel=cancel,
            pacing=pacing,
            timeouts=timeouts,
        )
        before_bytes += file.about_bytes


def use_file(
    source: Path,
    network: Network,
    folder: Path,
    *,
    listener: ByteListener | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Copy a file that the user has to its place, if it is one of the network's files.

    A file with a known SHA-256 is recognised by it, any other by its name.

    Raises
    ------
    WeightsError : it is another file, or cannot be read or copied
    ConversionCancelled : nothing was written
    """
    title = Text(network.title)
    what = Text('Cannot use "{name}" for "{network}"', name=source.name, network=title)
    with as_user_error(what, WeightsError), on_disk():
        if not source.is_file():
            raise Refusal("the file does not exist", "choose the file again")
        file = _place_of(source, network, listener, cancel)
        destination = file.path(folder)
        if destination.exists() and source.samefile(destination):
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
        require_room(destination.parent, source.stat().st_size)
        _copy(source, file, destination, cancel)
        return destination


def remove(network: Network, folder: Path) -> bool:
    """Delete all files of a network and what is left of broken downloads of them.

    Returns
    -------
    Whether there was anything.
    """
    removed = False
    with as_user_error(_about('Cannot remove "{network}"', network), WeightsError), on_disk():
        for path in {file.path(folder) for file in network.every_file}:
            for leftover in (path, part_path(path), note_path(part_path(path))):
                if leftover.is_symlink() or leftover.exists():
                    leftover.unlink()
                    removed = True
    return removed


def _about(template: str, network: Network) -> Text:
    return Text(template, network=Text(network.title))


def _licence_refusal(network: Network) -> Refusal:
    page = network.source_page
    if network.licence == UNKNOWN_LICENCE:
        advice = Text("look at {page} and allow the download if you may use it", page=page)
        return Refusal("its licence is not known", advice)
    why = Text("its licence ({licence}) was not accepted", licence=Text(network.licence))
    return Refusal(why, Text("read it on {page} and accept it first", page=page))


def _get_it(network: Network) -> Text:
    page = network.source_page
    if network.can_be_downloaded:
        return Text("get the file from {page} or download it here", page=page)
    return Text("get the file from {page} and choose it here", page=page)


def _state(
    file: NetworkFile, folder: Path, listener: ByteListener | None, cancel: CancelToken | None
) -> FileState:
    try:
        found = file_sha256(file.path(folder), cancel, listener)
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "damaged"
    return "right" if file.sha256 in {None, found} else "damaged"


def _place_of(
    source: Path, network: Network, listener: ByteListener | None, cancel: CancelToken | None
) -> NetworkFile:
    """Which of the network's files a file of the user is; wrong ones take no room on the disk."""
    files = network.every_file
    size_bytes, sizes = source.stat().st_size, {file.size_bytes for file in files}
    if None not in sizes and size_bytes not in sizes:
        expected = " / ".join(str(size) for size in sorted(filter(None, sizes)))
        why = Text("it has {size} bytes instead of {expected}", size=size_bytes, expected=expected)
        raise Refusal(why, _get_it(network))
    if size_bytes > _LONGEST_BYTES:
        raise Refusal("it is too large", _get_it(network))
    sha256 = file_sha256(source, cancel, listener)
    for file in files:
        if file.sha256 == sha256 or (file.sha256 is None and file.name == source.name):
            return replace(file, sha256=sha256)
    raise Refusal("it is another file (its SHA-256 differs)", _get_it(network))


def _copy(source: Path, file: NetworkFile, destination: Path, cancel: CancelToken | None) -> None:
    digest = hashlib.sha256()
    with (
        open_file(source) as original,
        atomic_file(destination, overwrite=True) as descriptor,
        os.fdopen(os.dup(descriptor), "wb") as copy,
    ):
        while piece := original.read(PIECE_BYTES):
            if cancel is not None:
                cancel.raise_if_cancelled()
            copy.write(piece)
            digest.update(piece)
        copy.flush()
        if digest.hexdigest() != file.sha256:
            raise Refusal("it changed while it was copied", "try again")
