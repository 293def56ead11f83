"""Under hundreds of random sequences of faults the installed file is either right or absent."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import ConversionCancelled, DownloadError
from engine.library.download.connection import Timeouts
from engine.library.download.download import download
from engine.library.download.part_file import note_path, part_path
from engine.library.download.retry import Pacing
from engine.progress import CancelToken
from tests.engine.library.download.http_server import FINE, Fault, FaultServer

SEQUENCES = 500
QUICK = Timeouts(connect_s=5.0, stall_s=5.0)


def pacing(attempts: int) -> Pacing:
    return Pacing(attempts=attempts, sleep=lambda _: None, chance=lambda: 0.0)


def passing_fault(dice: random.Random, length: int) -> Fault:
    """A fault that a patient client gets over."""
    fault = dice.choice(
        [
            FINE,
            Fault(cut=dice.randrange(length + 1)),
            Fault(cut=dice.randrange(length + 1), reset=True),
            Fault(cut=dice.randrange(length + 1), chunked=True),
            Fault(cut=dice.randrange(length + 1), ignore_range=True),
            Fault(status=dice.choice([408, 429, 500, 502, 503, 504])),
            Fault(status=429, retry_after=dice.choice(["1", "0", "x", "100"])),
            Fault(length_lie=dice.randrange(1, 500)),
            Fault(silent=True),
            Fault(garbage=True),
            Fault(ignore_range=True, cut=dice.randrange(length + 1)),
            Fault(wrong_span=-dice.randrange(1, 50)),
            Fault(location="/file.bin"),
        ]
    )
    return replace(fault, piece=dice.choice([512, 4096, 65536]))


def any_fault(dice: random.Random, length: int) -> Fault:
    """A fault of any kind, also those that must be the end."""
    if dice.random() < 0.75:
        return passing_fault(dice, length)
    return dice.choice(
        [
            Fault(corrupt=True),
            Fault(corrupt=True, cut=dice.randrange(length + 1)),
            Fault(page=True),
            Fault(page=True, page_type="application/octet-stream"),
            Fault(status=dice.choice([401, 403, 404, 410, 416])),
            Fault(length_lie=-dice.randrange(1, length)),
            Fault(location="http://example.invalid/"),
            Fault(packed=True),
            Fault(no_length=True, cut=dice.randrange(length + 1)),
            Fault(span_header=f"bytes 0-{length}/{length * 2}"),
            Fault(change=dice.randbytes(length)),
        ]
    )


def canceller(cancel: CancelToken, stop_at_bytes: int) -> Callable[[int, int | None], None]:
    """A listener that cancels once so much has come."""

    def listener(done_bytes: int, _: int | None) -> None:
        if done_bytes > stop_at_bytes:
            cancel.cancel()

    return listener


def harm_part(dice: random.Random, target: Path) -> None:
    """What a crash or a power cut may leave behind."""
    part = part_path(target)
    if not part.exists() or dice.random() < 0.7:
        return
    content = bytearray(part.read_bytes())
    choice = dice.randrange(4)
    if choice == 0 and content:
        content[dice.randrange(len(content))] ^= 0xFF
        part.write_bytes(content)
    elif choice == 1:
        part.write_bytes(content[: dice.randrange(len(content) + 1)])
    elif choice == 2:
        part.write_bytes(content + dice.randbytes(300))
    else:
        note_path(part).unlink(missing_ok=True)


def test_500_random_fault_sequences_with_a_hash_never_install_a_wrong_file(
    server: FaultServer, tmp_path: Path
) -> None:
    wrong, installed, refused = [], 0, 0
    for seed in range(SEQUENCES):
        dice = random.Random(seed)
        folder = tmp_path / str(seed)
        target = folder / "file.bin"
        body = dice.randbytes(dice.randrange(2, 20_000))
        sha256 = hashlib.sha256(body).hexdigest()
        url = server.put(body)
        server.faults.clear()
        server.faults.extend(any_fault(dice, len(body)) for _ in range(dice.randrange(12)))
        old = dice.random() < 0.2
        if old:
            folder.mkdir()
            target.write_bytes(b"an older file")
        for _ in range(3):
            cancel = CancelToken()
            stop_at = dice.randrange(len(body)) if dice.random() < 0.2 else 10**9
            try:
                download(
                    url,
                    target,
                    sha256=sha256,
                    size_bytes=dice.choice([None, len(body)]),
                    listener=canceller(cancel, stop_at),
                    cancel=cancel,
                    pacing=pacing(3),
                    timeouts=QUICK,
                )
            except DownloadError:
                refused += 1
            except ConversionCancelled:
                pass
            else:
                installed += 1
                if not target.is_file():
                    wrong.append((seed, "said to be there, but is not"))
            if target.exists() and target.read_bytes() not in {body, b"an older file"}:
                wrong.append((seed, "wrong content"))
            if not old and target.exists() and target.read_bytes() != body:
                wrong.append((seed, "not absent"))
            harm_part(dice, target)
        shutil.rmtree(folder, ignore_errors=True)
    assert wrong == []
    # Both ends are reached, so the sequences prove something.
    assert installed > SEQUENCES / 2
    assert refused > SEQUENCES / 2


def test_200_random_sequences_of_temporary_faults_end_with_the_right_file(
    server: FaultServer, tmp_path: Path
) -> None:
    """With and without a hash: without, length and ETag alone must suffice."""
    for seed in range(200):
        dice = random.Random(10_000 + seed)
        target = tmp_path / str(seed) / "file.bin"
        body = dice.randbytes(dice.randrange(2, 20_000))
        url = server.put(body)
        server.faults.clear()
        server.faults.extend(passing_fault(dice, len(body)) for _ in range(dice.randrange(10)))
        sha256 = hashlib.sha256(body).hexdigest() if dice.random() < 0.5 else None
        download(url, target, sha256=sha256, pacing=pacing(15), timeouts=QUICK)
        assert target.read_bytes() == body, seed
        assert [path.name for path in target.parent.iterdir()] == ["file.bin"], seed


def test_100_sequences_in_which_the_file_changes_give_one_of_the_files_never_a_mixture(
    server: FaultServer, tmp_path: Path
) -> None:
    for seed in range(100):
        dice = random.Random(20_000 + seed)
        target = tmp_path / str(seed) / "file.bin"
        versions = [dice.randbytes(dice.randrange(2, 20_000)) for _ in range(3)]
        url = server.put(versions[0])
        server.faults.clear()
        for version in versions:
            fault = passing_fault(dice, len(version))
            server.faults.append(replace(fault, change=version))
            server.faults.append(replace(fault, ignore_if_range=True, cut=len(version) // 2))
        download(url, target, pacing=pacing(15), timeouts=QUICK)
        assert target.read_bytes() in versions, seed


def test_a_server_that_keeps_losing_progress_is_given_up(
    server: FaultServer, tmp_path: Path
) -> None:
    """Each try brings a megabyte and the next one loses it: that must not go on for ever."""
    body = random.Random(1).randbytes(3 * 2**20)
    server.always = Fault(ignore_range=True, cut=2**20 + 4096)
    with pytest.raises(DownloadError) as caught:
        download(server.put(body), tmp_path / "file.bin", pacing=pacing(5), timeouts=QUICK)
    assert "was lost" in caught.value.why
    assert len(server.seen) <= 6
