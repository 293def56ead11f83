"""``urvc doctor``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.cli.arguments import path_of
from engine.cli.output import EXIT_OK, table, tell, tell_json

if TYPE_CHECKING:
    from engine.measure.doctor import Check

EXIT_CANNOT_CONVERT = 1


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.set_defaults(run=_examine)
    parser.add_argument("--models-dir", type=path_of, metavar="DIR")
    parser.add_argument("--verify", action="store_true", help="check the weights' SHA-256 too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _examine(given: argparse.Namespace) -> int:
    from engine.measure.doctor import run_checks

    checks = run_checks(given.models_dir, verify=given.verify)
    able = all(check.state != "fail" for check in checks)
    if given.json:
        report = {"can_convert": able, "checks": [asdict(check) for check in checks]}
        tell_json(report)
    else:
        tell(f"{as_table(checks)}\n\n{_verdict(checks)}")
    return EXIT_OK if able else EXIT_CANNOT_CONVERT


def as_table(checks: list[Check]) -> str:
    """A line for each check, and one for its advice."""
    rows: list[tuple[str, str, str]] = []
    for check in checks:
        rows.append((check.state, check.name, check.detail))
        if check.advice:
            rows.append(("", "", f"-> {check.advice}"))
    return table(rows)


def _verdict(checks: list[Check]) -> str:
    states = [check.state for check in checks]
    passed, advised = states.count("ok"), states.count("warn")
    if "fail" in states:
        return f"Cannot convert: {states.count('fail')} of {len(checks)} checks failed."
    return f"Ready to convert ({passed} checks passed, {advised} with advice)."
