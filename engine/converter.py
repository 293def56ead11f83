"""The public class: holds the loaded models and converts one source after another."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine import device as devices
from engine.accelerators import torch_device
from engine.analysis import AnalysisRecorder
from engine.audio.reader import receive_array, receive_sound
from engine.audio.result_file import ResultFile
from engine.audio.source import MAX_RATE_HZ, MIN_RATE_HZ, Decoded, Sound, ends_before, shown_name
from engine.audio.spool import Spool
from engine.audio.writer import file_rate
from engine.conversion_source import ConversionSource
from engine.cover.options import CoverOptions
from engine.errors import AudioFileError, ConversionCancelled, OptionError, Text
from engine.examination import FirstUse
from engine.files import Digests
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions, ConversionResult, FileFormat
from engine.paths import models_dir as locate_models_dir
from engine.pipeline import Region, before_conversion, convert_signal, filter_signal
from engine.pitch.curve import read_curve_file
from engine.pitch.methods import choose_method
from engine.progress import CancelToken, PerformanceProfiler, ProgressListener
from engine.recipe import Ingredients, Recipe, finished
from engine.run import Run
from engine.stage_cache import StageCache, options_key
from engine.stages import CPU
from engine.store import ExaminedStore
from engine.voice import VoiceFiles
from engine.warm_up import warm_up

_LOG = logging.getLogger(__name__)

Floats = NDArray[np.float32]


class Converter:
    """Converts sound with RVC voices, keeping the loaded networks between conversions.

    Nothing of one conversion reaches the next: the same source, voice and options give the same
    samples whatever was converted before. The caller must run one conversion at a time.

    Parameters
    ----------
    models_dir : folder of the shared networks; None is this program's data folder
    optimization : the device and how it is used
    tuning_dir : folder of findings about the device; None is the user's own
    examine_device : compare the device with the CPU before it is first used
    cache : of what the first stages make of sources, so that another take of one runs only the
        others; None keeps nothing
    keep_recipes : whether results of files have their recipes, as those that ask for one do

    Raises
    ------
    DeviceError : the device is not available
    """

    def __init__(
        self,
        models_dir: Path | None = None,
        optimization: OptimizationConfig | None = None,
        *,
        tuning_dir: Path | None = None,
        examine_device: bool = True,
        cache: StageCache | None = None,
        keep_recipes: bool = False,
    ) -> None:
        self.cache = cache
        self.keep_recipes = keep_recipes
        self.digests = Digests()
        self.optimization = optimization or OptimizationConfig()
        self.models_dir = locate_models_dir(models_dir)
        self.device = devices.choose_device(torch_device(self.optimization))
        self.profiler = PerformanceProfiler(
            enabled=self.optimization.enable_profiling,
            synchronize=lambda: devices.synchronize(self.device),
        )
        self._store = ExaminedStore(
            self.models_dir,
            self.optimization,
            self.device,
            tuning_dir,
            examines=examine_device,
        )

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
        UserError : a subclass, with a sentence for the user
        ConversionCancelled : ``cancel`` was set
        """
        options = options or ConversionOptions()
        columns = _checked(samples, rate_hz)
        rate_hz = int(rate_hz)  # a product with numpy's int32 would overflow
        started, run = time.perf_counter(), self._run(listener, cancel)
        play = partial(receive_array, columns, rate_hz, channels=2 if options.stereo else 1)
        with self._networks_at_work(run):
            decoded, sound = self._convert(ConversionSource(play), voice, options, None, run)
            with run.stage("write"):
                nothing = np.zeros((0, sound.channels), np.float32)
                made = np.concatenate([nothing, *sound.blocks()])
        run.finish()
        kept = made if options.stereo else made[:, 0]
        return self._result(run, started, decoded, sound, kept, None)

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
        """Convert a file; when this returns, the complete result is on the disk.

        Parameters
        ----------
        output : the result's name; None is ``name (Voice).wav`` beside the source or in
            ``output_dir``, numbered when taken

        Raises
        ------
        UserError : a subclass, with a sentence for the user; nothing was written
        ConversionCancelled : ``cancel`` was set; nothing was written
        """
        options = options or ConversionOptions()
        target = ResultFile.plan(source, voice.title, options, output, output_dir)
        options = target.options
        started, run = time.perf_counter(), self._run(listener, cancel)
        _LOG.info(
            'converting "%s" with the voice "%s" on %s', source.name, voice.title, self.device
        )
        for note in target.notes:
            run.note(note)
        with self._networks_at_work(run):
            decoded, sound = self._convert(
                ConversionSource.file(source, options), voice, options, options.file_format, run
            )
            recipe = None
            if self.keep_recipes or options.recipe:
                recipe = self.recipe(source, voice, options, cancel=cancel)
            with run.stage("write", 1.0):
                written = target.write(sound, hashed=recipe is not None)
        text, failed = finished(recipe, written.path, written.sound, options)
        for note in failed:
            run.note(note)
        result = self._result(run, started, decoded, sound, None, written.path)
        return replace(result, recipe=text)

    def recipe(
        self,
        source: Path,
        voice: VoiceFiles,
        options: ConversionOptions,
        cover: CoverOptions | None = None,
        *,
        backing: VoiceFiles | None = None,
        networks: tuple[Path, ...] = (),
        cancel: CancelToken | None = None,
    ) -> Recipe:
        """What a conversion or a cover would be made from now; without its sound.

        Parameters
        ----------
        backing : another voice for the backing voices of a cover
        networks : that take songs apart

        Raises
        ------
        UserError : a file is missing or cannot be used
        ConversionCancelled : ``cancel`` was set
        """
        method = choose_method(options.pitch_method, self.models_dir).name
        options = replace(options, pitch_method=method)
        flags = replace(self.optimization, device=devices.device_name(self.device))
        try:
            used = (*self._store.network_files(voice, options), *networks)
            made_from = Ingredients(source, voice, backing, used)
            return Recipe.of(made_from, options, cover, flags, self.digests, cancel)
        except OSError as error:
            name = Path(error.filename or source)
            raise OptionError(
                Text("Cannot read {name}", name=shown_name(name)),
                Text("the disk reports: {report}", report=error.strerror or str(error)),
                "check the name and the folder",
            ) from error

    def convert_sound(
        self,
        sound: Sound,
        voice: VoiceFiles,
        options: ConversionOptions | None = None,
        *,
        key: tuple[object, ...] | None = None,
        region: Region | None = None,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> tuple[Spool, ConversionResult]:
        """Convert a sound of any length into a temporary file.

        Parameters
        ----------
        key : tells the sound from all others, for the cache
        region : the stretch that is wanted, see `convert_region`; None is all

        Returns
        -------
        the converted samples, float32 [n', 1 or 2], and the facts, without samples or a path

        Raises
        ------
        UserError, ConversionCancelled : as `convert`
        """
        options = options or ConversionOptions()
        started, run = time.perf_counter(), self._run(listener, cancel)
        play = partial(receive_sound, sound, channels=2 if options.stereo else 1)
        with self._networks_at_work(run):
            decoded, made = self._convert(
                ConversionSource(play, key), voice, options, None, run, region
            )
            kept = Spool(made.channels)
            with run.stage("write"):
                for block in made.blocks():
                    kept.append(block)
        run.finish()
        return kept, self._result(run, started, decoded, made, None, None)

    def convert_region(
        self,
        source: Path,
        region: Region,
        voice: VoiceFiles,
        options: ConversionOptions | None = None,
        *,
        excerpt: Region | None = None,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> ConversionResult:
        """Convert a stretch of a file, to listen to it; only that stretch is synthesised.

        Parameters
        ----------
        excerpt : read and analyse only this stretch, which contains ``region``, and four seconds
            on both sides of it, however long the file is. It is then converted as a file of its
            own: what depends on the rest of the file may differ a little from `convert_file`'s
            result, that is the phase of the pitch, the noise, and the levels that peak limit,
            silence and pitch are judged by

        Returns
        -------
        a result whose ``samples`` are those of the same stretch of `convert_file`'s result, unless
        that was turned down because of a peak elsewhere; ``source_s`` is the length of the file,
        of an excerpt where it ends

        Raises
        ------
        OptionError : the file ends before the stretch begins
        UserError, ConversionCancelled : as `convert_file`
        """
        options = options or ConversionOptions()
        started, run = time.perf_counter(), self._run(listener, cancel)
        played = ConversionSource.file(source, options, excerpt)
        with self._networks_at_work(run):
            decoded, sound = self._convert(
                played, voice, options, None, run, region.earlier(played.start_s)
            )
            if not sound.n_frames:
                raise ends_before(source)
            with run.stage("write"):
                made = np.concatenate([*sound.blocks()])
        run.finish()
        kept = made if options.stereo else made[:, 0]
        result = self._result(run, started, decoded, sound, kept, None)
        return replace(result, source_s=played.start_s + result.source_s)

    def warm_up(self, voice: VoiceFiles, cancel: CancelToken, *, even_on_cpu: bool = False) -> bool:
        """Run every length of piece once, so that the device compiles its kernels now.

        Does nothing where pieces have no common lengths, nor on the CPU.

        Parameters
        ----------
        cancel : stops it before the next operation

        Returns
        -------
        False if it was cancelled or memory was short

        Raises
        ------
        UserError : the voice cannot be used
        """
        compiles = str(self.device) != CPU or even_on_cpu
        if not compiles or not self.optimization.use_shape_buckets:
            return True
        run = Run(PerformanceProfiler(), self._store.placement, cancel=cancel)
        try:
            warm_up(self._store, voice, self.optimization, run)
        except ConversionCancelled:
            return False
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
            return False
        finally:
            devices.empty_cache(self.device)
        return True

    def require_usable(
        self,
        voice: VoiceFiles,
        options: ConversionOptions,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Load what a conversion needs, so that what is wrong is said now; raises as `convert`."""
        run = self._run(listener, cancel)
        with self._networks_at_work(run):
            self._store.models(voice, [options], run)
        if options.f0_file is not None:
            read_curve_file(options.f0_file)

    @property
    def first_use(self) -> FirstUse:
        """What is known about the device with these flags, and where each part runs."""
        return self._store.first_use

    def forget_findings(self) -> None:
        """Examine the device again at the next conversion."""
        self.first_use.forget()
        self._store.place(self.first_use.placement)

    def unload(self) -> None:
        """Free the memory of all networks and of what the cache holds."""
        self._store.clear()
        if self.cache is not None:
            self.cache.forget_memory()
        devices.empty_cache(self.device)

    def _run(self, listener: ProgressListener | None, cancel: CancelToken | None) -> Run:
        config = replace(self.optimization, device=devices.device_name(self.device))
        return Run(self.profiler, self._store.placement, listener, cancel, config)

    @contextmanager
    def _networks_at_work(self, run: Run) -> Iterator[None]:
        with (
            torch.inference_mode(),
            devices.within_memory(self.device),
            run.stopping_at_once() if str(self.device) == CPU else nullcontext(),
        ):
            yield

    def _convert(
        self,
        source: ConversionSource,
        voice: VoiceFiles,
        options: ConversionOptions,
        file_format: FileFormat | None,
        run: Run,
        region: Region | None = None,
    ) -> tuple[Decoded, Sound]:
        """Facts about the source and its conversion, at a rate that the file format can hold."""
        key = (source.key, options_key(options, "decode"))
        known = None
        if self.cache is not None and source.key is not None:
            known = self.cache.find_signal((*key, self._filter_place(run)))
        if known is None:
            with run.stage("decode"):
                recorder = AnalysisRecorder(run.pause)
                decoded = source.play(recorder)
                signal = before_conversion(recorder.finish(decoded.n_frames), options, run)
        else:
            decoded, signal = known
        for note in decoded.notes:
            run.note(note)
        models = self._store.models(voice, [options], run)
        filter_signal(signal, models, self.optimization, run)
        if self.cache is not None and source.key is not None:
            self.cache.keep_signal((*key, self._filter_place(run)), decoded, signal)
        rate_hz = options.output_rate_hz or models.card.sample_rate_hz
        if file_format is not None:
            rate_hz = file_rate(file_format, rate_hz)
        sound = convert_signal(
            signal,
            models,
            options,
            self.optimization,
            rate_hz,
            run,
            cache=self.cache,
            region=region,
        )
        for sentence in self._store.warnings():
            run.note(sentence)
        return decoded, sound

    def _filter_place(self, run: Run) -> str:
        return run.place("filter") if self.optimization.use_gpu_filter else "host"

    def _result(
        self,
        run: Run,
        started: float,
        decoded: Decoded,
        sound: Sound,
        samples: Floats | None,
        path: Path | None,
    ) -> ConversionResult:
        taken_s = time.perf_counter() - started
        stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in run.stage_s.items())
        _LOG.info("%.1f s of sound converted in %.2f s (%s)", decoded.duration_s, taken_s, stages)
        return ConversionResult(
            samples=samples,
            output_path=path,
            rate_hz=sound.rate_hz,
            source_s=decoded.duration_s,
            taken_s=taken_s,
            stage_s=dict(run.stage_s),
            device=self.device.type,
            peak_memory_bytes=devices.peak_memory_bytes(self.device),
            notes=tuple(run.notes),
            f0_hz=run.f0_hz,
        )


def _checked(samples: Floats, rate_hz: int) -> Floats:
    """The samples as float32 [n, channels].

    Raises
    ------
    OptionError : an impossible sample rate
    AudioFileError : the samples are not sound
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise OptionError(
            Text("Cannot convert samples at {rate} Hz", rate=rate_hz),
            Text(
                "a sample rate lies between {lowest} and {highest} Hz",
                lowest=MIN_RATE_HZ,
                highest=MAX_RATE_HZ,
            ),
            "give the rate at which they were recorded",
        )
    real = np.issubdtype(samples.dtype, np.floating)
    flat = samples.ndim in (1, 2)
    with np.errstate(over="ignore"):
        columns = (
            samples.astype(np.float32, copy=False) if real and flat else np.zeros(0, np.float32)
        )
    if not flat or columns.size == 0 or not np.isfinite(columns).all():
        raise AudioFileError(
            "Cannot convert these samples",
            "they are empty, not finite, not decimal numbers, or have more than two dimensions",
            "give float32 samples shaped [n] or [n, channels]",
        )
    return columns.reshape(len(columns), -1)
