"""The library: nothing is lost, nothing half-done is seen, and two processes do not disturb it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.cli.convert import chosen_voice
from engine.errors import (
    ConversionCancelled,
    IndexFileError,
    LibraryError,
    OptionError,
    UserError,
    VoiceFileError,
)
from engine.library.download.retry import Pacing
from engine.library.export import export_voice
from engine.library.importing import facts_of
from engine.library.installed_voice import InstalledVoice, starter_voice, voices_dir
from engine.library.link import RemoteFile, VoiceOffer
from engine.library.staging import KEEP_DOWNLOADS_S, clean_up
from engine.library.voice_library import VoiceLibrary
from engine.options import ConversionOptions
from engine.progress import CancelToken
from engine.voice_checkpoint import load_voice
from engine.voice_record import content_sha256, read_record
from tests.engine.library.download.http_server import Fault, running_server
from tests.engine.loading import zoo
from tests.engine.loading.test_voice_checkpoint import HOSTILE_LABELS, SHOWN
from tests.weights_maker import small_record

ROOT = Path(__file__).parents[3]


@pytest.fixture
def aria(library: VoiceLibrary, tmp_path: Path) -> InstalledVoice:
    path = tmp_path / "aria.zip"
    files = {"aria.pth": zoo.voice(epoch=7, author="Ann"), "aria.index": zoo.index()}
    path.write_bytes(zoo.packed({**files, "aria.png": zoo.png()}))
    return library.import_files([path]).imported[0].voice


def put(library: VoiceLibrary, folder: Path, name: str, singer: int) -> InstalledVoice:
    (folder / f"{name}.pth").write_bytes(zoo.voice(singer))
    return library.import_files([folder / f"{name}.pth"]).imported[0].voice


def test_the_starter_is_always_there_and_cannot_be_changed(library: VoiceLibrary) -> None:
    (starter,) = library.voices()
    assert starter.facts == facts_of(load_voice(starter.weights).card)
    assert starter.content_sha256 == content_sha256(read_record(starter.weights))
    assert starter.index is not None
    assert starter.index.is_file()
    changes: list[Callable[[], object]] = [
        lambda: library.remove("starter"),
        lambda: library.rename("Starter", "Mine"),
        lambda: library.set_defaults("starter", {"semitones": 1.0}),
        lambda: library.set_picture("starter", None),
    ]
    for change in changes:
        with pytest.raises(LibraryError, match="part of the program"):
            change()
    assert starter.weights.is_file()


def test_the_card_keeps_source_hash_date_and_facts(
    library: VoiceLibrary, aria: InstalledVoice
) -> None:
    card = json.loads((aria.folder / "card.json").read_text(encoding="utf-8"))
    assert card["source"] == "aria.zip"
    assert card["content_sha256"].startswith(aria.id)
    assert card["imported"].endswith("+00:00")
    assert (card["facts"]["epochs"], card["facts"]["author"]) == (7, "Ann")
    assert library.get("aria") == aria
    assert {path.name for path in aria.folder.iterdir()} == {
        "card.json",
        "voice.safetensors",
        "voice.index",
        "voice.rows",
        "picture.png",
    }


def test_the_stored_voice_has_the_same_networks_and_card(tmp_path: Path) -> None:
    labels = {
        "epoch": 7,
        "author": "Ann",
        "f0": "1",
        "info": "π",
        "sr": "40k",
        "creation_date": 3.5,
    }
    (tmp_path / "aria.pth").write_bytes(zoo.voice(**labels))
    before = load_voice(tmp_path / "aria.pth")
    library = VoiceLibrary(tmp_path / "library")
    after = load_voice(library.import_files([tmp_path / "aria.pth"]).imported[0].voice.weights)
    assert after.sizes == before.sizes
    assert before.state.keys() == after.state.keys()
    assert all(torch.equal(before.state[name], after.state[name]) for name in before.state)
    differ = {"path", "bytes_on_disk"}
    for name, value in vars(before.card).items():
        assert name in differ or getattr(after.card, name) == value


def test_a_voice_is_found_by_every_way_to_type_its_name(
    library: VoiceLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = library.rename(put(library, tmp_path, "zoe", 1).id, "Zoë 하늘")
    for key in ("Zoe\u0308 하늘", "ZOE\u0308 하늘", unicodedata.normalize("NFD", "zoë 하늘")):
        assert library.get(key) == voice
    (tmp_path / "slash.pth").write_bytes(zoo.voice(2, model_name="AC/DC tribute"))
    slash = library.import_files([tmp_path / "slash.pth"]).imported[0].voice
    monkeypatch.setenv("URVC_VOICES_DIR", str(library.root))
    for name in ("slash", "AC/DC"):
        named = library.rename(slash.id, name)
        for key in ("AC/DC tribute", name.lower()):  # by its checkpoint, by its own name
            assert library.get(key) == named
            assert chosen_voice(key) == named
    missing = chosen_voice("AC/DC/none")
    assert missing.weights == Path("AC/DC/none")


def test_labels_that_contradict_the_weights_are_corrected_and_said_once(
    library: VoiceLibrary, tmp_path: Path
) -> None:
    (tmp_path / "aria.pth").write_bytes(zoo.voice(f0=0, version="v1"))
    (imported,) = library.import_files([tmp_path / "aria.pth"]).imported
    assert ["labelled" in str(note) for note in imported.notes] == [True, True]
    assert imported.voice.facts["pitch_guided"] is True
    assert "notes" not in imported.voice.facts
    assert load_voice(imported.voice.weights).card.notes == ()


@pytest.mark.parametrize(
    ("embedder", "said"),
    [
        ("contentvec", ""),
        ("spin-v2", 'content encoder "spin-v2"; fetch it with "urvc models download spin-v2"'),
        ("Chinese_HuBERT_base", '"urvc models download chinese-hubert-base"'),
        ("my-own", 'content encoder "my-own", which is not known here; put its config.json'),
        ('<img src="file:///dev/zero">', "cannot be used yet. Cannot find the content encoder"),
    ],
)
def test_a_voice_of_another_content_encoder_says_which_at_its_import(
    library: VoiceLibrary,
    tmp_path: Path,
    embedder: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "aria.pth").write_bytes(zoo.voice(embedder_model=embedder))
    (imported,) = library.import_files([tmp_path / "aria.pth"]).imported
    notes = [str(note) for note in imported.notes]
    assert [said in note for note in notes] == ([True] if said else [])


def test_nothing_is_said_of_a_content_encoder_that_is_installed(
    library: VoiceLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URVC_MODELS_DIR", str(tmp_path))
    (tmp_path / "spin").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "spin" / name).write_bytes(b"x")
    (tmp_path / "aria.pth").write_bytes(zoo.voice(embedder_model="spin"))
    assert library.import_files([tmp_path / "aria.pth"]).imported[0].notes == ()


def test_hostile_labels_can_be_stored_and_read_again(tmp_path: Path) -> None:
    library = VoiceLibrary(tmp_path / "library")
    for number, value in enumerate(HOSTILE_LABELS):
        record = {**small_record(), **dict.fromkeys(SHOWN, value), "\ud800odd": value}
        record["weight"]["enc_p.proj.bias"] += number
        torch.save(record, tmp_path / f"voice {number}.pth")
        (imported,) = library.import_files([tmp_path / f"voice {number}.pth"]).imported
        assert imported.outcome == "added"
        stored = vars(load_voice(imported.voice.weights).card)
        original = vars(load_voice(tmp_path / f"voice {number}.pth").card)
        differ = dict.fromkeys(("path", "bytes_on_disk"))
        assert {**stored, **differ} == {**original, **differ}
        assert imported.voice.facts.items() <= original.items()


def test_the_original_is_kept_if_asked(library: VoiceLibrary, tmp_path: Path) -> None:
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    (first,) = library.import_files([tmp_path / "aria.pth"]).imported
    assert first.voice.original is None
    (second,) = library.import_files([tmp_path / "aria.pth"], keep_original=True).imported
    assert second.outcome == "completed"
    assert second.voice.original is not None
    assert second.voice.original.read_bytes() == zoo.voice()


def test_voices_are_found_by_id_and_name(library: VoiceLibrary, tmp_path: Path) -> None:
    first, second = put(library, tmp_path, "Aria", 1), put(library, tmp_path, "aria", 2)
    assert second.name == "aria 2"
    assert library.get("aria") == library.get("ARIA") == library.get(first.id) == first
    with pytest.raises(
        LibraryError, match=r'"bela": no voice.*installed ones are Starter, Aria, aria 2'
    ):
        library.get("bela")
    card = second.folder / "card.json"
    card.write_text(card.read_text(encoding="utf-8").replace("aria 2", "Aria"), encoding="utf-8")
    with pytest.raises(LibraryError, match=f"2 voices have that name; choose by id: .*{second.id}"):
        library.get("Aria")


def test_a_voice_is_renamed_and_keeps_its_id(library: VoiceLibrary, aria: InstalledVoice) -> None:
    renamed = library.rename("aria", "  Björk\n♥ \u202eevil ")
    assert (renamed.name, renamed.id, renamed.index) == ("Björk ♥ evil", aria.id, aria.index)
    assert library.rename("Björk ♥ evil", "Aria").name == "Aria"
    for name in ("", " \n", "STARTER"):
        with pytest.raises(LibraryError, match=r"empty|another voice"):
            library.rename("Aria", name)


def test_defaults_are_checked_kept_and_overruled(
    library: VoiceLibrary, aria: InstalledVoice
) -> None:
    changed = library.set_defaults("aria", {"semitones": 12.0, "protect": 0.33, "speaker": 2})
    assert changed.defaults == {"semitones": 12.0, "speaker": 2}
    options = library.get("aria").options(semitones=-1.0, seed=4)
    assert (options.semitones, options.speaker, options.seed) == (-1.0, 2, 4)
    for wrong in ({"semitones": 99.0}, {"seed": 1}, {"nonsense": 1}, {"semitones": "high"}):
        with pytest.raises(OptionError):
            library.set_defaults("aria", wrong)
    assert library.get("aria") == changed
    assert library.set_defaults("aria", {}).defaults == {}
    assert starter_voice().options() == ConversionOptions()


def test_pictures_and_indexes_are_replaced_by_copies_that_fit(
    library: VoiceLibrary, aria: InstalledVoice, tmp_path: Path
) -> None:
    jpeg, other = tmp_path / "me.png", tmp_path / "other.index"
    jpeg.write_bytes(zoo.JPEG)
    other.write_bytes(zoo.index(20))
    changed = library.set_picture("aria", jpeg)
    assert changed.picture == aria.folder / "picture.jpg"
    assert not (aria.folder / "picture.png").exists()
    with pytest.raises(LibraryError, match="isn't a PNG, JPEG or WebP"):
        library.set_picture("aria", other)
    assert library.get("aria").picture == changed.picture
    assert library.set_picture("aria", None).picture is None
    assert aria.index is not None
    assert library.set_index("aria", other).index == aria.index
    assert aria.index.read_bytes() == other.read_bytes()
    other.write_bytes(zoo.index(20, 256))
    with pytest.raises(IndexFileError, match=r'"other\.index".*v1 voice'):
        library.set_index("aria", other)
    assert aria.index.read_bytes() == zoo.index(20)
    assert jpeg.exists()


def test_a_removed_voice_goes_to_the_trash_under_its_name(
    library: VoiceLibrary, aria: InstalledVoice, tmp_path: Path
) -> None:
    library.rename("aria", "A/B: C")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    library.remove("A/B: C", lambda folder: shutil.move(folder, bin_))
    assert [path.name for path in bin_.iterdir()] == ["A_B_ C"]
    assert [voice.name for voice in library.voices()] == ["Starter"]


def test_a_voice_that_the_trash_refuses_stays(library: VoiceLibrary, aria: InstalledVoice) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(LibraryError, match="disk is full"):
        library.remove("aria", full)
    assert library.get("aria") == aria
    library.remove("aria")
    assert not aria.folder.exists()


def test_a_damaged_card_hides_only_itself(library: VoiceLibrary, aria: InstalledVoice) -> None:
    for content in (b"", b"{", b"[]", b'{"name": 3, "defaults": {"semitones": 1e99}}', b"\xff" * 9):
        (aria.folder / "card.json").write_bytes(content)
        found = library.get(aria.id)
        assert (found.name, found.defaults) == (aria.id, {})
        assert load_voice(found.weights).card.epochs == 7
    (aria.folder / "card.json").unlink()
    assert library.rename(aria.id, "aria").name == "aria"
    (aria.folder / "voice.safetensors").unlink()
    assert [voice.name for voice in library.voices()] == ["Starter"]


def test_a_card_of_an_earlier_version_is_read(library: VoiceLibrary, aria: InstalledVoice) -> None:
    (aria.folder / "card.json").write_text(
        """{
 "format": 1,
 "name": "Aria 2024",
 "source": "https://example.org/aria.zip",
 "imported": "2026-01-02T03:04:05+00:00",
 "content_sha256": "0123456789abcdef",
 "defaults": {"semitones": 12.0, "index_rate": 0.5, "of_a_newer_version": 1},
 "facts": {"version": "v2", "sample_rate_hz": 40000, "pitch_guided": true, "author": null}
}""",
        encoding="utf-8",
    )
    voice = library.get("Aria 2024")
    assert (voice.id, voice.source) == (aria.id, "https://example.org/aria.zip")
    assert (voice.imported, voice.content_sha256) == (
        "2026-01-02T03:04:05+00:00",
        "0123456789abcdef",
    )
    assert voice.defaults == {"semitones": 12.0, "index_rate": 0.5}
    assert voice.facts["sample_rate_hz"] == 40_000


def test_a_removed_voice_can_be_put_back(
    library: VoiceLibrary, aria: InstalledVoice, tmp_path: Path
) -> None:
    trash = tmp_path / "trash"
    library.remove(aria.id, trash=lambda folder: folder.rename(trash))
    assert library.put_back(aria.id, trash) == aria
    assert not trash.exists()


def test_what_cannot_be_put_back_stays_in_the_trash(
    library: VoiceLibrary, aria: InstalledVoice, tmp_path: Path
) -> None:
    trash = tmp_path / "trash"
    library.remove(aria.id, trash=lambda folder: folder.rename(trash))
    library.import_files([library.root.parent / "aria.zip"])
    with pytest.raises(LibraryError, match="installed again meanwhile"):
        library.put_back(aria.id, trash)
    assert (trash / aria.weights.name).is_file()
    library.rename(aria.id, "Other")
    library.remove(aria.id)
    with pytest.raises(LibraryError, match="no longer in the trash"):
        library.put_back(aria.id, tmp_path / "nothing")
    assert library.put_back(aria.id, trash).name == aria.name


def test_a_folder_without_weights_is_replaced(library: VoiceLibrary, aria: InstalledVoice) -> None:
    aria.weights.unlink()
    source = library.root.parent / "aria.zip"
    (again,) = library.import_files([source]).imported
    assert (again.outcome, again.voice.id) == ("added", aria.id)
    assert load_voice(again.voice.weights).card.epochs == 7


def test_one_bad_voice_does_not_strand_the_others(library: VoiceLibrary, tmp_path: Path) -> None:
    path = tmp_path / "both.zip"
    path.write_bytes(zoo.packed({"aria.pth": zoo.voice(), "bela.pth": zoo.voice(1)[:5000]}))
    report = library.import_files([path])
    assert [each.voice.name for each in report.imported] == ["aria"]
    assert len(report.refused) == 1
    assert '"bela.pth"' in str(report.refused[0])


def test_an_import_that_is_cancelled_leaves_nothing(library: VoiceLibrary, tmp_path: Path) -> None:
    path = tmp_path / "aria.zip"
    path.write_bytes(zoo.packed({"aria.pth": zoo.voice(), "aria.index": zoo.index()}))
    for moment in (0.1, 0.5, 0.8):
        cancel = CancelToken()

        def heard(fraction: float, moment: float = moment, cancel: CancelToken = cancel) -> None:
            if fraction >= moment:
                cancel.cancel()

        with pytest.raises(ConversionCancelled):
            library.import_files([path], listener=heard, cancel=cancel)
        assert list((library.root / ".staging").iterdir()) == []
        assert len(library.voices()) == 1


def test_progress_rises_to_the_end(library: VoiceLibrary, tmp_path: Path) -> None:
    path = tmp_path / "both.zip"
    path.write_bytes(zoo.packed({"aria.pth": zoo.voice(), "bela.pth": zoo.voice(1)}))
    heard: list[float] = []
    library.import_files([path], listener=heard.append)
    assert heard == sorted(heard)
    assert (heard[-1], len(heard) > 5) == (1.0, True)


_IMPORTER = """
import sys, time
from pathlib import Path
from engine.library.voice_library import VoiceLibrary
from engine import voice_checkpoint as checkpoint
from engine import voice_record as stored
root, mode = Path(sys.argv[1]), sys.argv[2]
if mode == "hang":
    whole = stored.write_stored
    def slow(record, path):
        whole(record, path)
        print("writing", flush=True)
        time.sleep(60)
    stored.write_stored = slow
