"""``urvc voices``: the installed voices."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from engine.cli.arguments import path_of
from engine.cli.output import (
    EXIT_FAILED,
    EXIT_OK,
    ProgressBar,
    asked_number,
    confirmed,
    say,
    shown,
    table,
    tell,
    tell_json,
)
from engine.cli.voice import add_defaults
from engine.errors import LibraryError, OptionError, UserError
from engine.files import size_text
from engine.library.export import export_voice
from engine.library.importing import ImportReport
from engine.library.installed_voice import InstalledVoice
from engine.library.link import VoiceOffer, find_voices, with_contents
from engine.library.scan import all_of_them, newest_of_each
from engine.library.voice_library import VoiceLibrary
from engine.plain_text import plain
from engine.progress import CancelToken

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def add_voices(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``urvc voices``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    each = actions.add_parser("list", help="list the installed voices")
    each.set_defaults(run=_list)
    each.add_argument("--json", action="store_true", help="print one JSON object per voice")

    each = actions.add_parser("import", help="copy voices into the library")
    each.set_defaults(run=_import)
    each.add_argument(
        "sources", nargs="+", metavar="SOURCE", help=".pth, .index, .zip, a folder, or a link"
    )
    each.add_argument("--all", action="store_true", help="import every epoch, not only the newest")
    each.add_argument("--keep-original", action="store_true", help="also keep the original .pth")
    each.add_argument(
        "--choose", type=int, metavar="N", help="number of the voice, if a link leads to several"
    )
    each.add_argument("--yes", action="store_true", help="download without asking")
    each.add_argument("--json", action="store_true", help="print one JSON object per voice")

    each = actions.add_parser("show", help="show the details of an installed voice")
    each.set_defaults(run=_show)
    each.add_argument("voice", metavar="NAME")
    each.add_argument("--json", action="store_true", help="print one JSON object")

    add_defaults(
        actions.add_parser("defaults", help="show or change the default settings of a voice")
    )

    each = actions.add_parser("remove", help="delete an installed voice")
    each.set_defaults(run=_remove)
    each.add_argument("voice", metavar="NAME")
    each.add_argument("--yes", action="store_true", help="do not ask")

    each = actions.add_parser("export", help="write a voice as a zip for other programs")
    each.set_defaults(run=_export)
    each.add_argument("voice", metavar="NAME")
    each.add_argument("-o", "--output", type=path_of, metavar="ZIP", help="default: NAME.zip here")
    each.add_argument("--overwrite", action="store_true", help="replace ZIP if it exists")


def _list(given: argparse.Namespace) -> int:
    voices = VoiceLibrary().voices()
    if given.json:
        for voice in voices:
            tell_json(_as_json(voice))
        return EXIT_OK
    rows = []
    for voice in voices:
        facts = voice.facts
        rate_hz = facts.get("sample_rate_hz")
        about = [
            shown(facts.get("version")),
            f"{rate_hz / 1000:g} kHz" if isinstance(rate_hz, int) else "",
            "with index" if voice.index else "no index",
            "built in" if voice.built_in else voice.id,
        ]
        rows.append((voice.name, *about))
    tell(table(rows))
    return EXIT_OK


def _import(given: argparse.Namespace) -> int:
    library = VoiceLibrary()
    links = [source for source in given.sources if _ADDRESS.match(source)]
    paths = [Path(source).expanduser() for source in given.sources if source not in links]
    apart = [path for path in paths if path.is_dir() or path.suffix.lower() == ".zip"]
    together = [path for path in paths if path not in apart]
    groups = [[path] for path in apart] + ([together] if together else [])
    succeeded = [_import_paths(library, group, given) for group in groups]
    succeeded += [_import_link(library, link, given) for link in links]
    return EXIT_OK if all(succeeded) else EXIT_FAILED


def _import_paths(library: VoiceLibrary, paths: Sequence[Path], given: argparse.Namespace) -> bool:
    bar = ProgressBar(paths[0].name)
    try:
        report = library.import_files(
            paths,
            choose=all_of_them if given.all else newest_of_each,
            keep_original=given.keep_original,
            listener=lambda fraction: bar.show(fraction, "import"),
            cancel=given.cancel,
        )
    except UserError as error:
        return _printed(error)
    finally:
        bar.clear()
    return _reported(report, given)


def _import_link(library: VoiceLibrary, link: str, given: argparse.Namespace) -> bool:
    try:
        offer = _chosen_offer(find_voices(link, cancel=given.cancel), link, given.choose)
        if not given.yes and not confirmed(f"Download {_described(offer, given.cancel)}?"):
            return False
        bar = ProgressBar(offer.title)
        try:
            report = library.import_offer(
                offer,
                choose=all_of_them if given.all else newest_of_each,
                keep_original=given.keep_original,
                downloaded=lambda done, total: bar.show(done / total if total else 0.0, "download"),
                cancel=given.cancel,
            )
        finally:
            bar.clear()
    except UserError as error:
        return _printed(error)
    return _reported(report, given)


def _chosen_offer(offers: Sequence[VoiceOffer], link: str, number: int | None) -> VoiceOffer:
    """The only offer, or the one with that number; without a number, list them and ask."""
    if number is None and len(offers) > 1:
        for place, offer in enumerate(offers, start=1):
            names = ", ".join(file.name for file in offer.files)
            say(f"{place:>3}  {offer.title}  ({_size(offer)}: {names})")
        number = asked_number(f"Which of them? [1-{len(offers)}] ")
    if number is None and len(offers) == 1:
        return offers[0]
    if number is not None and 1 <= number <= len(offers):
        return offers[number - 1]
    raise LibraryError(
        f"Cannot choose one of the voices at {link[:200]}",
        f"there are {len(offers)}" + ("" if number is None else f", but no number {number}"),
        "add --choose with the number of one of them",
    )


def _described(offer: VoiceOffer, cancel: CancelToken) -> str:
    """Title, size and contents."""
    (offer,) = with_contents((offer,), cancel)
    names = offer.contents or tuple(file.name for file in offer.files)
    held = "" if names == (offer.title,) else ": " + ", ".join(names)
    return f"{offer.title} ({_size(offer)}{held})"


def _size(offer: VoiceOffer) -> str:
    return "of unknown size" if offer.size_bytes is None else size_text(offer.size_bytes)


def _printed(error: UserError) -> bool:
    say(f"urvc: {error}")
    return False


def _reported(report: ImportReport, given: argparse.Namespace) -> bool:
    for each in report.imported:
        for note in each.notes:
            say(f"urvc: {each.voice.name}: {note}")
        if given.json:
            record = _as_json(each.voice) | {
                "outcome": each.outcome,
                "notes": list(map(str, each.notes)),
            }
            tell_json(record)
        else:
            tell(f"{plain(each.voice.name)}  ({each.outcome})")
    for error in report.refused:
        _printed(error)
    return not report.refused


def _show(given: argparse.Namespace) -> int:
    record = _as_json(VoiceLibrary().get(given.voice))
    if given.json:
        tell_json(record)
        return EXIT_OK
    rows = {name: value for name, value in record.items() if not isinstance(value, dict)}
    for name in ("facts", "defaults"):
        part = record[name]
        rows |= part if isinstance(part, dict) else {}
    tell(table([(name.replace("_", " "), shown(value)) for name, value in rows.items()]))
    return EXIT_OK


def _remove(given: argparse.Namespace) -> int:
    library = VoiceLibrary()
    voice = library.get(given.voice)
    if not voice.built_in and not given.yes and not confirmed(f"Delete the voice {voice.name}?"):
        return EXIT_FAILED
    library.remove(voice.id, shutil.rmtree)
    tell(f"{plain(voice.name)} was removed")
    return EXIT_OK


def _export(given: argparse.Namespace) -> int:
    voice = VoiceLibrary().get(given.voice)
    output: Path = given.output or Path.cwd()
    if given.output is not None and not output.absolute().parent.is_dir():
        raise OptionError(
            f'Cannot export to "{output}"',
            "the folder does not exist",
            "create it or choose another",
        )
    tell(plain(str(export_voice(voice, output, overwrite=given.overwrite, cancel=given.cancel))))
    return EXIT_OK


def _as_json(voice: InstalledVoice) -> dict[str, object]:
    return {
        "id": voice.id,
        "name": voice.name,
        "built_in": voice.built_in,
        "weights": str(voice.weights),
        "index": None if voice.index is None else str(voice.index),
        "picture": None if voice.picture is None else str(voice.picture),
        "source": voice.source,
        "imported": voice.imported,
        "content_sha256": voice.content_sha256,
        "defaults": dict(voice.defaults),
        "facts": dict(voice.facts),
    }
