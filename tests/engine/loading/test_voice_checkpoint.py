"""Loading voices: the weights decide, everything must fit, every refusal gives its reason."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import ConversionOptions, Converter, VoiceFiles
from engine.errors import VoiceFileError, WeightsError
from engine.models.synthesizer import build_synthesizer, state_shapes
from engine.models.synthesizer_sizes import Vocoder
from engine.paths import starter_dir
from engine.retrieval.index_file import read_index
from engine.voice import find_encoder
from engine.voice_checkpoint import load_voice
from engine.voice_record import content_sha256, read_record, write_stored
from tests.engine.small_set import write_small_set
from tests.weights_maker import SMALL_CONFIG, manifest, small_record, small_sizes

STARTER = starter_dir() / "voice.pth"
VOICES = ["v1_32k", "v2_32k_nof0", "v2_40k", "v2_48k", "v2_48k_mrf", "v2_40k_refinegan"]


def saved(tmp_path: Path, record: dict[str, Any]) -> Path:
    path = tmp_path / "aria.pth"
    torch.save(record, path)
    return path


@pytest.mark.parametrize("vocoder", Vocoder)
def test_every_kind_of_voice_is_recognised_by_its_weights(tmp_path: Path, vocoder: Vocoder) -> None:
    voice = load_voice(saved(tmp_path, small_record(vocoder)))
    assert voice.card.vocoder == vocoder.value
    assert voice.card.pitch_guided == (vocoder is not Vocoder.PLAIN)
    assert voice.sizes == small_sizes(vocoder)
    assert {name: tuple(t.shape) for name, t in voice.state.items()} == state_shapes(voice.sizes)
    assert all(tensor.dtype == torch.float32 for tensor in voice.state.values())
    build_synthesizer(voice.sizes, voice.state)


@pytest.mark.parametrize("name", VOICES)
def test_every_golden_voice_has_exactly_the_expected_layers(tmp_path: Path, name: str) -> None:
    golden = manifest(f"voice_{name}")
    weights = {key: torch.ones(shape, dtype=torch.half) for key, shape in golden["tensors"].items()}
    labels = {key: golden[key] for key in ("config", "version", "f0", "vocoder", "sr")}
    card = load_voice(saved(tmp_path, {"weight": weights, **labels})).card
    assert (card.version, card.sample_rate_hz) == (golden["version"], golden["sr"])
    assert card.content_layer == (9 if name == "v1_32k" else None)
    assert card.speakers == 109


def test_weight_norm_is_folded_in_both_spellings(tmp_path: Path) -> None:
    record = small_record()
    old = load_voice(saved(tmp_path, record)).state
    renamed = {
        name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): tensor
        for name, tensor in record["weight"].items()
    }
    assert renamed.keys() != record["weight"].keys()
    new = load_voice(saved(tmp_path, {**record, "weight": renamed})).state
    assert all(torch.equal(new[name], old[name]) for name in old)
    length = record["weight"]["dec.ups.0.weight_g"].float()
    direction = record["weight"]["dec.ups.0.weight_v"].float()
    expected = torch._weight_norm(direction, length, 0)
    torch.testing.assert_close(old["dec.ups.0.weight"], expected, rtol=1e-6, atol=1e-7)


def test_the_card_shows_the_labels_of_the_trainer(tmp_path: Path) -> None:
    labels = {
        "epoch": 200,
        "step": "4000",
        "author": "  Ana\n",
        "model_name": "aria",
        "embedder_model": "spin",
        "info": "200epoch",
        "speakers_id": 1,
        "sr": "40k",  # decoration: the config's rate counts
        "creation_date": "2025-01-02T03:04:05",
        "dataset_length": "00:10:00",
    }
    card = load_voice(saved(tmp_path, {**small_record(), **labels})).card
    assert (card.epochs, card.steps, card.author, card.model_name) == (200, 4000, "Ana", "aria")
    assert (card.embedder, card.info, card.sample_rate_hz) == ("spin", "200epoch", 8000)
    assert (card.speakers, card.speakers_trained) == (3, 1)
    assert card.bytes_on_disk == card.path.stat().st_size
    assert card.parameters > 5000


def test_the_starter_voice_loads_with_its_own_widths() -> None:
    voice = load_voice(STARTER)
    sizes, state = voice.sizes, voice.state
    assert state["enc_p.emb_phone.weight"].shape[1] == sizes.feature_channels
    assert state["dec.conv_pre.weight"].shape[1] == sizes.inter_channels
    assert state["emb_g.weight"].shape == (sizes.speakers, sizes.gin_channels)
    assert sizes.feature_channels == len(read_index(starter_dir() / "starter.index").rows[0])
    assert sizes.hop_samples * 100 == sizes.sample_rate_hz
    assert (voice.card.version, voice.card.content_layer) == ("v2", None)


def test_the_posterior_encoder_is_left_out(tmp_path: Path) -> None:
    record = small_record()
    record["weight"]["enc_q.pre.weight"] = torch.ones(3)
    assert not any(name.startswith("enc_q") for name in load_voice(saved(tmp_path, record)).state)


@pytest.mark.parametrize("label", [1, True, "1", None])
def test_every_spelling_of_the_pitch_label_is_accepted(tmp_path: Path, label: object) -> None:
    assert load_voice(saved(tmp_path, {**small_record(), "f0": label})).card.pitch_guided


@pytest.mark.parametrize("kind", ["1", "2"])
def test_both_kinds_of_residual_blocks_are_known(tmp_path: Path, kind: str) -> None:
    assert load_voice(saved(tmp_path, small_record(resblock=kind))).sizes.resblock == kind


def config(place: int, value: object) -> list[Any]:
    return [*SMALL_CONFIG[:place], value, *SMALL_CONFIG[place + 1 :]]


def without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != key}


def weights(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    record = small_record()
    change(record["weight"])
    return record


def put(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda table: table.__setitem__(name, value)


def foreign_vocoder(part: str) -> dict[str, Any]:
    record = small_record()
    kept = {name: tensor for name, tensor in record["weight"].items() if "dec." not in name}
    return {**record, "weight": {**kept, f"dec.{part}.0.net.weight": torch.zeros(8, 8)}}


REFUSALS: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "training": (
        lambda: {"model": {"a": torch.ones(1)}, "optimizer": {}, "iteration": 1},
        r"training checkpoint.*small voice file",
    ),
    "ddpn": (lambda: {**small_record(), "config": [*SMALL_CONFIG, 1]}, "DDPN"),
    "voras": (lambda: {**small_record(), "version": "voras_beta"}, "voras_beta"),
    "no weight": (lambda: {"a": torch.ones(1)}, "does not contain a voice"),
    "no config": (lambda: without(small_record(), "config"), "config .* is missing"),
    "rate": (lambda: {**small_record(), "config": config(17, 16000)}, "80 samples.*needs 160"),
    "base model": (
        lambda: {"model": small_record()["weight"], "iteration": 3, "learning_rate": 1e-4},
        "base model or training file, not a finished voice; ask for .* or export it in the trainer",
    ),
    "compiled base model": (
        lambda: {"model": {f"module.{k}": v for k, v in small_record()["weight"].items()}},
        "base model or training file",
    ),
    "bare weights": (lambda: dict(small_record()["weight"]), "base model or training file"),
    "discriminator": (
        lambda: {"model": {"discriminators.0.convs.0.bias": torch.ones(9)}, "optimizer": {}},
        r"discriminator \(D_\)",
    ),
    "network": (
        lambda: {"unet.encoder.bn.weight": torch.ones(9)},
        "a network that voices share, not a voice",
    ),
    "other program": (
        lambda: {**small_record(), "config": {"model": {"version": "v2Pro"}}},
        "voice of another program",
    ),
    "foreign vocoder by its label": (
        lambda: {**foreign_vocoder("conformers"), "vocoder": "RingFormer_v2"},
        r'its vocoder is "RingFormer_v2", which cannot be played here; choose .*RefineGAN',
    ),
    "foreign vocoder by its weights": (
        lambda: foreign_vocoder("har_convs"),
        'its vocoder is "PCPH-GAN", which cannot be played here',
    ),
    "foreign vocoder with a longer config": (
        lambda: {**foreign_vocoder("conformers"), "config": [*SMALL_CONFIG, 16, 4]},
        'its vocoder is "RingFormer"',
    ),
    "foreign vocoder of known parts": (
        lambda: {
            **weights(put("dec.conv_pre.weight", torch.ones(5, 5, 5))),
            "vocoder": "APEX-GAN",
        },
        'its vocoder is "APEX-GAN"',
    ),
    "prior against vocoder": (
        lambda: weights(lambda w: w.pop("enc_p.emb_pitch.weight")),
        "only one of its prior and its vocoder takes pitch",
    ),
    "missing": (
        lambda: weights(lambda w: w.pop("enc_p.proj.bias")),
        '"enc_p.proj.bias" is missing',
    ),
    "half a pair": (
        lambda: weights(lambda w: w.pop("dec.ups.0.weight_g")),
        r'"dec.ups.0.weight" is missing',
    ),
    "many missing": (
        lambda: weights(lambda w: [w.pop(n) for n in list(w) if n.startswith("enc_p.encoder")]),
        r'"enc_p.encoder.attn_layers.0.emb_rel_k" and \d+ more tensors are missing',
    ),
    "extra": (
        lambda: weights(put("dec.extra.weight", torch.ones(1))),
        '"dec.extra.weight" is unknown',
    ),
    "shape": (
        lambda: weights(put("enc_p.proj.bias", torch.ones(5))),
        r'"enc_p.proj.bias" has the shape \[5\] instead of \[16\]',
    ),
    "config against weights": (
        lambda: {**small_record(), "config": config(4, 32)},
        r"has the shape \[16, 8, 3\] instead of \[32, 8, 3\]",
    ),
    "odd weight norm": (
        lambda: weights(put("dec.ups.0.weight_g", torch.ones(16))),
        r'"dec.ups.0.weight_g" has the unexpected shape \[16\]',
    ),
    "flat weight norm": (
        lambda: weights(put("dec.ups.0.weight_v", torch.ones(16))),
        r'"dec.ups.0.weight_v" has the unexpected shape \[16\]',
    ),
    "nan": (
        lambda: weights(put("enc_p.proj.bias", torch.full((16,), torch.nan))),
        '"enc_p.proj.bias" contains NaN or infinite values',
    ),
    "zero direction": (
        lambda: weights(lambda w: w["dec.ups.0.weight_v"].zero_()),
        '"dec.ups.0.weight" contains NaN or infinite values',
    ),
    "infinite": (
        lambda: weights(put("emb_g.weight", torch.full((3, 4), torch.inf))),
        '"emb_g.weight" contains NaN',
    ),
    "whole numbers": (
        lambda: weights(put("enc_p.proj.bias", torch.ones(16, dtype=torch.int32))),
        "does not contain floating-point numbers",
    ),
    "no tensor": (
        lambda: weights(put("enc_p.proj.bias", "x")),
        '"enc_p.proj.bias" .* is not a tensor',
    ),
    "weights a list": (lambda: {**small_record(), "weight": [1]}, "not a table of tensors"),
    "no features": (
        lambda: weights(lambda w: w.pop("enc_p.emb_phone.weight")),
        '"enc_p.emb_phone.weight" is missing',
    ),
    "flat features": (
        lambda: weights(put("enc_p.emb_phone.weight", torch.ones(3))),
        '"enc_p.emb_phone.weight" has the unexpected shape',
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_an_inconsistent_voice_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    record, why = REFUSALS[case]
    path = saved(tmp_path, record())
    with pytest.raises(VoiceFileError, match=why) as caught:
        load_voice(path)
    assert '"aria.pth"' in str(caught.value)


V1 = "its weights are those of v1; the weights count"
V2 = "its weights are those of v2; the weights count"
NOTED: dict[str, tuple[dict[str, Any], str]] = {
    "no pitch": ({"f0": 0}, "labelled as one without pitch, but its weights take pitch"),
    "no pitch as a text": ({"f0": "0"}, "labelled as one without pitch"),
    "v1": ({"version": "v1"}, f'labelled as version "v1", but {V2}'),
    "v3": ({"version": "v3"}, f'labelled as version "v3", but {V2}'),
    "no version at all": ({"version": [2]}, f'labelled as version "list", but {V2}'),
    "RefineGAN": (
        {"vocoder": "RefineGAN"},
        'labelled with the vocoder "RefineGAN", but its weights are those of "HiFi-GAN"',
    ),
    "RingFormer": ({"vocoder": "RingFormer"}, 'labelled with the vocoder "RingFormer"'),
}


@pytest.mark.parametrize("case", NOTED)
def test_the_weights_count_where_a_label_contradicts_them_and_a_note_says_so(
    tmp_path: Path, case: str
) -> None:
    labels, note = NOTED[case]
    record = {**small_record(), "vocoder": "HiFi-GAN"}
    plain = load_voice(saved(tmp_path, record))
    path = saved(tmp_path, {**record, **labels})
    voice = load_voice(path)
    assert [note in said for said in map(str, voice.card.notes)] == [True]
    assert voice.sizes == plain.sizes
    assert (voice.card.version, voice.card.vocoder) == (plain.card.version, plain.card.vocoder)
    # Stored with the right labels, so that nothing is said about it again.
    stored = tmp_path / "voice.safetensors"
    write_stored({**read_record(path), **voice.labels}, stored)
    assert load_voice(stored).card.notes == ()
    assert content_sha256(read_record(stored)) == content_sha256(record)


def test_a_label_of_pitch_is_not_believed_either(tmp_path: Path) -> None:
    voice = load_voice(saved(tmp_path, {**small_record(Vocoder.PLAIN), "f0": 1}))
    assert not voice.card.pitch_guided
    assert "labelled as one with pitch" in str(voice.card.notes[0])


def with_features(width: int) -> dict[str, Any]:
    return weights(put("enc_p.emb_phone.weight", torch.ones(8, width)))


@pytest.mark.parametrize(
    ("width", "label", "layer", "notes"),
    [
        (256, "v1", 9, 0),
        (256, None, 9, 0),
        (256, 1, 9, 0),
        (256, "V2", 9, 1),  # ContentVec gives 256 values at layer 9 only
        (768, "v1", None, 1),
        (768, "V2", None, 0),
        (768, 2, None, 0),
        (768, 2.0, None, 0),
        (768, "RVC v2", None, 0),
        (768, " 2 ", None, 0),
    ],
)
def test_every_spelling_of_the_version_is_accepted(
    tmp_path: Path, width: int, label: object, layer: int | None, notes: int
) -> None:
    record = {**with_features(width), "version": label}
    card = load_voice(saved(tmp_path, record)).card
    assert (card.content_layer, len(card.notes)) == (layer, notes)


@pytest.mark.parametrize("label", ["MRF HiFi-GAN", "MRF-HiFi-GAN", "mrf_hifigan"])
def test_every_spelling_of_the_vocoder_is_accepted(tmp_path: Path, label: str) -> None:
    assert (
        load_voice(saved(tmp_path, {**small_record(Vocoder.MRF), "vocoder": label})).card.notes
        == ()
    )


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: f"module._orig_mod.{name}",
        lambda name: f"net_g.module.{name}",
        lambda name: name.replace("dec.", "dec._orig_mod."),
    ],
)
def test_names_that_a_wrapper_made_longer_are_the_same_voice(
    tmp_path: Path, rename: Callable[[str], str]
) -> None:
    record = small_record()
    wrapped = {rename(name): tensor for name, tensor in record["weight"].items()}
    path = saved(tmp_path, {**record, "weight": wrapped})
    state = load_voice(path).state
    plain = load_voice(saved(tmp_path, record)).state
    assert state.keys() == plain.keys()
    assert all(torch.equal(state[name], plain[name]) for name in plain)
    assert content_sha256(read_record(path)) == content_sha256(record)


def test_two_tensors_of_one_name_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, weights(put("module.enc_p.proj.bias", torch.ones(16))))
    with pytest.raises(VoiceFileError, match="is unknown"):
        load_voice(path)


HOSTILE: list[object] = [
    None, "18 values", -1, 0, 10**9, 10**5000, 1.5, True, [], [[]], [0], [-1], [10**9], ["a"],
    [1] * 9, [[1] * 9] * 3, {}, {1: 2}, torch.ones(3),
]  # fmt: skip


@pytest.mark.parametrize("place", [*range(2, 8), *range(10, 15), 16, 17])
def test_a_hostile_value_in_the_config_is_refused(tmp_path: Path, place: int) -> None:
    record = small_record()
    for value in HOSTILE:
        path = saved(tmp_path, {**record, "config": config(place, value)})
        with pytest.raises(VoiceFileError, match="config"):
            load_voice(path)


@pytest.mark.parametrize("place", [0, 1, 8, 9, 15])
def test_an_unused_place_of_the_config_must_hold_a_simple_value(tmp_path: Path, place: int) -> None:
    record = small_record()
    for value in (b"bytes", [[1]], 10**5000, torch.ones(3), "\ud800", "x" * 2_000_000):
        path = saved(tmp_path, {**record, "config": config(place, value)})
        with pytest.raises(VoiceFileError, match=f"value {place} of its config must be a number"):
            load_voice(path)


NESTED: Any = ("x",)
for _ in range(100):
    NESTED = (NESTED, NESTED)
HOSTILE_LABELS = [*HOSTILE, "x" * 100_000, "\x1b[31mred", float("nan")]
SHOWN = ["sr", "embedder_model", "info", "epoch", "step", "author", "creation_date", "speakers_id"]


def test_hostile_labels_that_are_only_shown_are_left_out(tmp_path: Path) -> None:
    record = small_record()
    for value in HOSTILE_LABELS:
        path = saved(tmp_path, {**record, **dict.fromkeys(SHOWN, value)})
        texts = [text for text in vars(load_voice(path).card).values() if isinstance(text, str)]
        assert all(text.isprintable() and len(text) <= 200 for text in texts)


def test_a_megabyte_of_labels_can_be_stored_and_read_again(tmp_path: Path) -> None:
    labels = {f"note {n}": "字" * 10_000 for n in range(60)}
    path = saved(tmp_path, {**small_record(), "author": "Ana", **labels})
    write_stored(read_record(path), tmp_path / "voice.safetensors")
    assert load_voice(tmp_path / "voice.safetensors").card.author == "Ana"


@pytest.mark.parametrize("key", ["info", "version", "config"])
def test_labels_of_tangled_objects_are_refused(tmp_path: Path, key: str) -> None:
    refusal = refusal_of(saved(tmp_path, {**small_record(), key: NESTED}))
    assert refusal is not None
    assert "far more objects" in refusal


@pytest.mark.parametrize("key", ["version", "f0", "vocoder"])
def test_hostile_labels_that_matter_get_a_short_sentence_at_most(tmp_path: Path, key: str) -> None:
    record = small_record()
    for value in HOSTILE_LABELS:
        notes = load_voice(saved(tmp_path, {**record, key: value})).card.notes
        assert all(len(str(note)) < 300 and str(note).isprintable() for note in notes)
        assert notes or key != "version" or value is None


def refusal_of(path: Path) -> str | None:
    """None if it loads; any other error than the sentence fails the test."""
    try:
        load_voice(path)
    except VoiceFileError as refusal:
        return str(refusal)
    return None


def mutations(data: bytes, count: int, seed: int) -> list[bytes]:
    """Flipped bits, overwritten runs and cut ends."""
    dice = random.Random(seed)
    results = []
    for index in range(count):
        changed = bytearray(data)
        place = dice.randrange(len(changed))
        if index % 4 == 0:
            changed = changed[:place]
        elif index % 4 == 1:
            changed[place : place + 8] = dice.randbytes(8)
        else:
            changed[place] ^= 1 << dice.randrange(8)
        results.append(bytes(changed))
    return results


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_voices_load_or_are_refused(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "voice.pth"
    torch.save(small_record(), path, _use_new_zipfile_serialization=zipped)
    loaded = 0
    for changed in mutations(path.read_bytes(), 90, seed=1):
        path.write_bytes(changed)
        loaded += refusal_of(path) is None
    assert loaded < 70


def test_damaged_tables_load_or_are_refused(tmp_path: Path) -> None:
    """The names and shapes themselves, with the zip's checksums made right again."""
    path = saved(tmp_path, small_record())
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    table = next(name for name in records if name.endswith("data.pkl"))
    loaded = 0
    for changed in mutations(records[table], 160, seed=2):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in records.items():
                archive.writestr(name, changed if name == table else data)
        loaded += refusal_of(path) is None
    assert loaded < 100