print("ready", flush=True)
for line in sys.stdin:
    report = VoiceLibrary(root).import_files([Path(line.strip())])
    print(report.imported[0].outcome, flush=True)
"""


def importer(library: VoiceLibrary, mode: str = "") -> subprocess.Popen[str]:
    """Another process that imports the files it is told; ready when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", _IMPORTER, str(library.root), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert said(process) == "ready"
    return process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], source: Path) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{source}\n")
    process.stdin.flush()


def test_two_processes_that_import_at_once_install_each_voice_once(
    library: VoiceLibrary, tmp_path: Path
) -> None:
    other = importer(library)
    for singer in range(6):
        here, there = tmp_path / f"{singer}.pth", tmp_path / f"copy {singer}.pth"
        for path in (here, there):
            path.write_bytes(zoo.voice(singer))
        tell(other, there)
        outcome = library.import_files([here]).imported[0].outcome
        assert sorted((outcome, said(other))) == ["added", "already there"]
    other.communicate()
    assert other.returncode == 0
    assert len(library.voices()) == 7
    assert list((library.root / ".staging").iterdir()) == []


def test_what_a_killed_import_leaves_is_cleaned_at_the_next_start(
    library: VoiceLibrary, tmp_path: Path
) -> None:
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    hanging = importer(library, "hang")
    tell(hanging, tmp_path / "aria.pth")
    assert said(hanging) == "writing"
    staging = library.root / ".staging"
    assert VoiceLibrary(library.root).voices() == library.voices() == (starter_voice(),)
    assert len(list(staging.iterdir())) == 1  # one that is alive is left alone
    os.kill(hanging.pid, signal.SIGKILL)
    hanging.communicate()
    VoiceLibrary(library.root)
    assert list(staging.iterdir()) == []
    assert library.import_files([tmp_path / "aria.pth"]).imported[0].outcome == "added"


