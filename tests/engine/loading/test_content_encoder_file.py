"""Loading the content encoder from each layout, and the refusals of files that do not fit."""

from __future__ import annotations

import argparse
import json
import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import WeightsError
from engine.loading import load_content_encoder
from engine.paths import starter_dir
from tests.weights_maker import make_tensors

CONFIG = {
    "model_type": "hubert",
    "conv_dim": [32] * 7,
    "hidden_size": 128,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 24,
}
POS_CONV = "encoder.pos_conv_embed.conv"
FAIRSEQ_NAMES = (
    (r"^feature_extractor\.conv_layers\.(\d)\.conv\.", r"feature_extractor.conv_layers.\1.0."),
    (r"^feature_extractor\.conv_layers\.0\.layer_norm\.", "feature_extractor.conv_layers.0.2."),
    (r"^feature_projection\.layer_norm\.", "layer_norm."),
    (r"^feature_projection\.projection\.", "post_extract_proj."),
    (r"^encoder\.pos_conv_embed\.conv\.", "encoder.pos_conv.0."),
    (r"(encoder\.layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"\.attention\.", ".self_attn."),
    (r"\.feed_forward\.intermediate_dense\.", ".fc1."),
    (r"\.feed_forward\.output_dense\.", ".fc2."),
    (r"^masked_spec_embed$", "mask_emb"),
)
AUDIO = 0.3 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))


