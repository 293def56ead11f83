"""``urvc voices``, ``urvc models`` and converting with an installed voice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.cli import main, models
from engine.library.networks import NETWORKS, Network
from engine.library.voice_library import VoiceLibrary
from engine.paths import starter_dir
from tests.engine.library.download.http_server import FaultServer, running_server
from tests.engine.loading import zoo
from tests.sound import starter_speech

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("URVC_VOICES_DIR", str(tmp_path / "voices"))
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)

    def _run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        return code, *capfd.readouterr()

    return _run


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with running_server() as running:
        yield running


def test_a_voice_is_imported_listed_shown_exported_and_removed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aria.zip").write_bytes(
        zoo.packed({"aria_e9_s8.pth": zoo.voice(), "aria.index": zoo.index()})
    )
    assert run("voices", "import", "aria.zip") == (0, "aria  (added)\n", "")
    code, out, err = run("voices", "import", "aria.zip", "--json")
    assert (code, json.loads(out)["outcome"], err) == (0, "already there", "")
    code, out, _ = run("voices", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["Starter", "aria"]
    assert "8 kHz   with index" in out
    listed = [json.loads(line) for line in run("voices", "list", "--json")[1].splitlines()]
    assert [voice["built_in"] for voice in listed] == [True, False]
    shown = json.loads(run("voices", "show", "ARIA", "--json")[1])
    assert shown == listed[1]
    rows = dict(line.split("  ", 1) for line in run("voices", "show", "aria")[1].splitlines())
    assert rows["sample rate hz"].strip() == "8000"
    code, out, err = run("voices", "export", "aria")
    assert (code, out, "exists already" in err) == (2, "", True)
    (tmp_path / "aria.zip").unlink()
    assert run("voices", "export", "aria") == (0, f"{tmp_path / 'aria.zip'}\n", "")
    code, out, _ = run("voices", "export", "aria", "-o", "mine.zip")
    assert (code, out) == (0, "mine.zip\n")
    assert run("voices", "remove", "aria", "--yes") == (0, "aria was removed\n", "")
    assert run("voices", "import", "mine.zip")[:2] == (0, "aria  (added)\n")


def test_several_sources_are_imported_and_an_invalid_one_is_an_error(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    (tmp_path / "any.index").write_bytes(zoo.index())
    (tmp_path / "bad.zip").write_bytes(b"no zip at all")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "bela.pth").write_bytes(zoo.voice(1))
    code, out, err = run("voices", "import", "aria.pth", "any.index", "bad.zip", "folder")
    assert code == 2
    assert sorted(out.splitlines()) == ["aria  (added)", "bela  (added)"]
    assert err.count("\n") == 1
    assert "bad.zip" in err
    assert VoiceLibrary().get("aria").index is not None


def test_every_epoch_is_imported_if_asked(run: Run, tmp_path: Path) -> None:
    files = {f"aria_e{n}.pth": zoo.voice(n) for n in (1, 2, 3)}
    (tmp_path / "aria.zip").write_bytes(zoo.packed(files))
    assert run("voices", "import", "aria.zip", "--all")[0] == 0
    assert len(VoiceLibrary().voices()) == 4


def test_what_was_left_out_is_printed_on_stderr(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aria.zip").write_bytes(
        zoo.packed({"aria.pth": zoo.voice(), "trained_aria.index": zoo.index(0)})
    )
    code, out, err = run("voices", "import", "aria.zip")
    assert (code, out) == (0, "aria  (added)\n")
    assert "trained_aria.index" in err


def test_a_link_is_asked_about_first(run: Run, server: FaultServer) -> None:
    link = server.put(zoo.packed({"aria.pth": zoo.voice()}), "/aria.zip")
    code, out, err = run("voices", "import", link)
    assert (code, out) == (2, "")
    assert "Download aria.zip (" in err
    assert ": aria.pth)?" in err
    assert "--yes" in err
    assert [seen.method for seen in server.seen] == ["HEAD", "GET"]
    assert server.seen[-1].headers["Range"].startswith("bytes=")
    assert run("voices", "import", link, "--yes") == (0, "aria  (added)\n", "")
    assert VoiceLibrary().get("aria").source == link


def test_the_settings_of_a_voice_are_saved_shown_and_reset(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    assert run("voices", "import", "aria.pth")[0] == 0
    assert run("voices", "defaults", "aria") == (0, "", "")
    expected = "pitch method  yin\nsemitones  12.0\n"
    told = run("voices", "defaults", "aria", "--pitch", 12, "--pitch-method", "yin")
    assert told == (0, expected, "")
    assert run("voices", "defaults", "aria", "--f0-min", 50) == (0, expected, "")  # as always
    assert VoiceLibrary().get("aria").options().semitones == 12
    assert run("voices", "defaults", "aria", "--reset", "--protect", 0.1)[1] == "protect  0.1\n"
    code, out, err = run("voices", "defaults", "aria", "--protect", 7)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert run("voices", "defaults", "starter", "--pitch", 1)[0] == 2
    assert VoiceLibrary().get("aria").defaults == {"protect": 0.1}


def put_repository(server: FaultServer) -> str:
    """A repository with two voices; the address of its page."""
    entries = []
    for number, name in enumerate(("aria", "bela")):
        body = zoo.packed({f"{name}.pth": zoo.voice(number)})
        entries.append({"type": "file", "path": f"{name}.zip", "size": len(body)})
        server.put(body, f"/ann/voices/resolve/main/{name}.zip")
    listing = json.dumps(entries).encode()
    server.put(listing, "/api/models/ann/voices/tree/main?recursive=true")
    return server.url("/ann/voices")


def test_of_several_voices_behind_a_link_one_is_chosen_by_number(
    run: Run, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URVC_MIRROR", server.base)
    link = put_repository(server)
    code, out, err = run("voices", "import", link, "--yes")
    assert (code, out) == (2, "")
    assert [line.split()[:2] for line in err.splitlines()[:2]] == [
        ["1", "aria.zip"],
        ["2", "bela.zip"],
    ]
    assert "there are 2; add --choose" in err.splitlines()[2]
    code, _, err = run("voices", "import", link, "--yes", "--choose", 3)
    assert (code, "no number 3" in err) == (2, True)
    assert run("voices", "import", link, "--yes", "--choose", 2) == (0, "bela  (added)\n", "")


def test_removing_asks_first_and_refusals_are_sentences(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    assert run("voices", "import", "aria.pth")[0] == 0
    for arguments, word in (
        (["remove", "aria"], "--yes"),
        (["remove", "starter"], "part of the program"),
        (["show", "bela"], "no voice of that name"),
        (["export", "aria", "-o", "none/x.zip"], "folder does not exist"),
        (["import", "none.pth"], "none.pth"),
        ([], "--help"),
    ):
        code, out, err = run("voices", *arguments)
        assert (code, out) == (2, "")
        assert word in err
        assert err.count("\n") == 1
    assert VoiceLibrary().get("aria").name == "aria"


@pytest.fixture
def installed(run: Run, tmp_path: Path) -> Path:
    """The starter under another name, as an installed voice; its library's folder."""
    (tmp_path / "Solo.pth").write_bytes((starter_dir() / "voice.pth").read_bytes())
    (tmp_path / "Solo.index").write_bytes((starter_dir() / "starter.index").read_bytes())
    assert run("voices", "import", "Solo.pth")[0] == 0
    soundfile.write(tmp_path / "in.wav", starter_speech()[:8_000], 16_000)
    return tmp_path / "voices"


