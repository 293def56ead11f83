"""What was found is kept, whatever happened to the file and to the program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.finding import RECORD_FILE, Finding, ProbeRecord


def record_in(folder: Path) -> ProbeRecord:
    return ProbeRecord("Apple M3 (Metal)", "float32", folder)


def keep(record: ProbeRecord, finding: Finding) -> None:
    record.end(finding.part, finding.kind, finding)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"devices": 3}', '{"machine": {}}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / RECORD_FILE).write_text(content)
    record = record_in(tmp_path)
    assert record.findings() == {}
    keep(record, Finding("pitch", "slower", 2.0, 1.0, kind="yin"))
    assert record.findings()["pitch", "yin"].verdict == "slower"


def test_findings_that_are_none_of_ours_are_left_out(tmp_path: Path) -> None:
    record = record_in(tmp_path)
    keep(record, Finding("pitch", "right", kind="yin"))
    keep(record, Finding("content", "right", kind="768 wide"))
    kept = json.loads((tmp_path / RECORD_FILE).read_text())
    (entry,) = kept["devices"].values()
    entry["findings"][0]["verdict"] = "magic"
    wrong_kind = {"part": "pitch", "verdict": "slower", "device_s": "long", "kind": "rmvpe"}
    entry["findings"] += [7, {"part": "pitch"}, wrong_kind]
    (tmp_path / RECORD_FILE).write_text(json.dumps(kept))
    assert set(record.findings()) == {("content", "768 wide")}
    record.forget()
    assert record.findings() == {}


def test_findings_of_a_version_that_knew_no_kinds_are_left_out(tmp_path: Path) -> None:
    record = record_in(tmp_path)
    for finding in (Finding("vocoder", "wrong"), Finding("filter", "slower")):
        keep(record, finding)
    assert set(record.findings()) == {("filter", "")}


def test_a_kind_that_ends_the_program_is_given_up_whatever_is_tried_between(tmp_path: Path) -> None:
    record = record_in(tmp_path)
    allowed = []
    for _ in range(4):
        allowed.append(record.begin("vocoder", "bad"))  # and the program ends
        assert record.begin("vocoder", "good")
        keep(record, Finding("vocoder", "right", kind="good"))
    assert allowed == [True, True, False, False]
    record.end("vocoder", "bad")
    assert record.begin("vocoder", "bad")
