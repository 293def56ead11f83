"""``urvc models``: the networks that voices share, and MLX."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.cli.arguments import path_of
from engine.cli.output import EXIT_FAILED, EXIT_OK, ProgressBar, confirmed, say, tell, tell_json
from engine.device import is_apple_silicon
from engine.errors import OptionError, UserError
from engine.files import ByteListener, size_text
from engine.library import mlx_add_on
from engine.library.networks import (
    NETWORKS,
    Network,
    fetch,
    is_expected,
    remove,
    use_file,
    verify,
)
from engine.paths import models_dir
from engine.plain_text import plain

_MLX = "mlx"
"""The add-on's key, beside those of the networks."""


def add_models(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc models``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    keys = ", ".join(network.key for network in NETWORKS)

    each = actions.add_parser("list", help="show which networks are installed")
    each.set_defaults(run=_list)
    each.add_argument("--json", action="store_true", help="print one JSON object per network")

    each = actions.add_parser("download", help="download missing networks")
    each.set_defaults(run=_download)
    each.add_argument(
        "keys",
        nargs="*",
        metavar="KEY",
        help=f"some of {keys}, or {_MLX}; default: all that every voice needs",
    )
    each.add_argument("--mirror", metavar="URL", help="download from a mirror of the hub")
    each.add_argument(
        "--accept-licence",
        action="store_true",
        help="you have read the licence of a network that demands it",
    )
    each.add_argument("--yes", action="store_true", help="do not ask")

    each = actions.add_parser("verify", help="compare the SHA-256 of the files")
    each.set_defaults(run=_verify)
    each.add_argument("--json", action="store_true", help="print one JSON object per network")

    each = actions.add_parser("use", help="use a file that you have, if it is the right one")
    each.set_defaults(run=_use)
    each.add_argument("key", metavar="KEY", help=f"one of {keys}")
    each.add_argument("file", type=path_of, metavar="FILE")

    each = actions.add_parser("remove", help="delete networks")
    each.set_defaults(run=_remove)
    each.add_argument("keys", nargs="+", metavar="KEY", help=f"some of {keys}, or {_MLX}")
    each.add_argument("--yes", action="store_true", help="do not ask")

    for action in actions.choices.values():
        action.add_argument("--models-dir", type=path_of, metavar="DIR")


def _chosen(keys: list[str]) -> tuple[Network, ...]:
    known = {network.key: network for network in NETWORKS}
    for key in keys:
        if key not in known:
            raise OptionError(
                f'Cannot find the network "{key}"',
                "no network has that name",
                f"use {' or '.join(known)}",
            )
    return tuple(known[key] for key in keys)


def _list(given: argparse.Namespace) -> int:
    folder = models_dir(given.models_dir)
    for network in NETWORKS:
        state = "missing" if network.missing(folder) else "installed"
        if given.json:
            tell_json(_as_json(network, folder, state))
        else:
            size = size_text(network.about_bytes)
            tell(f"{state:<9}  {network.key:<8}  {size:>8}  {network.title}, {network.licence}")
    if is_apple_silicon():
        _list_add_on(as_json=given.json)
    return EXIT_OK


def _list_add_on(*, as_json: bool) -> None:
    state = "installed" if mlx_add_on.is_installed() else "missing"
    size_bytes, licence = mlx_add_on.ABOUT_BYTES[-1], mlx_add_on.LICENCE
    if as_json:
        title = str(mlx_add_on.TITLE)
        facts = {"about_bytes": size_bytes, "licence": licence}
        tell_json({"key": _MLX, "state": state, "title": title, **facts})
    else:
        size = size_text(size_bytes)
        tell(f"{state:<9}  {_MLX:<8}  {size:>8}  {mlx_add_on.TITLE}, {licence}")


def _as_json(network: Network, folder: Path, state: str) -> dict[str, object]:
    return {
        "key": network.key,
        "state": state,
        "title": network.title,
        "files": [
            {"path": str(file.path(folder)), "sha256": file.sha256}
            for file in network.files_in(folder)
        ],
        "about_bytes": network.about_bytes,
        "licence": network.licence,
        "source": network.source_page,
    }


def _download(given: argparse.Namespace) -> int:
    if _MLX not in given.keys:
        return _download_networks(given)
    given.keys = [key for key in given.keys if key != _MLX]
    _chosen(given.keys)  # a misspelt one is refused before anything is downloaded
    code = _install_add_on(given)
    return code if code != EXIT_OK or not given.keys else _download_networks(given)


def _install_add_on(given: argparse.Namespace) -> int:
    if mlx_add_on.is_installed():
        tell("MLX is installed already.")
        return EXIT_OK
    most = size_text(mlx_add_on.ABOUT_BYTES[-1])
    if not given.yes and not confirmed(f"Download {_MLX} (up to {most})?"):
        return EXIT_FAILED
    bar = ProgressBar(str(mlx_add_on.TITLE))
    try:
        mlx_add_on.install(_on(bar, "download"), given.cancel)
    finally:
        bar.clear()
    tell("MLX was installed; run tune, which finds out whether it is faster here.")
    return EXIT_OK


def _download_networks(given: argparse.Namespace) -> int:
    folder = models_dir(given.models_dir)
    usual = [each for each in NETWORKS if each.usual]
    available = [each for each in usual if each.can_be_downloaded and not each.licence_first]
    chosen = _chosen(given.keys) or tuple(available)
    absent = [network for network in chosen if network.missing(folder)]
    if not absent:
        tell("Nothing to download.")
        return EXIT_OK
    size = size_text(sum(network.about_bytes for network in absent))
    names = ", ".join(network.key for network in absent)
    if not given.yes and not confirmed(f"Download {names} ({size})?"):
        return EXIT_FAILED
    for network in absent:
        bar = ProgressBar(network.title)
        try:
            fetch(
                network,
                folder,
                hub=given.mirror,
                licence_read=given.accept_licence,
                listener=_on(bar, "download"),
                cancel=given.cancel,
            )
        finally:
            bar.clear()
        tell(f"{network.key} -> {plain(str(network.weights.path(folder)))}")
    return EXIT_OK


def _on(bar: ProgressBar, doing: str) -> ByteListener:
    return lambda done, total: bar.show(done / total if total else 0.0, doing)


def _verify(given: argparse.Namespace) -> int:
    folder = models_dir(given.models_dir)
    states = {}
    for network in (each for each in NETWORKS if is_expected(each, folder)):
        bar = ProgressBar(network.title)
        try:
            states[network] = verify(
                network, folder, listener=_on(bar, "verify"), cancel=given.cancel
            )
        finally:
            bar.clear()
    for network, state in states.items():
        if given.json:
            tell_json(_as_json(network, folder, state))
        else:
            tell(f"{state:<8} {network.key}")
    return EXIT_OK if all(state == "right" for state in states.values()) else EXIT_FAILED


def _use(given: argparse.Namespace) -> int:
    (network,) = _chosen([given.key])
    bar = ProgressBar(given.file.name)
    try:
        path = use_file(
            given.file,
            network,
            models_dir(given.models_dir),
            listener=_on(bar, "check"),
            cancel=given.cancel,
        )
    finally:
        bar.clear()
    tell(f"{network.key} -> {plain(str(path))}")
    return EXIT_OK


def _remove(given: argparse.Namespace) -> int:
    networks = _chosen([key for key in given.keys if key != _MLX])
    folder = models_dir(given.models_dir)
    removals: dict[str, Callable[[], bool]] = {
        network.key: partial(remove, network, folder) for network in networks
    }
    if _MLX in given.keys:
        removals[_MLX] = mlx_add_on.remove
    if not given.yes and not confirmed(f"Delete {', '.join(removals)}?"):
        return EXIT_FAILED
    succeeded = True
    for key, removal in removals.items():
        try:
            removed = removal()
        except UserError as error:
            say(f"urvc: {error}")
            succeeded = False
        else:
            tell(f"{key} was {'removed' if removed else 'not installed'}")
    return EXIT_OK if succeeded else EXIT_FAILED
