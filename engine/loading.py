"""Loads the networks that voices share. Every name, shape and number is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.checkpoint import (
    COUNTER,
    is_finite,
    mismatch,
    plain_names,
    quoted,
    read_state_file,
    wrong_shape,
)
from engine.encoder_layout import fairseq_sizes, from_fairseq_names, read_sizes
from engine.errors import Message, Text, WeightsError
from engine.models.content_encoder import ContentEncoder, ContentEncoderSizes
from engine.models.fcpe import LAYERS, N_BINS, WIDTH, Fcpe, FcpeNetwork
from engine.models.layers import without_weights
from engine.models.rmvpe import Rmvpe, RmvpeNetwork
from engine.models.swift import Swift, SwiftNetwork
from engine.models.whisper import WhisperEncoder, WhisperSizes
from engine.paths import (
    CONFIG_FILE,
    CONTENT_ENCODER_DIR,
    FAIRSEQ_FILE,
    FCPE_FILE,
    RMVPE_FILE,
    WEIGHTS_FILES,
    advised,
)

Network = TypeVar("Network", bound=nn.Module)

_TRAINING_KEYS = frozenset({"masked_spec_embed", "mask_emb", "label_embs_concat"})
"""Tensors that only training needs: the mask's vector (two names) and the targets' embeddings."""

_WHISPER_UNUSED = ("decoder.", "proj_out.", "encoder.embed_positions.")


def load_content_encoder(path: Path) -> ContentEncoder | WhisperEncoder:
    """Read the content encoder, on the CPU.

    Parameters
    ----------
    path : a folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``;
        or fairseq's file; or the models folder that holds ``hubert_base/`` or ``hubert_base.pt``

    Raises
    ------
    WeightsError : a file is missing or damaged, it is another network, or the configuration
        contradicts the weights
    """
    found = _locate(path)
    if found.is_dir():
        file = _weights_file(found)
        sizes = read_sizes(found / CONFIG_FILE)
        tensors = _tensors_of(read_state_file(file, WeightsError), file)
        if isinstance(sizes, WhisperSizes):
            return _whisper(sizes, tensors, file)
        return _content_encoder(sizes, tensors, file)
    state = read_state_file(found, WeightsError)
    if "model" not in state:
        raise WeightsError(
            _cannot_use(found),
            'it is a single file but not in fairseq\'s layout (there is no "model" in it)',
            Text("choose the folder that holds {file} and the weights", file=CONFIG_FILE),
        )
    tensors = _tensors_of(state["model"], found)
    sizes = fairseq_sizes(tensors, found)
    return _content_encoder(sizes, from_fairseq_names(tensors), found)


def content_encoder_files(path: Path) -> tuple[Path, ...]:
    """The files that `load_content_encoder` would read.

    Raises
    ------
    WeightsError : one is missing
    """
    found = _locate(path)
    return (found / CONFIG_FILE, _weights_file(found)) if found.is_dir() else (found,)


def load_rmvpe(path: Path) -> Rmvpe:
    """Read the pitch network, on the CPU.

    Parameters
    ----------
    path : the file, or the models folder that holds ``rmvpe.pt``

    Raises
    ------
    WeightsError : the file is missing, damaged, or another network
    """
    advice = advised(
        'fetch it with "urvc models download", or choose the pitch method swift',
        "download it in Settings › Models, or choose the pitch method swift",
    )
    file = _pitch_file(path, RMVPE_FILE, "Cannot find the pitch network RMVPE", advice)
    tensors = _tensors_of(read_state_file(file, WeightsError), file)
    with without_weights():
        network = RmvpeNetwork()
    return Rmvpe(load_strictly(network, tensors, file)).eval()


_FCPE_KIND = {
    "type": "CFNaiveMelPE",
    "conv_only": True,
    "out_dims": N_BINS,
    "hidden_dims": WIDTH,
    "n_layers": LAYERS,
}
"""What the file says of the network; others of this family have attention, or other sizes."""


def load_fcpe(path: Path) -> Fcpe:
    """Read the pitch network FCPE, on the CPU.

    Parameters
    ----------
    path : the file, or the models folder that holds ``fcpe.pt``

    Raises
    ------
    WeightsError : the file is missing, damaged, or another network
    """
    advice = advised(
        'fetch it with "urvc models download fcpe", or choose the pitch method swift',
        "download it in Settings › Models, or choose the pitch method swift",
    )
    file = _pitch_file(path, FCPE_FILE, "Cannot find the pitch network FCPE", advice)
    state = read_state_file(file, WeightsError)
    config = state.get("config_dict")
    kind = config.get("model") if isinstance(config, Mapping) else None
    if "model" not in state or not isinstance(kind, Mapping):
        raise _other_network(file, "it does not describe its network")
    for name, expected in _FCPE_KIND.items():
        if kind.get(name) != expected:
            detail = Text("{name} in it is not {expected}", name=name, expected=str(expected))
            raise _other_network(file, detail)
    tensors = _tensors_of(state["model"], file)
    # A mask that only training needs, and norms that this kind never uses.
    unused = {"gaussian_blurred_cent_mask"}
    unused |= {f"net.encoder_layers.{i}.norm.{part}" for i in range(LAYERS) for part in _AFFINE}
    kept = {name: tensor for name, tensor in tensors.items() if name not in unused}
    with without_weights():
        network = FcpeNetwork()
    return Fcpe(
        load_strictly(network, _fold_weight_norm(kept, "output_proj", 0, file), file)
    ).eval()


_AFFINE = ("weight", "bias")


def load_swift(file: Path) -> Swift:
    """Read the pitch network that the project brings along, on the CPU.

    Raises
    ------
    WeightsError : the file is missing or damaged
    """
    if not file.is_file():
        raise WeightsError(
            "Cannot find the pitch network SwiftF0",
            Text('there is no "{name}" in "{folder}"', name=file.name, folder=file.parent),
            "install this program again",
        )
    tensors = _tensors_of(read_state_file(file, WeightsError), file)
    with without_weights():
        network = SwiftNetwork()
    return Swift(load_strictly(network, tensors, file)).eval()


def _pitch_file(path: Path, name: str, what: str, advice: str) -> Path:
    """The file that ``path`` is or holds."""
    file = path / name if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(
            what,
            Text('there is no "{name}" in "{folder}"', name=file.name, folder=file.parent),
            advice,
        )
    return file


def load_strictly(network: Network, tensors: Mapping[str, Tensor], path: Path) -> Network:
    """Fill a network that was built on the ``meta`` device; evaluation mode, no gradients.

    Raises
    ------
    WeightsError : a tensor is missing, unknown, of another shape, or not finite; counters that
        only training needs may be anything
    """
    expected = network.state_dict()
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)} | {
        name: torch.zeros(tensor.shape, dtype=tensor.dtype)
        for name, tensor in expected.items()
        if name.endswith(COUNTER)
    }
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if why := mismatch(shapes, {name: tensor.shape for name, tensor in expected.items()}):
        raise _other_network(path, why)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() != expected[name].is_floating_point():
            detail = Text("{tensor} has another type of number", tensor=quoted(name))
            raise _other_network(path, detail)
        if not is_finite(tensor):
            detail = Text("{tensor} contains NaN or infinite values", tensor=quoted(name))
            raise WeightsError(_cannot_use(path), detail, _download_again())
    network.load_state_dict(dict(tensors), strict=True, assign=True)
    return network.eval().requires_grad_(requires_grad=False)


def _locate(path: Path) -> Path:
    """The Hugging Face folder or the fairseq file that ``path`` means."""
    if path.is_file() or (path / CONFIG_FILE).is_file():
        return path
    folder, file = path / CONTENT_ENCODER_DIR, path / FAIRSEQ_FILE
    if (folder / CONFIG_FILE).is_file():
        return folder
    if file.is_file():
        return file
    if any((place / name).is_file() for place in (path, folder) for name in WEIGHTS_FILES):
        why = Text(
            'there is no {config} beside the weights in "{folder}"', config=CONFIG_FILE, folder=path
        )
    else:
        why = Text(
            'there is neither "{first}" nor "{second}" in "{folder}"',
            first=f"{folder.name}/{CONFIG_FILE}",
            second=file.name,
            folder=path,
        )
    raise WeightsError(
        "Cannot find the content encoder",
        why,
        advised(
            'fetch it with "urvc models download" ("urvc doctor" shows where each file belongs)',
            "download it in Settings › Models",
        ),
    )


def _weights_file(folder: Path) -> Path:
    for name in WEIGHTS_FILES:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(
        "Cannot find the content encoder's weights",
        Text(
            'there is neither "{first}" nor "{second}" in "{folder}"',
            first=WEIGHTS_FILES[0],
            second=WEIGHTS_FILES[1],
            folder=folder,
        ),
        Text("put one of them beside {config}", config=CONFIG_FILE),
    )


def _content_encoder(
    sizes: ContentEncoderSizes, tensors: dict[str, Tensor], path: Path
) -> ContentEncoder:
    kept = {name: tensor for name, tensor in tensors.items() if name not in _TRAINING_KEYS}
    folded = _fold_weight_norm(kept, "encoder.pos_conv_embed.conv", 2, path)
    if not any(name.startswith("final_proj.") for name in folded):
        sizes = replace(sizes, classifier_proj_size=None)
    with without_weights():
        encoder = ContentEncoder(sizes)
    return load_strictly(encoder, folded, path)


def _whisper(sizes: WhisperSizes, tensors: Mapping[str, Tensor], path: Path) -> WhisperEncoder:
    """The encoder of a Whisper; its decoder is not needed, its positions are a formula."""
    own = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    kept = {
        name.removeprefix("encoder."): tensor
        for name, tensor in own.items()
        if not name.startswith(_WHISPER_UNUSED)
    }
    with without_weights():
        encoder = WhisperEncoder(sizes)
    load_strictly(encoder, kept, path)
    if sizes.normalised and not bool((encoder.feature_spread > 0).all()):
        raise _other_network(path, Text("{tensor} must be above 0", tensor="feature_spread"))
    return encoder


def _tensors_of(state: object, path: Path) -> dict[str, Tensor]:
    """The float tensors of a checkpoint as float32; counters stay as they are."""
    if not isinstance(state, Mapping) or not state:
        raise _other_network(path, "it does not contain a table of named tensors")
    tensors: dict[str, Tensor] = {}
    for name, value in plain_names(state).items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise _other_network(path, Text("{name} in it is not a tensor", name=_name(name)))
        tensors[name] = value.float() if value.is_floating_point() else value
    return tensors


def _fold_weight_norm(
    tensors: dict[str, Tensor], prefix: str, dim: int, path: Path
) -> dict[str, Tensor]:
    """Replace ``weight_g``/``weight_v`` of one layer, in either spelling, by its ``weight``.

    The weight is v / |v| * g with the norm over every dimension but ``dim``.
    """
    spellings = (
        (f"{prefix}.weight_g", f"{prefix}.weight_v"),
        (
            f"{prefix}.parametrizations.weight.original0",
            f"{prefix}.parametrizations.weight.original1",
        ),
    )
    rest = dict(tensors)
    for g_name, v_name in spellings:
        g, v = rest.pop(g_name, None), rest.pop(v_name, None)
        if g is None and v is None:
            continue
        if g is None or v is None:
            missing = g_name if g is None else v_name
            raise _other_network(path, Text("{tensor} is missing", tensor=quoted(missing)))
        kept = [n if axis == dim else 1 for axis, n in enumerate(v.shape)]
        if v.dim() <= dim or list(g.shape) != kept or not v.is_floating_point():
            raise _other_network(path, wrong_shape(g_name, g.shape, kept))
        axes = [axis for axis in range(v.dim()) if axis != dim]
        rest[f"{prefix}.weight"] = v * (g / torch.linalg.vector_norm(v, dim=axes, keepdim=True))
    return rest


def _cannot_use(path: Path) -> Text:
    return Text('Cannot use "{name}"', name=path.name)


def _download_again() -> str:
    return advised(
        'download it again; "urvc doctor" shows where it belongs',
        "download it again in Settings › Models",
    )


def _other_network(path: Path, why: Message) -> WeightsError:
    return WeightsError(
        _cannot_use(path),
        Text("it is damaged or another network ({detail})", detail=why),
        _download_again(),
    )


def _name(value: object) -> str:
    return quoted(value if isinstance(value, str) else type(value).__name__)