def samples(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def test_an_installed_voice_sounds_as_its_file_does(
    run: Run, tmp_path: Path, installed: Path
) -> None:
    files = ["--voice", "Solo.pth", "--index", "Solo.index"]
    assert run("convert", "in.wav", *files, "-o", "by_file.wav")[0] == 0
    code, out, err = run("convert", "in.wav", "--voice", "solo")
    assert (code, err) == (0, "")
    assert "in (Solo).wav" in out
    by_name = samples(tmp_path / "in (Solo).wav")
    assert np.array_equal(by_name, samples(tmp_path / "by_file.wav"))


def test_defaults_of_a_voice_are_used_and_explicit_options_win(
    run: Run, tmp_path: Path, installed: Path
) -> None:
    VoiceLibrary().set_defaults("Solo", {"semitones": 5.0, "index_rate": 0.0})
    explicit = ["--voice", "Solo.pth", "--pitch", 5, "--index-rate", 0]
    assert run("convert", "in.wav", *explicit, "-o", "expected.wav")[0] == 0
    assert run("convert", "in.wav", "--voice", "Solo", "-o", "defaults.wav")[0] == 0
    overruled = ["--voice", "Solo", "--pitch", 0, "-o", "overruled.wav"]
    assert run("convert", "in.wav", *overruled)[0] == 0
    expected = samples(tmp_path / "expected.wav")
    assert np.array_equal(samples(tmp_path / "defaults.wav"), expected)
    assert not np.array_equal(samples(tmp_path / "overruled.wav"), expected)


def test_an_unknown_voice_is_refused_by_name(run: Run, installed: Path) -> None:
    code, out, err = run("convert", "in.wav", "--voice", "Nobody")
    assert (code, out) == (2, "")
    assert '"Nobody"' in err
    assert "Starter, Solo" in err
    assert "none.pth" in run("convert", "in.wav", "--voice", "none.pth")[2]


@pytest.fixture
def pitch(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A small network, alone in the table, on a server that stands in for the hub."""
    body = b"weights" * 999
    network = next(each for each in NETWORKS if each.key == "pitch")
    file = replace(
        network.weights,
        size_bytes=len(body),
        about_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    server.put(body, file.url_path or "")
    small = replace(network, variants=((file,),))
    monkeypatch.setattr(models, "NETWORKS", (small,))
    monkeypatch.setenv("URVC_MIRROR", server.base)
    return small


def test_networks_are_downloaded_verified_and_removed(
    run: Run, tmp_path: Path, pitch: Network, server: FaultServer
) -> None:
    path = tmp_path / "models" / "rmvpe.pt"
    assert run("models", "list")[1].startswith("missing    pitch")
    code, out, err = run("models", "download")
    assert (code, out, "--yes" in err, server.seen) == (2, "", True, [])
    assert run("models", "download", "--yes") == (0, f"pitch -> {path}\n", "")
    assert run("models", "download", "--yes")[1] == "Nothing to download.\n"
    assert json.loads(run("models", "list", "--json")[1])["state"] == "installed"
    assert run("models", "verify") == (0, "right    pitch\n", "")
    path.write_bytes(b"W" + path.read_bytes()[1:])
    code, out, _ = run("models", "verify", "--json")
    assert (code, json.loads(out)["state"]) == (2, "damaged")
    code, _, err = run("models", "remove", "pitch")
    assert (code, path.exists()) == (2, True)
    assert run("models", "remove", "pitch", "--yes") == (0, "pitch was removed\n", "")
    assert run("models", "remove", "pitch", "--yes")[1] == "pitch was not installed\n"


def test_a_file_that_the_user_has_is_taken_if_it_is_the_right_one(
    run: Run, tmp_path: Path, pitch: Network
) -> None:
    own = tmp_path / "my rmvpe.pt"
    own.write_bytes(b"Weights" * 999)
    code, out, err = run("models", "use", "pitch", own)
    assert (code, out) == (2, "")
    assert "SHA-256 differs" in err
    own.write_bytes(b"weights" * 999)
    assert run("models", "use", "pitch", own)[0] == 0
    assert own.exists()
    assert "no network has that name" in run("models", "use", "rhythm", own)[2]


def test_a_mirror_without_protection_is_refused(run: Run, pitch: Network) -> None:
    code, out, err = run("models", "download", "--yes", "--mirror", "http://mirror.example")
    assert (code, out) == (2, "")
    assert "https" in err


def test_a_licence_that_must_be_read_is_not_accepted_by_default(
    run: Run, pitch: Network, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = replace(pitch, licence="GPL-3.0", licence_first=True)
    monkeypatch.setattr(models, "NETWORKS", (locked,))
    assert run("models", "download", "--yes")[1] == "Nothing to download.\n"
    code, out, err = run("models", "download", "pitch", "--yes")
    assert (code, out, server.seen) == (2, "", [])
    assert "its licence (GPL-3.0) was not accepted" in err
    assert run("models", "download", "pitch", "--yes", "--accept-licence")[0] == 0
