"""The loaded networks: one content encoder, one voice, one index, one pitch network at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from engine import accelerators
from engine import device as devices
from engine.accelerators import TORCH, BuildError, Latent
from engine.analysis import LevelOf
from engine.errors import Message, OptionError, Text, VoiceFileError
from engine.examination import FirstUse
from engine.loading import content_encoder_files, load_content_encoder
from engine.models.compilation import CompiledVocoder
from engine.models.content_encoder import ContentEncoderSizes
from engine.models.synthesizer import Synthesizer, build_synthesizer
from engine.models.whisper import BandLevels, WhisperSizes
from engine.networks import Models, Vocode
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.pitch.methods import AUTO, PitchNetwork, choose_method, find_method
from engine.pitch.tracker import PitchTracker, TrackerContext, TrackerFactory
from engine.probe_run import part_run
from engine.progress import PerformanceProfiler
from engine.retrieval.index_cache import open_index
from engine.retrieval.search import Search
from engine.run import Run
from engine.stages import CONVERSION_PARTS, CPU, Part, Placement
from engine.voice import VoiceCard, VoiceFiles, check_encoder, check_index, find_encoder
from engine.voice_checkpoint import load_voice

_LOG = logging.getLogger(__name__)

T = TypeVar("T")
EncoderSizes = ContentEncoderSizes | WhisperSizes


class ModelStore:
    """Loads what a conversion needs and keeps it until something else of its kind is needed.

    Parameters
    ----------
    models_dir : folder of the shared networks
    config : layout and precision of the networks, and how an index is searched
    placement : where they lie

    Attributes
    ----------
    unable : accelerators that cannot build the networks which are loaded
    """

    def __init__(self, models_dir: Path, config: OptimizationConfig, placement: Placement) -> None:
        self._models_dir = models_dir
        self._config = config
        self._placement = placement
        self._loaded: dict[str, tuple[Hashable, object]] = {}
        self.unable: dict[Part, frozenset[str]] = {}

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
        """Drop everything that is loaded."""
        self._loaded.clear()

    def warnings(self) -> list[Message]:
        """Sentences about what did not work as configured."""
        found = self._loaded.get("voice")
        vocode = None if found is None else cast(tuple[object, ...], found[1])[3]
        warnings: list[Message] = [*accelerators.sentences(self._config)]
        if isinstance(vocode, CompiledVocoder):
            warnings += vocode.warnings
        on_torch = not self._placement.accelerators
        if self._config.use_fp16 and on_torch and devices.half_type(self._config.device) is None:
            warnings.append("half precision is off: this processor is not faster with it")
        return warnings

    def models(self, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run) -> Models:
        """All that conversions with these options need.

        Raises
        ------
        VoiceFileError, IndexFileError, WeightsError : a file is missing or cannot be used
        OptionError : the voice has no such speaker
        """
        card, synthesizer, latent, vocode = self.voice(voice, run)
        for note in card.notes:
            run.note(note)
        for each in options:
            if each.speaker >= card.speakers:
                raise OptionError(
                    Text("Cannot use speaker {speaker}", speaker=each.speaker),
                    Text(
                        'the voice "{voice}" has the speakers 0 to {last_speaker}',
                        voice=voice.title,
                        last_speaker=card.speakers - 1,
                    ),
                    "choose one of them",
                )
        with run.stage("load"):
            content, encoder_sizes, encoder_key = self._content_encoder(card)
            retrieved = any(each.index_rate > 0 for each in options)
            search = self._search(voice, card) if retrieved else None
            tracked = [each for each in options if card.pitch_guided and each.f0_file is None]
            trackers = partial(self._tracker, run) if tracked else None
            methods = {choose_method(e.pitch_method, self._models_dir) for e in tracked}
            networks = {net for each in methods for net in each.all_networks}
            self._load_pitch_networks(networks)
        on_cpu = bool(methods) and all(each.on_cpu for each in methods)
        if on_cpu:
            run.placement = run.placement.with_device("pitch", CPU)
        kind = " or ".join(sorted(each.kind for each in methods)) if tracked else None
        kinds = _kinds(card, encoder_sizes, synthesizer, kind)
        method = methods.pop().name if len(methods) == 1 else AUTO
        files = tuple(sorted(str(_identity(self._models_dir / each.file)) for each in networks))
        identities: dict[Part, object] = {
            "content": (encoder_key, self._config_of("content")),
            "pitch": (method, files, self._config_of("pitch")),
        }
        models = Models(
            card,
            content,
            synthesizer,
            latent,
            vocode,
            search,
            trackers,
            method,
            on_cpu,
            kinds,
            identities,
            _loudest(encoder_sizes),
        )
        for part in CONVERSION_PARTS:  # a conversion before may have moved one for want of memory
            models.place(part, self._placement.device_of(part))
        return models

    def network_files(self, voice: VoiceFiles, options: ConversionOptions) -> tuple[Path, ...]:
        """The files of the shared networks that a conversion uses.

        Raises
        ------
        VoiceFileError, WeightsError, OptionError : as `models`
        """
        card = self.voice(voice, Run(PerformanceProfiler(), Placement()))[0]
        files = content_encoder_files(find_encoder(card, self._models_dir))
        if not card.pitch_guided or options.f0_file is not None:
            return files
        method = choose_method(options.pitch_method, self._models_dir)
        return (*files, *(self._models_dir / each.file for each in method.all_networks))

    def _built(self, part: Part, source: Any) -> Any:
        """A part by its accelerator; see `engine.accelerators`."""
        self.unable[part] = accelerators.unable_to_build(part, source)
        name = self._placement.accelerator_of(part) or TORCH
        if name in self.unable[part]:
            name = TORCH
        device = self._placement.device_of(part)
        return accelerators.build(part, name, source, self._config_of(part), device)

    def _config_of(self, part: Part) -> OptimizationConfig:
        """The configuration without what is off for this part."""
        change: dict[str, Any] = dict.fromkeys(self._placement.without.get(part, ()), False)
        return replace(self._config, **change)

    def voice(self, voice: VoiceFiles, run: Run) -> tuple[VoiceCard, Synthesizer, Latent, Vocode]:
        """Card and network of a voice, and the two parts that are made of it.

        Raises
        ------
        VoiceFileError : it cannot be used
        """

        def load() -> tuple[VoiceCard, Synthesizer, Latent, Vocode]:
            checkpoint = load_voice(voice.weights)
            network = build_synthesizer(checkpoint.sizes, checkpoint.state)
            latent, vocode = (self._built(part, network) for part in ("latent", "vocoder"))
            return checkpoint.card, network, latent, vocode

        with run.stage("load"):
            return self._kept("voice", _identity(voice.weights), load)

    def _content_encoder(
        self, card: VoiceCard
    ) -> tuple[Callable[..., torch.Tensor], EncoderSizes, Hashable]:
        path = find_encoder(card, self._models_dir)
        key = tuple(_identity(file) for file in content_encoder_files(path))

        def load() -> tuple[Callable[..., torch.Tensor], EncoderSizes]:
            network = load_content_encoder(path)
            return self._built("content", network), network.sizes

        content, sizes = self._kept("content", key, load)
        layer = card.content_layer
        width = sizes.hidden_size if layer is None else sizes.classifier_proj_size
        if width != card.feature_channels or (layer or 0) > sizes.num_hidden_layers:
            raise VoiceFileError(
                Text('Cannot use the voice "{name}"', name=card.path.name),
                Text(
                    "it takes features {width} wide from layer {layer}, which the content encoder "
                    'in "{encoder}" does not give',
                    width=card.feature_channels,
                    layer=layer or sizes.num_hidden_layers,
                    encoder=path.name,
                ),
                "install the content encoder it was trained with",
            )
        check_encoder(card, path)
        return content, sizes, key

    def _search(self, voice: VoiceFiles, card: VoiceCard) -> Search | None:
        path = voice.index
        if path is None:
            self._loaded.pop("search", None)
            return None

        def load() -> Search:
            index = open_index(path, card.feature_channels)
            check_index(card, index.rows, path)
            search: Search = self._built("retrieval", index)
            device = self._placement.device_of("retrieval")
            how = "GPU-accelerated retrieval" if self._config.searches_on_device else "retrieval"
            _LOG.info("Loaded %d embeddings to %s for %s", len(index.rows), device, how)
            return search

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
            method.others,
        )
        return tracker(method.name)

    def _load_pitch_networks(self, networks: set[PitchNetwork]) -> None:
        """Load these; if there are any, drop all others."""
        kinds = {f"pitch {network.file}" for network in networks}
        for kind in [each for each in self._loaded if each.startswith("pitch ")]:
            if kinds and kind not in kinds:
                del self._loaded[kind]
        for network in networks:
            self._pitch_network(network)

    def _pitch_network(self, network: PitchNetwork) -> Any:
        key = _identity(self._models_dir / network.file)

        def load() -> Any:
            return self._built("pitch", network.load(self._models_dir))

        return self._kept(f"pitch {network.file}", key, load)

    def _kept(self, kind: str, key: Hashable, load: Callable[[], T]) -> T:
        """What `load` gave last time for this key, else what it gives now; one of each kind."""
        found = self._loaded.get(kind)
        if found is None or found[0] != key:
            self._loaded.pop(kind, None)  # before loading: never two at once in memory
            started_s = time.perf_counter()
            found = (key, load())
            _LOG.info("loaded: %s, in %.2f s", kind, time.perf_counter() - started_s)
            self._loaded[kind] = found
        return cast(T, found[1])


class ExaminedStore(ModelStore):
    """A model store that compares a device with the CPU before it is first used.

    Parameters
    ----------
    device : not ``auto``
    folder : of what was found about the device; None is the user's own
    examines : False takes what is known, and asks nothing
    """

    run_part = staticmethod(part_run)

    def __init__(
        self,
        models_dir: Path,
        config: OptimizationConfig,
        device: torch.device,
        folder: Path | None = None,
        *,
        examines: bool = True,
    ) -> None:
        own = replace(config, device=devices.device_name(device))
        self.first_use = FirstUse(str(device), devices.describe(device), own, folder, self.run_part)
        self._examines = examines
        super().__init__(models_dir, own, self.first_use.placement)

    def models(self, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run) -> Models:
        """See `ModelStore.models`; a device that is new here is examined first."""
        models = self._built_models(voice, options, run)
        self.first_use.use(models, self.unable)
        if self.first_use.placement != self.placement:
            del models  # before loading: never two at once in memory
            models = self._elsewhere(voice, options, run)
        # What replaces a rejected part may be new here too.
        while self._examines and self._examine(models, voice, options, run):
            del models
            models = self._elsewhere(voice, options, run)
        for sentence in self.first_use.sentences():
            run.note(sentence)
        return models

    def _examine(
        self, models: Models, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run
    ) -> bool:
        """Examine what is new; whether that changed the placement."""
        with run.stage("load"):
            load = partial(self._on_cpu, voice, options)
            found = self.first_use.examine(models, load, run.pause)
        return found and self.first_use.placement != self.placement

    def _elsewhere(
        self, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run
    ) -> Models:
        """The networks where they belong by now."""
        self.place(self.first_use.placement)
        run.placement = self.first_use.placement
        return self._built_models(voice, options, run)

    def _built_models(
        self, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run
    ) -> Models:
        """The networks; a part that its accelerator cannot build is given to another."""
        try:
            return super().models(voice, options, run)
        except BuildError:
            return self._elsewhere(voice, options, run)

    def _on_cpu(self, voice: VoiceFiles, options: Sequence[ConversionOptions]) -> Models:
        """The same voice in float32 on the CPU, to compare with."""
        plain = replace(self._config, device="cpu", use_fp16=False, compile="none")
        quiet = Run(PerformanceProfiler(), Placement())
        return ModelStore(self._models_dir, plain, Placement()).models(voice, options, quiet)


def _identity(path: Path) -> Hashable:
    """Tells a file from another, and from itself after a change; a missing one is found later."""
    try:
        status = path.stat()
    except OSError:
        return str(path)
    return str(path.absolute()), status.st_size, status.st_mtime_ns


_band_levels = cache(BandLevels)


def _loudest(sizes: EncoderSizes) -> LevelOf | None:
    """What the content encoder has to know of a whole source; always measured on the CPU."""
    return _band_levels(sizes.mel_bands).loudest if isinstance(sizes, WhisperSizes) else None


def _kinds(
    card: VoiceCard, encoder: EncoderSizes, synthesizer: Synthesizer, method: str | None
) -> dict[Part, str]:
    """The kind of each part's network, in words; no pitch for a voice without.

    Kinds differ in the operators that run and in the main widths and rates of the tensors.
    """
    sizes = synthesizer.sizes
    depth = card.content_layer or encoder.num_hidden_layers
    rates = "x".join(str(rate) for rate in sizes.upsample_rates)
    pitch = "with" if sizes.pitch_guided else "without"
    kinds: dict[Part, str] = {
        "content": encoder.kind(depth),
        "latent": f"{sizes.feature_channels} to {sizes.hidden_channels} to {sizes.inter_channels} "
        f"wide, {sizes.layers} layers, {pitch} pitch",
        "vocoder": f"{sizes.vocoder.value}, {sizes.upsample_initial_channels} wide, {rates} times, "
        f"blocks of kind {sizes.resblock}, {sizes.sample_rate_hz} Hz",
    }
    return kinds if method is None else {**kinds, "pitch": method}
