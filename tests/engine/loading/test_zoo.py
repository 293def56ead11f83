"""Archives as people publish them: the right voices come out, each with its index and picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.library.voice_library import VoiceLibrary
from engine.retrieval.index_file import read_index
from engine.voice_checkpoint import load_voice
from tests.engine.loading import zoo

ARCHIVES = zoo.archives()


def installed(library: VoiceLibrary) -> tuple[tuple[str, bool, bool], ...]:
    voices = [voice for voice in library.voices() if not voice.built_in]
    return tuple((v.name, v.index is not None, v.picture is not None) for v in voices)


def test_the_zoo_is_large() -> None:
    assert len(ARCHIVES) >= 40


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_from_the_wild_is_imported(
    library: VoiceLibrary, tmp_path: Path, name: str
) -> None:
    data, expected = ARCHIVES[name]
    source = tmp_path / name
    source.write_bytes(data)
    report = library.import_files([source])
    assert report.refused == ()
    assert installed(library) == expected
    assert source.read_bytes() == data
    for voice in (each.voice for each in report.imported):
        card = load_voice(voice.weights).card
        assert card.feature_channels == voice.facts["feature_channels"] == zoo.WIDTH
        assert voice.index is None or len(read_index(voice.index, zoo.WIDTH).rows) == 40
    assert list((library.root / ".staging").iterdir()) == []


@pytest.mark.parametrize("name", ["epochs.zip", "applio epochs.zip"])
def test_the_newest_epoch_is_imported_unless_one_is_chosen(
    library: VoiceLibrary, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(ARCHIVES[name][0])
    (newest,) = library.import_files([tmp_path / name]).imported
    (tmp_path / "200.pth").write_bytes(zoo.voice(200))
    again = library.import_files([tmp_path / "200.pth"]).imported[0]
    assert (again.outcome, again.voice.id) == ("already there", newest.voice.id)
    seen: list[int | None] = []

    def choose(candidates):  # type: ignore[no-untyped-def]
        seen.extend(candidate.training.epoch for candidate in candidates)
        return [each for each in candidates if each.training.epoch == 50]

    (oldest,) = library.import_files([tmp_path / name], choose=choose).imported
    assert sorted(filter(None, seen)) == [50, 100, 200]
    assert oldest.outcome == "added"
    assert oldest.voice.name == "aria 2"


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (
            "trained only.zip",
            "has lists but no vectors; ask the author for the index whose name begins with added_",
        ),
        ("index of a v1 voice.zip", "belongs to a v1 voice (256-wide features), the voice is 12"),
        ("broken index.zip", 'Cannot use the index "added_IVF3_Flat_nprobe_1_aria_v2.index"'),
        ("false picture.zip", '"a.png" cannot be used, it isn\'t a PNG, JPEG or WebP picture'),
        ("huge picture.zip", "it has 60000 × 60000 pixels"),
    ],
)
def test_skipped_files_are_named_with_the_reason(
    library: VoiceLibrary, tmp_path: Path, name: str, note: str
) -> None:
    (tmp_path / name).write_bytes(ARCHIVES[name][0])
    (imported,) = library.import_files([tmp_path / name]).imported
    assert len(imported.notes) == 1
    assert note in imported.notes[0]


def test_a_folder_is_imported_like_an_archive(library: VoiceLibrary, tmp_path: Path) -> None:
    folder = tmp_path / "my voices"
    (folder / "bela" / ".hidden").mkdir(parents=True)
    (folder / "aria.pth").write_bytes(zoo.voice())
    (folder / "added_IVF3_Flat_nprobe_1_aria_v2.index").write_bytes(zoo.index())
    (folder / "aria.png").write_bytes(zoo.png())
    (folder / "bela" / "bela.zip").write_bytes(zoo.packed({"bela.pth": zoo.voice(1)}))
    (folder / "bela" / ".hidden" / "x.pth").write_bytes(b"junk")
    (folder / "link.pth").symlink_to(tmp_path / "elsewhere.pth")
    before = sorted(folder.rglob("*"))
    library.import_files([folder])
    assert installed(library) == (("aria", True, True), ("bela", False, False))
    assert sorted(folder.rglob("*")) == before


def test_a_single_file_is_imported_with_the_index_of_its_name_beside_it(
    library: VoiceLibrary, tmp_path: Path
) -> None:
    (tmp_path / "aria_e200_s4000.pth").write_bytes(zoo.voice())
    (tmp_path / "added_IVF3_Flat_nprobe_1_bela_v2.index").write_bytes(zoo.index(seed=1))
    library.import_files([tmp_path / "aria_e200_s4000.pth"])
    assert installed(library) == (("aria", False, False),)
    (tmp_path / "added_IVF3_Flat_nprobe_1_aria_v2.index").write_bytes(zoo.index())
    (again,) = library.import_files([tmp_path / "aria_e200_s4000.pth"]).imported
    assert again.outcome == "completed"
    assert installed(library) == (("aria", True, False),)


def test_files_chosen_together_become_one_voice(library: VoiceLibrary, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("aria.pth", "whatever.index", "me.jpg")]
    for path, data in zip(paths, (zoo.voice(), zoo.index(), zoo.JPEG), strict=True):
        path.write_bytes(data)
    library.import_files(paths)
    assert installed(library) == (("aria", True, True),)


@pytest.mark.parametrize("form", ["pth", "old pth", "zip", "other labels", "safetensors"])
def test_the_same_voice_is_recognised_in_every_form(
    library: VoiceLibrary, tmp_path: Path, form: str
) -> None:
    first = tmp_path / "aria.pth"
    first.write_bytes(zoo.voice())
    (one,) = library.import_files([first]).imported
    forms = {
        "pth": zoo.voice(),
        "old pth": zoo.old_voice(),
        "zip": zoo.packed({"x/other name.pth": zoo.voice()}),
        "other labels": zoo.voice(author="me", epoch=3),
        "safetensors": one.voice.weights.read_bytes(),
    }
    ending = {"zip": ".zip", "safetensors": ".safetensors"}.get(form, ".pth")
    again = tmp_path / f"again{ending}"
    again.write_bytes(forms[form])
    (two,) = library.import_files([again]).imported
    assert (two.outcome, two.voice.id, two.voice.name) == ("already there", one.voice.id, "aria")
    assert len(library.voices()) == 2