@pytest.mark.parametrize(
    ("embedder", "advice"),
    [
        ("spin_v2", '"urvc models download spin-v2"'),
        ("my-own", "get its config.json and weights from the voice's author"),
    ],
)
def test_a_missing_content_encoder_is_named_with_its_place(
    tmp_path: Path, embedder: str, advice: str
) -> None:
    path = saved(tmp_path, {**small_record(), "embedder_model": embedder})
    with pytest.raises(WeightsError) as caught:
        find_encoder(load_voice(path).card, tmp_path)
    place = tmp_path / embedder.replace("_", "-")
    assert f'"{place.name}": the voice was trained with it' in str(caught.value)
    assert f'it is not in "{place}"' in str(caught.value)
    assert advice in str(caught.value)
    place.mkdir()
    (place / "config.json").write_text("{}")
    assert find_encoder(load_voice(path).card, tmp_path) == place


def test_each_conversion_with_a_file_says_which_labels_contradict_its_weights(
    tmp_path: Path,
) -> None:
    files = write_small_set(tmp_path)
    record = torch.load(files.voice.weights, weights_only=True)
    voice = VoiceFiles(saved(tmp_path, {**record, "f0": 0}))
    converter = Converter(files.models_dir)
    sound = torch.sin(torch.arange(4000) / 9).numpy()
    for _ in range(2):  # the second time it is loaded already
        result = converter.convert(sound, 16_000, voice, ConversionOptions(pitch_method="yin"))
        assert sum("labelled as one without pitch" in str(note) for note in result.notes) == 1
