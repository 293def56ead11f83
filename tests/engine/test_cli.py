"""The command line: one sentence and exit code 2 for what is wrong, JSON for programs."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from engine.audio.reader import probe_audio
from engine.cli import main
from engine.paths import starter_dir
from engine.retrieval.index_file import read_index
from engine.voice_checkpoint import load_voice
from tests.engine.small_set import write_small_set
from tests.sound import starter_speech

VOICE = starter_dir() / "voice.pth"
INDEX = starter_dir() / "starter.index"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def _run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        return code, *capfd.readouterr()

    return _run


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.wav"
    soundfile.write(path, starter_speech()[:16_000], 16_000)
    return path


def _refusal(run: Run, *arguments: object) -> str:
    """The one sentence of a refused command, which leaves nothing on stdout."""
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("urvc: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_json_describes_the_conversion(run: Run, short: Path, tmp_path: Path) -> None:
    code, out, err = run("convert", short, "--json", "--device", "cpu", "--models-dir", tmp_path)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert Path(told["output"]).name == "short (Starter).wav"
    assert soundfile.info(told["output"]).duration == 1.0
    assert told["seconds_in"] == 1.0
    assert told["realtime_factor"] == pytest.approx(1 / told["seconds_taken"], rel=0.05)
    assert set(told["stage_seconds"]) >= {"decode", "pitch", "content", "synthesis", "write"}
    assert told["peak_memory_bytes"] > 10**7
    assert told["device"] == "cpu"


def test_a_pipe_gets_no_progress_bar(run: Run, short: Path) -> None:
    code, out, err = run("convert", short)
    assert code == 0
    assert err == ""
    assert out.count("\n") == 1
    assert "\r" not in out


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "m4a", "ogg", "aiff"])
def test_the_ending_of_the_output_chooses_its_format(
    run: Run, short: Path, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    assert run("convert", short, "-o", path)[0] == 0
    found = probe_audio(path)
    assert found.format.split()[0] == {"m4a": "mov"}.get(ending, ending)
    assert found.duration_s == 1.0


def test_after_a_bad_file_the_next_is_converted(run: Run, short: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("this is no sound")
    code, out, err = run("convert", broken, short, "--output-dir", tmp_path, "--json")
    assert code == 2
    assert "broken.wav" in err
    assert Path(json.loads(out)["output"]).exists()


def test_a_voice_is_described(run: Run) -> None:
    code, out, _ = run("voice", VOICE, "--index", INDEX, "--json")
    card = json.loads(out)
    assert code == 0
    assert card["sample rate (Hz)"] == load_voice(VOICE).sizes.sample_rate_hz
    assert card["content encoder"] == "urvc-starter"
    assert card["index rows"] == len(read_index(INDEX).rows)
    code, out, _ = run("voice", VOICE)
    assert code == 0
    assert "speakers          1" in out


def _pickle_bomb(sentinel: Path) -> bytes:
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            import os

            return os.system, (f"touch {sentinel}",)

    return pickle.dumps({"weight": Bomb()})


def test_code_in_a_voice_file_is_not_run(run: Run, short: Path, tmp_path: Path) -> None:
    sentinel, voice = tmp_path / "it ran", tmp_path / "evil.pth"
    voice.write_bytes(_pickle_bomb(sentinel))
    assert "evil.pth" in _refusal(run, "convert", short, "--voice", voice)
    torch.save({"weight": {}}, tmp_path / "zip.pth")
    assert "zip.pth" in _refusal(run, "convert", short, "--voice", tmp_path / "zip.pth")
    assert not sentinel.exists()


def _damaged_voices(folder: Path) -> dict[str, bytes]:
    whole = VOICE.read_bytes()
    record = torch.load(VOICE, weights_only=True)
    saved: dict[str, bytes] = {}

    def save(name: str, **changes: object) -> None:
        torch.save(record | changes, folder / "tmp.pth")
        saved[name] = (folder / "tmp.pth").read_bytes()

    config = record["config"]
    # Only for features 256 wide the label counts: v1 and v2 can both have them.
    phones = record["weight"]["enc_p.emb_phone.weight"]
    narrow = record["weight"] | {"enc_p.emb_phone.weight": phones.new_zeros(len(phones), 256)}
    save("wrong version.pth", version="v1", weight=narrow)
    save("unknown version.pth", version="v9", weight=narrow)
    foreign = {"dec.conformers.0.net.weight": torch.zeros(8, 8)}
    save("foreign.pth", vocoder="RingFormer", weight=record["weight"] | foreign)
    save("wrong rates.pth", config=[*config[:12], [10, 5, 4], *config[13:]])
    save("short config.pth", config=config[:17])
    save("ddpn.pth", config=[*config, 1])
    torch.save({"model": {}, "optimizer": {}, "iteration": 1}, folder / "tmp.pth")
    saved["G_2333.pth"] = (folder / "tmp.pth").read_bytes()
    weights = dict(record["weight"])
    weights.pop("enc_p.proj.bias")
    save("missing.pth", weight=weights)
    save("nan.pth", weight=record["weight"] | {"dec.cond.bias": torch.full((128,), float("nan"))})
    saved["cut.pth"] = whole[: len(whole) // 2]
    saved["empty.pth"] = b""
    saved["text.pth"] = b"<!DOCTYPE html><html>404 not found</html>"
    return saved


def test_every_damaged_voice_is_refused_in_one_sentence(
    run: Run, short: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    for name, content in _damaged_voices(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        sentence = _refusal(run, "convert", short, "--voice", tmp_path / name)
        assert name in sentence
        (tmp_path / name).unlink()
    (tmp_path / "tmp.pth").unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_every_unusable_index_is_refused_in_one_sentence(
    run: Run, short: Path, tmp_path: Path
) -> None:
    whole = INDEX.read_bytes()
    width = read_index(INDEX).rows.shape[1]
    head = struct.pack("<4siqqqBi", b"IxF2", width, 2**40, 1 << 20, 1 << 20, 1, 1)
    indexes = {
        "cut.index": whole[:5000],
        "empty.index": b"",
        "text.index": b"not an index at all, but long enough to be one" * 10,
        "huge.index": head + struct.pack("<Q", 2**40 * width) + b"\0" * 64,
    }
    for name, content in indexes.items():
        (tmp_path / name).write_bytes(content)
        assert name in _refusal(run, "convert", short, "--index", tmp_path / name)


def test_an_index_of_another_width_is_refused(run: Run, short: Path, tmp_path: Path) -> None:
    import faiss

    own = read_index(INDEX).rows.shape[1]
    for rows, name in ((50, "wide.index"), (0, "trained_IVF.index")):
        width = 2 * own if rows else own
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, 1)
        vectors = np.random.default_rng(0).standard_normal((50, width)).astype(np.float32)
        index.train(vectors)
        index.add(vectors[:rows])
        faiss.write_index(index, str(tmp_path / name))
        assert name in _refusal(run, "convert", short, "--index", tmp_path / name)


def test_every_unusable_sound_is_refused_in_one_sentence(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.full(1000, np.nan), 16_000, "FLOAT")
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 16_000)
    (tmp_path / "empty.mp3").write_bytes(b"")
    (tmp_path / "text.flac").write_text("no sound here")
    for name in ("nan.wav", "nothing.wav", "empty.mp3", "text.flac", "missing.wav"):
        assert name in _refusal(run, "convert", tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--pitch", "99"], "99"),
        (["--pitch", "high"], "high"),
        (["--protect", "0.9"], "--protect"),
        (["--index-rate", "nan"], "--index-rate"),
        (["--format", "wma"], "wma"),
        (["--device", "tpu"], "tpu"),
        (["-o", "out.xyz"], "out.xyz"),
        (["-o", "out.wav", "--format", "flac"], "flac"),
        (["-o", "missing-folder/out.wav"], "out.wav"),
        (["--output-dir", "missing-folder"], "missing-folder"),
        (["--f0-file", "missing.csv"], "missing.csv"),
        (["--speaker", "3"], "speaker 3"),
        (["--subtype", "float", "--format", "flac"], "FLAC"),
        (["--pitch-method", "rmvpe"], "rmvpe.pt"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_every_unusable_option_is_refused_in_one_sentence(
    run: Run, short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], word: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path / "models"))
    assert word in _refusal(run, "convert", short, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["short.wav"]


def test_a_community_voice_without_its_content_encoder_says_what_is_missing(
    run: Run, short: Path, tmp_path: Path
) -> None:
    voice = write_small_set(tmp_path / "voice").voice.weights
    sentence = _refusal(run, "convert", short, "--voice", voice, "--models-dir", tmp_path / "none")
    assert "content encoder" in sentence
    assert "hubert_base" in sentence


def test_no_command_is_refused_with_a_hint(run: Run) -> None:
    assert "--help" in _refusal(run)
    assert "--help" in _refusal(run, "sing")


def test_a_pitch_curve_sets_the_pitch(run: Run, short: Path, tmp_path: Path) -> None:
    from engine.pitch.yin import track_yin

    curve = tmp_path / "curve.csv"
    curve.write_text("seconds,hz\n0,220\n1,220\n")
    out = tmp_path / "out.wav"
    asked = ["--f0-file", curve, "--sample-rate", 16_000]
    assert run("convert", short, *asked, "-o", out)[0] == 0
    samples, _ = soundfile.read(out, dtype="float32")
    f0_hz = track_yin(torch.from_numpy(samples)).numpy()
    assert abs(1200 * np.log2(np.median(f0_hz[f0_hz > 0]) / 220)) < 20


def _start(*arguments: object, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "engine", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload,no-any-return]


def test_a_signal_stops_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(starter_speech(), 200), 16_000)
    results = tmp_path / "results"
    results.mkdir()
    process = _start("convert", long, "--output-dir", results, "--device", "cpu")
    time.sleep(4)  # in the middle of loading or of the work, whichever this machine has reached
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGTERM)  # before our first line, the system's own
    assert "Traceback" not in err
    assert list(results.iterdir()) == []


def test_a_full_stdout_does_not_stop_the_next_file(short: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = _start(
            "convert", short, short, "--output-dir", tmp_path, "--device", "cpu", stdout=full
        )
        _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in err
    assert len(list(tmp_path.glob("short (Starter)*.wav"))) == 2


def test_a_name_with_a_line_break_is_printed_on_one_line(run: Run, short: Path) -> None:
    odd = short.rename(short.with_name("two\nlines \U0001f3a4.wav"))
    code, out, err = run("convert", odd)
    assert (code, err, out.count("\n")) == (0, "", 1)


def test_the_source_itself_is_never_overwritten(run: Run, short: Path) -> None:
    before = short.read_bytes()
    assert "short.wav" in _refusal(run, "convert", short, "-o", short, "--overwrite")
    assert short.read_bytes() == before


def test_two_processes_that_choose_the_same_name_both_keep_their_result(
    short: Path, tmp_path: Path
) -> None:
    processes = [
        _start("convert", short, "--output-dir", tmp_path, stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert len(list(tmp_path.glob("short (Starter)*.wav"))) == 2
    for process in processes:
        assert process.stderr is not None
        process.stderr.close()


def test_numbers_of_any_length_are_refused_in_a_short_sentence(run: Run, short: Path) -> None:
    for option in ("--seed", "--speaker", "--sample-rate"):
        assert len(_refusal(run, "convert", short, option, "9" * 400)) < 300
