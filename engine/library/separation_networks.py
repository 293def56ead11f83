"""The networks that take songs apart. None is downloaded unasked; all licences are as stated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.cover.options import CoverNetworks, CoverOptions
from engine.errors import Text, WeightsError
from engine.files import size_text
from engine.library.network import OFFICIAL_HUB, Network, NetworkFile
from engine.paths import advised

_SEPARATION = "separation"
"""Folder inside the models folder."""

_DEMUCS = "adefossez/HTDemucs-ft"
_KIM = "KimberleyJSN/melbandroformer"
_ANVUEW = "anvuew/dereverb_mel_band_roformer"
_UVR = "https://github.com/TRvlvr/model_repo/releases/tag/all_public_uvr_models"

VOCALS_FAST = Network(
    key="vocals-fast",
    title="Song separation (HTDemucs)",
    purpose="Separates vocals and instruments. Fast, also without a GPU.",
    licence="MIT for the program, none stated for the weights",
    source_page=f"{OFFICIAL_HUB}/{_DEMUCS}",
    variants=(
        (
            NetworkFile(
                f"{_SEPARATION}/04573f0d.safetensors",
                about_bytes=84_100_000,
                sha256="68854b0d7c2b3274723b5761f6fd9f5aec5f1bcd3f0de7c1669546fdb7871b7c",
                url_path=f"/{_DEMUCS}/resolve/478be8a68f85418addd6f7baefd4be76522a4034/"
                "04573f0d.safetensors",
            ),
        ),
        (
            NetworkFile(  # what demucs downloaded before 2026
                f"{_SEPARATION}/04573f0d-f3cf25b2.th",
                about_bytes=84_141_271,
                size_bytes=84_141_271,
                sha256="f3cf25b222c4eed7cd49dd8b2c9597d50c18bd154090f7b919cfa5f93cf22c49",
            ),
        ),
    ),
    usual=False,
)
VOCALS_BEST = Network(
    key="vocals-best",
    title="Song separation, best (Mel-Band RoFormer)",
    purpose="Separates vocals and instruments more cleanly. Needs a GPU to be fast.",
    licence="MIT",
    source_page=f"{OFFICIAL_HUB}/{_KIM}",
    variants=(
        (
            NetworkFile(
                f"{_SEPARATION}/MelBandRoformer.ckpt",
                about_bytes=913_106_900,
                size_bytes=913_106_900,
                sha256="87201f4d31afb5bc79993230fc49446918425574db48c01c405e44f365c7559e",
                url_path=f"/{_KIM}/resolve/ac9b0614ab3cd7f77219e18ba494dfd93956c348/"
                "MelBandRoformer.ckpt",
            ),
        ),
    ),
    usual=False,
)
KARAOKE = Network(
    key="karaoke",
    title="Lead and backing vocals (Mel-Band RoFormer)",
    purpose="Separates the lead voice from backing voices.",
    licence="not stated",
    source_page=_UVR,
    variants=(
        (
            NetworkFile(
                f"{_SEPARATION}/mel_band_roformer_karaoke_aufr33_viperx_sdr_10.1956.ckpt",
                about_bytes=913_096_801,
                size_bytes=913_096_801,
                sha256="1de20d459332fe8869aeb01327a31df0032262706e1365114e852dc271779813",
            ),
        ),
        (
            NetworkFile(
                f"{_SEPARATION}/bs_roformer_karaoke_frazer_becruily.ckpt",
                about_bytes=204_000_000,
                sha256="eb90ee24c1154d83fbcfd27e96182f19e061557cc6e4746953125e08c29389f9",
            ),
        ),
    ),
    licence_first=True,
    usual=False,
)
DEREVERB = Network(
    key="dereverb",
    title="Reverb removal (Mel-Band RoFormer)",
    purpose="Separates a voice from its room.",
    licence="GPL-3.0",
    source_page=f"{OFFICIAL_HUB}/{_ANVUEW}",
    variants=(
        (
            NetworkFile(
                f"{_SEPARATION}/dereverb_mel_band_roformer_anvuew_sdr_19.1729.ckpt",
                about_bytes=913_107_578,
                size_bytes=913_107_578,
                sha256="9262877b87e9ebb0fb808a456b0a411fa677f5df31c8383c1254af531c078970",
                url_path=f"/{_ANVUEW}/resolve/cef05ad2b5b3145ea5c149d3ad5d1f8439b34d06/"
                "dereverb_mel_band_roformer_anvuew_sdr_19.1729.ckpt",
            ),
        ),
    ),
    licence_first=True,
    usual=False,
)
QUALITIES: Mapping[str, Network] = {"fast": VOCALS_FAST, "best": VOCALS_BEST}
"""The networks that separate vocals from instruments, by the quality that users choose."""


def networks_of(cover: CoverOptions) -> tuple[Network, ...]:
    """Those that a cover cannot be made without."""
    vocals = (QUALITIES[cover.quality],) if cover.source_kind == "song" else ()
    return vocals + ((KARAOKE,) if cover.karaoke == "on" else ())


def cover_networks(cover: CoverOptions, folder: Path) -> CoverNetworks:
    """The files of those that a cover needs, and of those that it can use and that are here.

    Raises
    ------
    WeightsError : one that it needs is not installed
    """
    needed = networks_of(cover)
    vocals, karaoke, dereverb = (
        separation_file(each, folder) if each in needed or not each.missing(folder) else None
        for each in (QUALITIES[cover.quality], KARAOKE, DEREVERB)
    )
    return CoverNetworks(vocals, karaoke, dereverb)


def separation_file(network: Network, folder: Path) -> Path:
    """The file of a network that separates songs.

    Raises
    ------
    WeightsError : it is not installed
    """
    if not network.missing(folder):
        return network.files_in(folder)[-1].path(folder)
    size = size_text(network.about_bytes)
    key = network.key
    command = Text('fetch it with "urvc models download {key}"', key=key)
    app = Text("download it in Settings › Models")
    if not network.can_be_downloaded:
        page = network.source_page
        command = Text('get it from {page} and "urvc models use {key} FILE"', page=page, key=key)
        app = Text("get it from {page} and choose it in Settings › Models", page=page)
    raise WeightsError(
        Text('Cannot find the network "{network}"', network=Text(network.title)),
        Text("it is not installed ({size})", size=size),
        advised(command, app),
    )
