"""The loaded networks: one content encoder, one voice, one index, one pitch network at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from engine import device as devices
from engine.errors import OptionError, VoiceFileError
from engine.loading import content_encoder_files, load_content_encoder
from engine.models.compilation import CompiledVocoder
from engine.models.content_encoder import ContentEncoder
from engine.models.layout import CACHE_TILES, DEVICE_TILES, use_channels_last
from engine.models.precision import to_half
from engine.models.synthesizer import Synthesizer, build_synthesizer
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.paths import content_encoder_path
from engine.pitch.methods import AUTO, PitchNetwork, choose_method, find_method
from engine.pitch.tracker import PitchTracker, TrackerContext, TrackerFactory
from engine.retrieval.index_cache import open_index
from engine.retrieval.search import Search, open_search
from engine.run import Run
from engine.stages import CPU, PARTS, Part, Placement
from engine.voice import VoiceCard, VoiceFiles, check_encoder, check_index
from engine.voice_checkpoint import load_voice

T = TypeVar("T")
Network = TypeVar("Network", bound=torch.nn.Module)


class ModelStore:
    """Loads what a conversion needs and keeps it until something else of its kind is needed.

    Parameters
    ----------
    models_dir : folder of the shared networks
    config : layout and precision of the networks, and how an index is searched
    placement : where they lie
    """

    def __init__(self, models_dir: Path, config: OptimizationConfig, placement: Placement) -> None:
        self._models_dir = models_dir
        self._config = config
        self._placement = placement
        self._loaded: dict[str, tuple[Hashable, object]] = {}

    @property
    def placement(self) -> Placement:
        """Where the parts lie."""
        return self._placement

    def place(self, placement: Placement) -> None:
        """Load into another place from now on."""
        if placement != self._placement:
            self._placement = placement
            self.clear()

    def clear(self) -> None:
        """Let go of everything."""
        self._loaded.clear()

    def warnings(self) -> list[str]:
        """What did not work as configured, each a sentence."""
        found = self._loaded.get("compiled")
        recording = found is not None and self._config.compile != "none"
        warnings = list(cast(CompiledVocoder, found[1]).warnings) if found and recording else []
        if self._config.use_fp16 and devices.half_type(self._config.device) is None:
            warnings.append("half precision is off: this processor computes no faster with it")
        return warnings

    def models(self, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run) -> Models:
        """All that conversions with these options need.

        Raises
        ------
        VoiceFileError, IndexFileError, WeightsError : a file is missing or cannot be used
        OptionError : the voice has no such speaker
        """
        card, synthesizer = self.voice(voice, run)
        for each in options:
            if each.speaker >= card.speakers:
                raise OptionError(
                    f"Cannot use speaker {each.speaker}",
                    f'the voice "{voice.title}" has the speakers 0 to {card.speakers - 1}',
                    "choose one of them",
                )
        with run.stage("load"):
            content = self._content_encoder(card)
            retrieved = any(each.index_rate > 0 for each in options)
            search = self._search(voice, card) if retrieved else None
            tracked = [each for each in options if card.pitch_guided and each.f0_file is None]
            trackers = partial(self._tracker, run) if tracked else None
            methods = {choose_method(e.pitch_method, self._models_dir) for e in tracked}
            self._load_pitch_networks({net for each in methods for net in each.all_networks})
        vocode = synthesizer.vocode
        if self._config.compile == "torchscript":
            vocode = self._compiled(synthesizer).vocode
        method = methods.pop().name if len(methods) == 1 else AUTO
        models = Models(card, content, synthesizer, vocode, search, trackers, method)
        for part in PARTS:  # a conversion before may have moved one for want of memory
            models.place(part, self._placement.device_of(part))
        return models

    def _tuned(self, network: Network, part: Part) -> Network:
        """The network on its device, in the layout and precision of the configuration."""
        if self._config.use_channels_last:
            on_cpu = self._placement.device_of(part) == CPU
            use_channels_last(network, CACHE_TILES if on_cpu else DEVICE_TILES)
        dtype = self._half_type(part)
        if dtype is not None:
            to_half(network, dtype)
        return network.to(self._placement.device_of(part))

    def _half_type(self, part: Part) -> torch.dtype | None:
        """The 16-bit type of a part; None where it stays float32.

        Half precision is for the device; what stays behind on the CPU is not rounded for it. The
        pitch stays exact everywhere: the phase adds up every error, so that after a second nothing
        is the same. Where the CPU is the device, 8 bits are not enough for a distance either.
        """
        device = self._placement.device_of(part)
        if not self._config.use_fp16 or (device == CPU and self._config.device != CPU):
            return None
        if part == "pitch" or (part == "retrieval" and device == CPU):
            return None
        return devices.half_type(device)

    def _compiled(self, synthesizer: Synthesizer) -> CompiledVocoder:
        return self._kept("compiled", id(synthesizer), lambda: CompiledVocoder(synthesizer))

    def voice(self, voice: VoiceFiles, run: Run) -> tuple[VoiceCard, Synthesizer]:
        """Card and network of a voice.

        Raises
        ------
        VoiceFileError : it cannot be used
        """

        def load() -> tuple[VoiceCard, Synthesizer]:
            checkpoint = load_voice(voice.weights)
            network = build_synthesizer(checkpoint.sizes, checkpoint.state)
            self._tuned(network.dec, "vocoder")
            for rest in (network.enc_p, network.flow, network.emb_g):
                self._tuned(rest, "latent")
            return checkpoint.card, network

        with run.stage("load"):
            return self._kept("voice", _identity(voice.weights), load)

    def _content_encoder(self, card: VoiceCard) -> ContentEncoder:
        path = content_encoder_path(card.embedder, self._models_dir)
        key = tuple(_identity(file) for file in content_encoder_files(path))
        encoder = self._kept(
            "content", key, lambda: self._tuned(load_content_encoder(path), "content")
        )
        layer = card.content_layer
        sizes = encoder.sizes
        width = sizes.hidden_size if layer is None else sizes.classifier_proj_size
        if width != card.feature_channels or (layer or 0) > sizes.num_hidden_layers:
            raise VoiceFileError(
                f'Cannot use the voice "{card.path.name}"',
                f"it takes features {card.feature_channels} wide, but the content encoder in "
                f'"{path.name}" gives {width or "no such ones"}',
                "install the content encoder it was trained with",
            )
        check_encoder(card, path)
        return encoder

    def _search(self, voice: VoiceFiles, card: VoiceCard) -> Search | None:
        path, weighting = voice.index, self._config.retrieval_weighting
        if path is None:
            self._loaded.pop("search", None)
            return None

        def load() -> Search:
            index = open_index(path, card.feature_channels)
            check_index(card, index.rows, path)
            dtype = self._half_type("retrieval") or torch.float32
            device = self._placement.device_of("retrieval")
            return open_search(index, self._config.retrieval, device, weighting, dtype)

        key = (_identity(path), card.feature_channels, card.pair_id)
        return self._kept("search", key, load)

    def _tracker(self, run: Run, options: ConversionOptions, device: str) -> PitchTracker:
        method = choose_method(options.pitch_method, self._models_dir)
        networks = {each.file: each for each in method.all_networks}

        def tracker(name: str) -> PitchTracker:
            factory: TrackerFactory = find_method(name).load_factory()
            return factory(context)

        context = TrackerContext(
            options,
            device,
            run.follow_pitch,
            lambda file: self._pitch_network(networks[file]).to(device),
            tracker,
        )
        return tracker(method.name)

    def _load_pitch_networks(self, networks: set[PitchNetwork]) -> None:
        """Load these, and let go of others if any is needed."""
        kinds = {f"pitch {network.file}" for network in networks}
        for kind in [each for each in self._loaded if each.startswith("pitch ")]:
            if kinds and kind not in kinds:
                del self._loaded[kind]
        for network in networks:
            self._pitch_network(network)

    def _pitch_network(self, network: PitchNetwork) -> Any:
        key = _identity(self._models_dir / network.file)

        def load() -> Any:
            return self._tuned(network.load(self._models_dir), "pitch")

        return self._kept(f"pitch {network.file}", key, load)

    def _kept(self, kind: str, key: Hashable, load: Callable[[], T]) -> T:
        """What `load` gave last time for this key, else what it gives now; one of each kind."""
        found = self._loaded.get(kind)
        if found is None or found[0] != key:
            self._loaded.pop(kind, None)  # before loading: never two at once in memory
            found = (key, load())
            self._loaded[kind] = found
        return cast(T, found[1])


def _identity(path: Path) -> Hashable:
    """Tells a file from another, and from itself after a change; a missing one is found later."""
    try:
        status = path.stat()
    except OSError:
        return str(path)
    return str(path.absolute()), status.st_size, status.st_mtime_ns
