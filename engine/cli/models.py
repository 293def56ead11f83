"""``urvc models``: the networks that every conversion shares."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.cli.output import EXIT_FAILED, EXIT_OK, ProgressBar, confirmed
from engine.errors import OptionError, UserError
from engine.files import ByteListener, size_text
from engine.library.networks import (
    SHARED_FILES,
    SharedFile,
    fetch,
    install_from_file,
    missing,
    remove,
    verify,
)
from engine.paths import models_dir


def add_models(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc models``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    keys = ", ".join(file.key for file in SHARED_FILES)

    each = actions.add_parser("list", help="what is there and what is missing")
    each.set_defaults(run=_list)
    each.add_argument("--json", action="store_true", help="print one JSON object a file")

    each = actions.add_parser("download", help="fetch what is missing")
    each.set_defaults(run=_download)
    each.add_argument("keys", nargs="*", metavar="KEY", help=f"some of {keys}; default: all")
    each.add_argument("--mirror", metavar="URL", help="fetch from a mirror of the hub")
    each.add_argument("--yes", action="store_true", help="do not ask")

    each = actions.add_parser("verify", help="compare the files' SHA-256")
    each.set_defaults(run=_verify)
    each.add_argument("--json", action="store_true", help="print one JSON object a file")

    each = actions.add_parser("use", help="take a file that you have, if it is the right one")
    each.set_defaults(run=_use)
    each.add_argument("key", metavar="KEY", help=f"one of {keys}")
    each.add_argument("file", type=Path, metavar="FILE")

    each = actions.add_parser("remove", help="delete shared files")
    each.set_defaults(run=_remove)
    each.add_argument("keys", nargs="+", metavar="KEY", help=f"some of {keys}")
    each.add_argument("--yes", action="store_true", help="do not ask")

    for action in actions.choices.values():
        action.add_argument("--models-dir", type=Path, metavar="DIR")


def _chosen(keys: list[str]) -> tuple[SharedFile, ...]:
    known = {file.key: file for file in SHARED_FILES}
    for key in keys:
        if key not in known:
            raise OptionError(
                f'Cannot find the shared file "{key}"', "there is none", f"use {', '.join(known)}"
            )
    return tuple(known[key] for key in keys)


def _list(given: argparse.Namespace) -> int:
    folder = models_dir(given.models_dir)
    lacking = missing(folder)
    for file in SHARED_FILES:
        state = "missing" if file in lacking else "installed"
        if given.json:
            print(json.dumps(_as_json(file, folder, state)))
        else:
            size = size_text(file.about_bytes)
            print(f"{state:<9}  {file.key:<14}  {size:>8}  {file.label}, {file.licence}")
    return EXIT_OK


def _as_json(file: SharedFile, folder: Path, state: str) -> dict[str, object]:
    return {
        "key": file.key,
        "state": state,
        "label": file.label,
        "path": str(file.path(folder)),
        "about_bytes": file.about_bytes,
        "sha256": file.sha256,
        "licence": file.licence,
        "source": file.source_page,
    }


def _download(given: argparse.Namespace) -> int:
    folder = models_dir(given.models_dir)
    wanted = _chosen(given.keys) or missing(folder)
    if not wanted:
        print("All shared files are there.")
        return EXIT_OK
    size = size_text(sum(file.about_bytes for file in wanted))
    names = ", ".join(file.key for file in wanted)
    if not given.yes and not confirmed(f"Download {names} ({size})?"):
        return EXIT_FAILED
    for file in wanted:
        bar = ProgressBar(file.label)
        try:
            path = fetch(file, folder, hub=given.mirror, listener=_on(bar, "download"))
        finally:
            bar.clear()
        print(f"{file.key} -> {path}")
    return EXIT_OK


def _on(bar: ProgressBar, doing: str) -> ByteListener:
    return lambda done, total: bar.show(done / total if total else 0.0, doing)


def _verify(given: argparse.Namespace) -> int:
    folder = models_dir(given.models_dir)
    bar = ProgressBar("shared files")
    try:
        states = verify(folder, listener=_on(bar, "verify"))
    finally:
        bar.clear()
    for file, state in states.items():
        print(json.dumps(_as_json(file, folder, state)) if given.json else f"{state:<8} {file.key}")
    return EXIT_OK if all(state == "right" for state in states.values()) else EXIT_FAILED


def _use(given: argparse.Namespace) -> int:
    (file,) = _chosen([given.key])
    bar = ProgressBar(given.file.name)
    try:
        path = install_from_file(
            given.file, file, models_dir(given.models_dir), listener=_on(bar, "check")
        )
    finally:
        bar.clear()
    print(f"{file.key} -> {path}")
    return EXIT_OK


def _remove(given: argparse.Namespace) -> int:
    files = _chosen(given.keys)
    names = ", ".join(file.key for file in files)
    if not given.yes and not confirmed(f"Delete {names}?"):
        return EXIT_FAILED
    well = True
    for file in files:
        try:
            there = remove(file, models_dir(given.models_dir))
        except UserError as error:
            print(f"urvc: {error}", file=sys.stderr)
            well = False
        else:
            print(f"{file.key} was {'removed' if there else 'not there'}")
    return EXIT_OK if well else EXIT_FAILED