def test_an_exported_voice_can_be_imported_as_the_same_voice(
    library: VoiceLibrary, aria: InstalledVoice, tmp_path: Path
) -> None:
    path = export_voice(aria, tmp_path / "out.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["aria.pth", "aria.index", "aria.png"]
        archive.extractall(tmp_path / "out")
    record = torch.load(tmp_path / "out" / "aria.pth", weights_only=True)
    original = torch.load(_file(tmp_path, zoo.voice(epoch=7, author="Ann")), weights_only=True)
    assert record.keys() == original.keys()
    assert record["config"] == original["config"]
    assert (record["epoch"], record["author"], record["version"]) == (7, "Ann", "v2")
    assert all(torch.equal(record["weight"][n], original["weight"][n]) for n in original["weight"])
    assert all(tensor.dtype == torch.float16 for tensor in record["weight"].values())
    (again,) = library.import_files([path]).imported
    assert (again.outcome, again.voice.id) == ("already there", aria.id)
    with pytest.raises(LibraryError, match="exists already"):
        export_voice(aria, path)
    export_voice(aria, path, overwrite=True)
    (tmp_path / "empty").mkdir()
    assert export_voice(aria, tmp_path / "empty") == tmp_path / "empty" / "aria.zip"
    with pytest.raises(LibraryError, match="ends in"):
        export_voice(aria, tmp_path / "out.pth")
    with pytest.raises(LibraryError, match="Cannot export"):
        export_voice(aria, tmp_path / "none" / "out.zip")


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "original.pth"
    path.write_bytes(content)
    return path


def test_the_starter_can_be_exported(tmp_path: Path) -> None:
    path = export_voice(starter_voice(), tmp_path)
    (imported,) = VoiceLibrary(tmp_path / "library").import_files([path]).imported
    assert imported.voice.name == "Starter 2"
    assert imported.voice.facts["embedder"] == "urvc-starter"
    assert imported.voice.index is not None


def test_a_voice_is_imported_from_a_link_and_a_broken_download_continues(
    library: VoiceLibrary,
) -> None:
    data = zoo.packed({"aria.pth": zoo.voice()})
    at_once = Pacing(attempts=1, sleep=lambda _: None)
    with running_server() as server:
        url = server.put(data, "/aria.zip")
        offer = VoiceOffer("aria.zip", (RemoteFile(url, "aria.zip", len(data)),))
        server.faults.append(Fault(cut=30_000))
        with pytest.raises(UserError, match=r"aria\.zip"):
            library.import_offer(offer, pacing=at_once)
        assert len(library.voices()) == 1
        (imported,) = library.import_offer(offer, pacing=at_once).imported
        assert server.seen[-1].headers.get("Range", "").startswith("bytes=")
    assert (imported.voice.name, imported.voice.source) == ("aria", url)
    assert [path.name for path in (library.root / ".downloads").iterdir()] == []


def test_a_bad_file_from_an_address_is_not_kept(library: VoiceLibrary) -> None:
    with running_server() as server:
        url = server.put(b"no voice" * 999, "/aria.pth")
        offer = VoiceOffer("aria.pth", (RemoteFile(url, "aria.pth", None),))
        with pytest.raises(VoiceFileError, match=r"aria\.pth"):
            library.import_offer(offer)
    assert list((library.root / ".downloads").iterdir()) == []


def test_forgotten_downloads_are_deleted_after_a_week(library: VoiceLibrary) -> None:
    folder = library.root / ".downloads" / "0123"
    folder.mkdir(parents=True)
    clean_up(library.root, time.time() + KEEP_DOWNLOADS_S - 60)
    assert folder.exists()
    clean_up(library.root, time.time() + KEEP_DOWNLOADS_S + 60)
    assert not folder.exists()


def test_a_library_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "aria.pth").write_bytes(zoo.voice())
    library = VoiceLibrary(tmp_path / "file" / "voices")
    assert len(library.voices()) == 1
    with pytest.raises(LibraryError, match="Cannot import"):
        library.import_files([tmp_path / "aria.pth"])


def test_the_folder_is_the_given_one_then_the_environments_then_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URVC_VOICES_DIR", str(tmp_path))
    assert voices_dir(Path("~/here")) == Path.home() / "here"
    assert voices_dir() == tmp_path
    monkeypatch.setenv("URVC_VOICES_DIR", "")
    assert voices_dir().parts[-2:] == ("Ultimate RVC", "voices")


def test_listing_voices_does_not_import_torch() -> None:
    code = (
        "import sys; from engine.library.voice_library import VoiceLibrary; VoiceLibrary().voices()"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"], cwd=ROOT, check=False
    )
    assert done.returncode == 0