def hf_state() -> OrderedDict[str, torch.Tensor]:
    """A small HuBERT under Hugging Face's names, weight norm in the old spelling."""
    shapes: dict[str, list[int]] = {"masked_spec_embed": [128]}
    for index, kernel in enumerate((10, 3, 3, 3, 3, 2, 2)):
        shapes[f"feature_extractor.conv_layers.{index}.conv.weight"] = [
            32,
            32 if index else 1,
            kernel,
        ]

    def affine(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = list(shape), [shape[0]]

    affine("feature_extractor.conv_layers.0.layer_norm", 32)
    affine("feature_projection.layer_norm", 32)
    affine("feature_projection.projection", 128, 32)
    shapes[f"{POS_CONV}.bias"] = [128]
    shapes[f"{POS_CONV}.weight_g"], shapes[f"{POS_CONV}.weight_v"] = [1, 1, 16], [128, 32, 16]
    affine("encoder.layer_norm", 128)
    for layer in ("encoder.layers.0", "encoder.layers.1"):
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            affine(f"{layer}.attention.{part}", 128, 128)
        affine(f"{layer}.layer_norm", 128)
        affine(f"{layer}.feed_forward.intermediate_dense", 64, 128)
        affine(f"{layer}.feed_forward.output_dense", 128, 64)
        affine(f"{layer}.final_layer_norm", 128)
    affine("final_proj", 24, 128)
    return make_tensors(shapes, "small hubert")


def fairseq_state() -> OrderedDict[str, torch.Tensor]:
    renamed = OrderedDict()
    for name, tensor in hf_state().items():
        foreign = name
        for pattern, replacement in FAIRSEQ_NAMES:
            foreign = re.sub(pattern, replacement, foreign)
        renamed[foreign] = tensor
    renamed["label_embs_concat"] = torch.zeros(504, 24)
    return renamed


def write_hf(folder: Path, state: dict[str, torch.Tensor], **config: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    save_file(state, folder / "model.safetensors")
    return folder


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_content_encoder(path)
    return str(caught.value)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    encoder = load_content_encoder(write_hf(tmp_path_factory.mktemp("hf"), hf_state()))
    return encoder(AUDIO, 2, project=True)


def test_the_loaded_network_is_ready_for_inference(tmp_path: Path) -> None:
    encoder = load_content_encoder(write_hf(tmp_path, hf_state()))
    assert not encoder.training
    assert all(tensor.dtype == torch.float32 for tensor in encoder.state_dict().values())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert encoder(AUDIO).shape == (1, 12, 128)


def test_weight_norm_is_folded_as_torch_does_it(tmp_path: Path) -> None:
    state = hf_state()
    expected = torch._weight_norm(state[f"{POS_CONV}.weight_v"], state[f"{POS_CONV}.weight_g"], 2)
    encoder = load_content_encoder(write_hf(tmp_path, state))
    assert torch.allclose(encoder.encoder.pos_conv_embed.conv.weight, expected, atol=1e-7)


def test_both_spellings_of_weight_norm_are_the_same(
    tmp_path: Path, reference: torch.Tensor
) -> None:
    state = hf_state()
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        state[f"{POS_CONV}.parametrizations.weight.{new}"] = state.pop(f"{POS_CONV}.{old}")
    encoder = load_content_encoder(write_hf(tmp_path, state))
    assert torch.equal(encoder(AUDIO, 2, project=True), reference)


def test_a_pytorch_bin_is_the_same_as_safetensors(tmp_path: Path, reference: torch.Tensor) -> None:
    write_hf(tmp_path, hf_state())
    (tmp_path / "model.safetensors").unlink()
    torch.save(hf_state(), tmp_path / "pytorch_model.bin")
    assert torch.equal(load_content_encoder(tmp_path)(AUDIO, 2, project=True), reference)


@pytest.mark.parametrize("prefix", ["module.", "hubert.", "_orig_mod."])
def test_names_that_a_wrapper_made_longer_are_the_same(
    tmp_path: Path, reference: torch.Tensor, prefix: str
) -> None:
    wrapped = {prefix + name: tensor for name, tensor in hf_state().items()}
    encoder = load_content_encoder(write_hf(tmp_path, wrapped))
    assert torch.equal(encoder(AUDIO, 2, project=True), reference)


def test_fairseqs_file_is_the_same_network(tmp_path: Path, reference: torch.Tensor) -> None:
    path = tmp_path / "hubert_base.pt"
    trainer = argparse.Namespace(arch="hubert_base", lr=0.1)
    torch.save({"args": trainer, "cfg": None, "model": fairseq_state()}, path)
    for given in (path, tmp_path):
        assert torch.equal(load_content_encoder(given)(AUDIO, 2, project=True), reference)


def test_the_models_folder_holds_it_under_hubert_base(
    tmp_path: Path, reference: torch.Tensor
) -> None:
    write_hf(tmp_path / "hubert_base", hf_state())
    assert torch.equal(load_content_encoder(tmp_path)(AUDIO, 2, project=True), reference)


def test_half_precision_files_run_in_float32(tmp_path: Path, reference: torch.Tensor) -> None:
    half = {name: tensor.half() for name, tensor in hf_state().items()}
    features = load_content_encoder(write_hf(tmp_path, half))(AUDIO, 2, project=True)
    assert features.dtype == torch.float32
    assert torch.allclose(features, reference, atol=0.02)


def test_the_projection_is_optional(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in hf_state().items() if "final_proj" not in name}
    encoder = load_content_encoder(write_hf(tmp_path, state))
    assert not encoder.can_project
    assert encoder(AUDIO).shape[-1] == 128


def test_the_starter_encoder_loads_and_gives_fifty_frames_a_second() -> None:
    encoder = load_content_encoder(starter_dir() / "encoder")
    one, three = (encoder(torch.zeros(1, n)).shape for n in (16_000, 48_000))
    assert one[0] == 1
    assert one[1] in {49, 50}  # a HuBERT hears no frame that is not whole
    assert three[1] - one[1] == 100


def test_missing_files_are_named_with_their_folder(tmp_path: Path) -> None:
    assert f'in "{tmp_path / "nowhere"}"' in refusal(tmp_path / "nowhere")
    empty = refusal(tmp_path)
    assert "hubert_base" in empty
    assert str(tmp_path) in empty
    assert "urvc doctor" in empty
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert "model.safetensors" in refusal(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "pytorch_model.bin")
    assert "config.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "wav2vec2"}, "'wav2vec2', not a HuBERT"),
        ({"conv_pos_batch_norm": True}, "conv_pos_batch_norm"),
        ({"adapter_attn_dim": 16}, "adapter"),
        ({"hidden_act": "swish"}, "hidden_act is 'swish'; only gelu"),
        ({"feat_extract_norm": "batch"}, "feat_extract_norm is 'batch'"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 4]}, "640 samples long"),
        ({"conv_dim": [32] * 6}, "different lengths"),
        ({"conv_dim": "wide"}, "conv_dim is 'wide' instead of a list"),
        ({"num_attention_heads": 5}, "not a multiple of its 5 heads"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"layer_norm_eps": 0}, "layer_norm_eps"),
        ({"conv_bias": 1}, "conv_bias is 1 instead of true or false"),
        ({"num_hidden_layers": 3}, '"encoder.layers.2.'),
        ({"num_hidden_layers": 1}, '"encoder.layers.1.'),
        ({"hidden_size": 256}, "instead of"),
        ({"classifier_proj_size": 25}, '"final_proj.bias" has the shape [24] instead of [25]'),
    ],
)
def test_an_unsupported_configuration_is_refused_by_its_key(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    assert said in refusal(write_hf(tmp_path, hf_state(), **change))


@pytest.mark.parametrize("text", ["{", "[]", "\xff", "[" * 100_000, "null"])
def test_a_damaged_configuration_is_refused(tmp_path: Path, text: str) -> None:
    write_hf(tmp_path, hf_state())
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    assert "config.json" in refusal(tmp_path)


def test_missing_and_unknown_tensors_are_named(tmp_path: Path) -> None:
    state = hf_state()
    del state["encoder.layer_norm.bias"]
    assert '"encoder.layer_norm.bias" is missing' in refusal(write_hf(tmp_path / "a", state))
    state = hf_state()
    state["lm_head.weight"] = torch.zeros(2)
    assert '"lm_head.weight" is unknown' in refusal(write_hf(tmp_path / "b", state))
    state = hf_state()
    del state[f"{POS_CONV}.weight_g"]
    assert f'"{POS_CONV}.weight_g" is missing' in refusal(write_hf(tmp_path / "c", state))
    state = hf_state()
    state[f"{POS_CONV}.weight_g"] = torch.ones(128, 1, 1)
    assert "instead of [1, 1, 16]" in refusal(write_hf(tmp_path / "d", state))


def test_nan_is_refused(tmp_path: Path) -> None:
    state = hf_state()
    state["encoder.layer_norm.weight"][3] = float("nan")
    assert "contains NaN or infinite values" in refusal(write_hf(tmp_path, state))


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    file = write_hf(tmp_path, hf_state()) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    assert "model.safetensors" in refusal(tmp_path)


def test_a_single_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hubert_base.pt"
    torch.save(dict(hf_state()), path)
    assert "not in fairseq's layout" in refusal(path)
    torch.save({"model": {"epoch": 3}}, path)
    assert "not a tensor" in refusal(path)
    torch.save({"model": hf_state()}, path)
    assert "is missing or misshaped" in refusal(path)
    large = fairseq_state()
    large["feature_extractor.conv_layers.1.2.1.weight"] = torch.ones(32)
    torch.save({"model": large}, path)
    assert "large HuBERT" in refusal(path)
    other = fairseq_state()
    other["feature_extractor.conv_layers.6.0.weight"] = torch.ones(32, 32, 3)
    torch.save({"model": other}, path)
    assert "not those of HuBERT base" in refusal(path)
