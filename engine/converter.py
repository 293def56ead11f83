"""The public class: holds the loaded models and converts one source after another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine import device as devices
from engine.errors import ConversionCancelled, UserError
from engine.examined_store import ExaminedStore
from engine.file_conversion import FileConversion, carry_out, plan_all
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions, ConversionResult
from engine.paths import models_dir as locate_models_dir
from engine.pipeline import Source, checked_source, convert_together, output_rate
from engine.progress import CancelToken, PerformanceProfiler, ProgressListener
from engine.run import Run
from engine.stages import CPU
from engine.voice import VoiceCard, VoiceFiles
from engine.warm_up import warm_up

Floats = NDArray[np.float32]


class Converter:
    """Converts sound with RVC voices, keeping the loaded networks between conversions.

    Nothing of one conversion reaches the next: the same source, voice and options give the same
    samples whatever was converted before. One conversion runs at a time; the caller sees to it.

    Parameters
    ----------
    models_dir : folder of the shared networks; None is this program's data folder
    optimization : device and ways of working
    tuning_dir : folder of what was found about the device; None is the user's own
    examine_device : compare the device with the CPU before it is first used

    Raises
    ------
    DeviceError : the device that was asked for is not there
    """

    def __init__(
        self,
        models_dir: Path | None = None,
        optimization: OptimizationConfig | None = None,
        *,
        tuning_dir: Path | None = None,
        examine_device: bool = True,
    ) -> None:
        self.optimization = optimization or OptimizationConfig()
        self.models_dir = locate_models_dir(models_dir)
        self.device = devices.choose_device(self.optimization.device)
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
        UserError : one of its kinds, with a sentence for the user
        ConversionCancelled : ``cancel`` was set; nothing is kept
        """
        source = Source(samples, rate_hz, options or ConversionOptions())
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
        run = Run(self.profiler, self._store.placement, listener, cancel)
        checked = [checked_source(source) for source in sources]
        converted, card = self._convert(checked, voice, run)
        run.finish()
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
        file = FileConversion.plan(source, voice.title, options, output, output_dir)
        (result,) = self._convert_files([file], voice, listener, cancel)
        if isinstance(result, UserError):
            raise result
        return result

    def convert_files(
        self,
        sources: Sequence[Path],
        voice: VoiceFiles,
        options: ConversionOptions | None = None,
        *,
        output_dir: Path | None = None,
        listener: ProgressListener | None = None,
        cancel: CancelToken | None = None,
    ) -> list[ConversionResult | UserError]:
        """Convert files together: their pieces share the batches of the configuration.

        Each result is what `convert_file` gives, but for times and memory, which are those of all
        together. A file that is refused keeps no other one waiting.

        Returns
        -------
        for each source its result, or why there is none

        Raises
        ------
        UserError : the voice or the device is refused; nothing was written
        ConversionCancelled : ``cancel`` was set; nothing was written
        """
        options = options or ConversionOptions()
        planned = plan_all(sources, voice.title, options, output_dir)
        return self._convert_files(planned, voice, listener, cancel)

    def warm_up(self, voice: VoiceFiles, cancel: CancelToken, *, even_on_cpu: bool = False) -> bool:
        """Run every length of piece once, so that conversions need not wait for kernels.

        Nothing is left behind but what the device's driver keeps. Does nothing where pieces have
        no common lengths, nor on the CPU, which compiles nothing.

        Parameters
        ----------
        cancel : stops it within a layer of a network

        Returns
        -------
        whether it came to its end

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

    def on_cpu(self) -> list[str]:
        """Why parts run on the CPU although the device is another, each a sentence."""
        return self._store.first_use.sentences()

    def forget_findings(self) -> None:
        """Examine the device anew at the next conversion."""
        self._store.first_use.forget()
        self._store.place(self._store.first_use.placement)

    def unload(self) -> None:
        """Give all model memory back."""
        self._store.clear()
        devices.empty_cache(self.device)

    def _convert_files(
        self,
        files: Sequence[FileConversion | UserError],
        voice: VoiceFiles,
        listener: ProgressListener | None,
        cancel: CancelToken | None,
    ) -> list[ConversionResult | UserError]:
        """For each file its result, or why it was refused."""
        started = time.perf_counter()
        run = Run(self.profiler, self._store.placement, listener, cancel)

        def voice_rate_hz() -> int:
            with devices.within_memory(self.device):
                return self._store.voice(voice, run)[0].sample_rate_hz

        found = carry_out(
            files, voice_rate_hz, lambda sources: self._convert(sources, voice, run)[0], run
        )
        results: list[ConversionResult | UserError] = []
        for each in found:
            if isinstance(each, UserError):
                results.append(each)
                continue
            result = self._result(run, started, each.source_s)
            notes = (*each.notes, *run.notes)
            results.append(
                replace(result, output_path=each.path, rate_hz=each.rate_hz, notes=notes)
            )
        return results

    def _convert(
        self, sources: list[Source], voice: VoiceFiles, run: Run
    ) -> tuple[list[Floats], VoiceCard]:
        """Samples of each source at its own output rate, and the voice; `sources` is emptied."""
        with torch.inference_mode(), devices.within_memory(self.device):
            models = self._store.models(voice, [source.options for source in sources], run)
            converted = convert_together(sources, models, self.optimization, run)
            for sentence in self._store.warnings():
                run.note(sentence)
            return converted, models.card

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
