"""The public class: holds the loaded models and converts one source after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from engine import device as devices
from engine.audio.output_name import output_path_for
from engine.audio.reader import read_audio
from engine.audio.writer import check_output, file_rate, write_audio
from engine.errors import AudioFileError, OptionError, VoiceFileError
from engine.models.compilation import CompiledVocoder
from engine.models.content_encoder import ContentEncoder
from engine.models.layout import use_channels_last
from engine.models.precision import to_half
from engine.models.rmvpe import Rmvpe
from engine.models.synthesizer import Synthesizer, build_synthesizer
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions, ConversionResult
from engine.pipeline import Source, convert_together, output_rate
from engine.pitch.rmvpe import rmvpe_tracker
from engine.pitch.tracker import PitchTracker
from engine.pitch.yin import yin_tracker
from engine.profiling import PerformanceProfiler
from engine.progress import CancelToken, ProgressListener
from engine.retrieval.index_file import read_index
from engine.retrieval.search import ExactSearch, FaissSearch, Search
from engine.run import Run
from engine.synthesis import Models
from engine.voices.card import VoiceCard
from engine.voices.checkpoint import load_voice
from engine.weights.content_encoder import load_content_encoder
from engine.weights.location import RMVPE_FILE, content_encoder_path, starter_dir
from engine.weights.location import models_dir as locate_models_dir
from engine.weights.rmvpe import load_rmvpe

T = TypeVar("T")
Network = TypeVar("Network", bound=torch.nn.Module)
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class VoiceFiles:
    """A voice as it lies on the disk.

    Attributes
    ----------
    weights : the ``.pth``
    index : the ``.index`` that came with it, if any
    name : what it is called in the names of results; None takes the name of the file
    """

    weights: Path
    index: Path | None = None
    name: str | None = None

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.weights.stem


def starter_voice() -> VoiceFiles:
    """The voice that ships with the program."""
    folder = starter_dir()
    return VoiceFiles(folder / "voice.pth", folder / "starter.index", "Starter")


class Converter:
    """Converts sound with RVC voices, keeping the loaded networks between conversions.

    Nothing of one conversion reaches the next: the same source, voice and options give the same
    samples whatever was converted before. One conversion runs at a time; the caller sees to it.

    Parameters
    ----------
    models_dir : folder of the shared networks; None is this program's data folder
    optimization : device and ways of working

    Raises
    ------
    DeviceError : the device that was asked for is not there
    """

    def __init__(
        self, models_dir: Path | None = None, optimization: OptimizationConfig | None = None
    ) -> None:
        self.optimization = optimization or OptimizationConfig()
        self.models_dir = locate_models_dir(models_dir)
        self.device = devices.choose_device(self.optimization.device)
        self.profiler = PerformanceProfiler(
            enabled=self.optimization.enable_profiling,
            synchronize=lambda: devices.synchronize(self.device),
        )
        self._loaded: dict[str, tuple[Hashable, object]] = {}

    def convert(
        self,
        samples: Floats,
        rate_hz: int,
        voice: VoiceFiles,
        options: ConversionOptions | None = None,
        *,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> ConversionResult:
        """Convert an array.

        Parameters
        ----------
        samples : float32 [n] or [n, channels]

        Returns
        -------
        a result whose ``samples`` are float32 [n'] or, with ``options.stereo``, [n', 2];
        ``n' = round(n * rate' / rate)``

        Raises
        ------
        UserError : one of its kinds, with a sentence for the user
        ConversionCancelled : ``cancel`` was set; nothing is kept
        """
        source = Source(_columns(samples), rate_hz, options or ConversionOptions())
        return self.convert_together([source], voice, listener=listener, cancel=cancel)[0]

    def convert_together(
        self,
        sources: Sequence[Source],
        voice: VoiceFiles,
        *,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> list[ConversionResult]:
        """Convert several arrays; their pieces share the batches of the configuration.

        Each result is what `convert` gives for its source alone, but for times and memory, which
        are those of all together.

        Raises
        ------
        UserError : one of its kinds, with a sentence for the user
        ConversionCancelled : ``cancel`` was set; nothing is kept
        """
        started = time.perf_counter()
        run = Run(self.profiler, self.device.type, listener, cancel)
        converted, card = self._convert(sources, voice, run)
        results = []
        for source, samples in zip(sources, converted, strict=True):
            result = self._result(run, started, len(source.samples) / source.rate_hz)
            kept = samples if source.options.stereo else samples[:, 0]
            results.append(replace(result, samples=kept, rate_hz=output_rate(source.options, card)))
        return results

    def convert_file(
        self,
        source: Path,
        voice: VoiceFiles,
        options: ConversionOptions | None = None,
        *,
        output: Path | None = None,
        output_dir: Path | None = None,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> ConversionResult:
        """Convert a file; the result is on the disk, whole, when this returns.

        Parameters
        ----------
        output : the result's name; None is ``name (Voice).wav`` beside the source or in
            ``output_dir``, numbered when taken

        Raises
        ------
        UserError : one of its kinds, with a sentence for the user; nothing was written
        ConversionCancelled : ``cancel`` was set; nothing was written
        """
        options = options or ConversionOptions()
        overwrite = options.overwrite and output is not None
        planned = output or output_path_for(source, voice.title, output_dir, options.file_format)
        check_output(planned, options.file_format, options.subtype, overwrite=overwrite)
        started = time.perf_counter()
        run = Run(self.profiler, self.device.type, listener, cancel)
        with run.stage("decode"):
            audio = read_audio(source, mono=not options.stereo)
        voice_rate_hz = self._voice(voice, run)[0].sample_rate_hz
        rate_hz = file_rate(options.file_format, options.output_rate_hz or voice_rate_hz)
        in_file = replace(options, output_rate_hz=rate_hz)
        (samples,), _ = self._convert([Source(audio.samples, audio.rate_hz, in_file)], voice, run)
        with run.stage("write", 1.0):
            path = output or output_path_for(source, voice.title, output_dir, options.file_format)
            path = write_audio(
                path, samples, rate_hz, options.file_format, options.subtype, overwrite=overwrite
            )
        result = self._result(run, started, audio.duration_s)
        notes = (*audio.notes, *run.notes)
        return replace(result, output_path=path, rate_hz=rate_hz, notes=notes)

    def unload(self) -> None:
        """Give all model memory back."""
        self._loaded.clear()
        devices.empty_cache(self.device)

    def _convert(
        self, sources: Sequence[Source], voice: VoiceFiles, run: Run
    ) -> tuple[list[Floats], VoiceCard]:
        with torch.inference_mode():
            try:
                models = self._models(voice, [source.options for source in sources], run)
                converted = convert_together(sources, models, self.optimization, run)
                self._tell_warnings(run)
                return converted, models.card
            finally:
                devices.empty_cache(self.device)

    def _tell_warnings(self, run: Run) -> None:
        found = self._loaded.get("compiled")
        if found is not None and self.optimization.compile == "torchscript":
            for sentence in cast(CompiledVocoder, found[1]).warnings:
                run.note(sentence)

    def _result(self, run: Run, started: float, source_s: float) -> ConversionResult:
        return ConversionResult(
            samples=None,
            output_path=None,
            rate_hz=0,
            source_s=source_s,
            taken_s=time.perf_counter() - started,
            stage_s=dict(run.stage_s),
            device=self.device.type,
            peak_memory_bytes=devices.peak_memory_bytes(self.device),
            notes=tuple(run.notes),
        )

    def _models(self, voice: VoiceFiles, options: Sequence[ConversionOptions], run: Run) -> Models:
        card, synthesizer = self._voice(voice, run)
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
            tracked = card.pitch_guided and any(each.f0_file is None for each in options)
            trackers = self._tracker if tracked else None
        vocode = synthesizer.vocode
        if self.optimization.compile == "torchscript":
            vocode = self._compiled(synthesizer).vocode
        return Models(card, content, synthesizer, vocode, search, trackers, self.device)

    def _tuned(self, network: Network) -> Network:
        """The network on its device, in the layout and precision of the configuration."""
        if self.optimization.use_channels_last:
            use_channels_last(network)
        if self.optimization.use_fp16:
            to_half(network)
        return network.to(self.device)

    def _compiled(self, synthesizer: Synthesizer) -> CompiledVocoder:
        return self._kept("compiled", id(synthesizer), lambda: CompiledVocoder(synthesizer))

    def _voice(self, voice: VoiceFiles, run: Run) -> tuple[VoiceCard, Synthesizer]:
        def load() -> tuple[VoiceCard, Synthesizer]:
            checkpoint = load_voice(voice.weights)
            network = build_synthesizer(checkpoint.sizes, checkpoint.state)
            return checkpoint.card, self._tuned(network)

        with run.stage("load"):
            return self._kept("voice", _identity(voice.weights), load)

    def _content_encoder(self, card: VoiceCard) -> ContentEncoder:
        path = content_encoder_path(card.embedder, self.models_dir)
        encoder = self._kept("content", str(path), lambda: self._tuned(load_content_encoder(path)))
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
        return encoder

    def _search(self, voice: VoiceFiles, card: VoiceCard) -> Search | None:
        path, weighting = voice.index, self.optimization.retrieval_weighting
        if path is None:
            self._loaded.pop("search", None)
            return None

        def load() -> Search:
            index = read_index(path, card.feature_channels)
            if self.optimization.use_gpu_retrieval:
                dtype = torch.float16 if self.optimization.use_fp16 else torch.float32
                return ExactSearch(index.rows, self.device, weighting, dtype=dtype)
            return FaissSearch(index, weighting)

        return self._kept("search", (_identity(path), card.feature_channels), load)

    def _tracker(self, options: ConversionOptions) -> PitchTracker:
        method = options.pitch_method
        if method == "auto":
            method = "rmvpe" if (self.models_dir / RMVPE_FILE).is_file() else "yin"
        if method == "yin":
            return yin_tracker(options.f0_min_hz, options.f0_max_hz)
        path = self.models_dir / RMVPE_FILE
        network: Rmvpe = self._kept("rmvpe", str(path), lambda: self._tuned(load_rmvpe(path)))
        return rmvpe_tracker(network, *_rmvpe_range(options))

    def _kept(self, kind: str, key: Hashable, load: Callable[[], T]) -> T:
        """What `load` gave last time for this key, else what it gives now; one of each kind."""
        found = self._loaded.get(kind)
        if found is None or found[0] != key:
            self._loaded.pop(kind, None)  # before loading: never two at once in memory
            found = (key, load())
            self._loaded[kind] = found
        return cast(T, found[1])


def _columns(samples: Floats) -> Floats:
    """Float32 [n, channels]; refuses what is no sound."""
    if samples.ndim not in (1, 2) or samples.size == 0 or not np.isfinite(samples).all():
        raise AudioFileError(
            "Cannot convert these samples",
            "they are empty, not finite, or not one row per moment",
            "give float32 samples shaped [n] or [n, channels]",
        )
    return samples.reshape(len(samples), -1).astype(np.float32, copy=False)


def _identity(path: Path) -> Hashable:
    """Tells a file from another, and from itself after a change; a missing one is found later."""
    try:
        status = path.stat()
    except OSError:
        return str(path)
    return str(path.absolute()), status.st_size, status.st_mtime_ns


def _rmvpe_range(options: ConversionOptions) -> tuple[float | None, float | None]:
    """The range that limits RMVPE; its own where the user left ours as it was."""
    defaults = ConversionOptions()
    return (
        None if options.f0_min_hz == defaults.f0_min_hz else options.f0_min_hz,
        None if options.f0_max_hz == defaults.f0_max_hz else options.f0_max_hz,
    )
