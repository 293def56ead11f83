"""The log: quiet unless asked for, on stderr or in a file, without folders and tricks."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from engine.cli import main
from engine.log import LOG_FILE, log_to_file, start_app_log, stop_logging
from engine.paths import starter_dir
from engine.retrieval.index_file import read_index
from tests.sound import starter_speech

LOADED = "embeddings to cpu for GPU-accelerated retrieval"


@pytest.fixture(autouse=True)
def _no_log() -> Iterator[None]:
    yield
    stop_logging()


@pytest.fixture
def short(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "short.wav", starter_speech()[16_000:17_600], 16_000)
    return tmp_path / "short.wav"


def test_verbose_tells_where_the_embeddings_were_loaded(
    short: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVC_GPU_RETRIEVAL", "on")
    rows = len(read_index(starter_dir() / "starter.index").rows)
    for asked in (["-vv"], []):
        assert main(["convert", str(short), "--device", "cpu", *asked]) == 0
        out, err = capfd.readouterr()
        assert out.count("\n") == 1
        assert (f"Loaded {rows} {LOADED}" in err) == bool(asked)
        assert ("DEBUG" in err) == bool(asked)
        assert str(short.parent) not in err


def test_the_variable_asks_as_well_and_is_checked(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, code, word in (("info", 0, "INFO"), ("off", 0, ""), ("loud", 2, "info, debug")):
        monkeypatch.setenv("RVC_LOG", value)
        assert main(["voices", "list"]) == code
        err = capfd.readouterr().err
        assert word in err
        assert bool(err) == bool(word)


def test_a_file_of_limited_size_without_folders_and_tricks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.log._MAX_BYTES", 2000)
    log_to_file(tmp_path / "logs", logging.INFO)
    logger = logging.getLogger("engine.test")
    for number in range(100):
        logger.info("converting %s, number %d", f"/somewhere/private/a\x1b\n{number}.wav", number)
    logger.error("failed", exc_info=ValueError("/somewhere/private/b.wav\x1b"))
    files = sorted(each.name for each in (tmp_path / "logs").iterdir())
    assert files == [LOG_FILE, *(f"{LOG_FILE}.{number}" for number in (1, 2, 3))]
    text = "".join(each.read_text() for each in (tmp_path / "logs").iterdir())
    assert "converting …/a??99.wav, number 99" in text
    assert "ValueError: …/b.wav?" in text
    assert "private" not in text
    assert "\x1b" not in text
    assert str(Path(__file__).parent) not in text


def test_the_app_logs_even_where_its_variable_is_wrong_or_its_folder_cannot_be_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVC_LOG", "loud")
    start_app_log(tmp_path / "logs")
    assert "RVC_LOG" in (tmp_path / "logs" / LOG_FILE).read_text()
    stop_logging()
    (tmp_path / "file").write_text("no folder")
    start_app_log(tmp_path / "file")
    assert capfd.readouterr().err.count("Ultimate RVC") == 2
    stop_logging()
    monkeypatch.setattr("sys.stderr", None)  # as Python has it where it was closed
    start_app_log(tmp_path / "logs")


def test_a_program_that_uses_the_engine_hears_nothing_it_did_not_ask_for() -> None:
    code = "import engine, logging; logging.getLogger('engine.x').error('loud')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
