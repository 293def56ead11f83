"""The worker thread's object: holds the engine and executes one order after another."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from desktop.native_library import import_signal_processing, open_torch_libraries
from desktop.problems import message_for, report_for
from desktop.queue.engine_protocol import (
    Audition,
    AuditionOrder,
    Cancelled,
    Engine,
    Failed,
    Finished,
    Learnt,
    MakeEngine,
    Order,
    Outcome,
)
from desktop.queue.job import Job, Voice
from desktop.queue.live_timings import LiveTimings, WatchedProfiler
from engine.errors import ConversionCancelled, Text, UserError, as_text
from engine.key import VoicePitch
from engine.machine import memory_share_bytes
from engine.optimization import OptimizationConfig
from engine.progress import CancelToken, ProgressListener, StageProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.converter import Converter
    from engine.cover.audition import CoverAudition
    from engine.cover.cover import Cover, CoverResult
    from engine.cover.options import CoverOptions
    from engine.options import ConversionResult
    from engine.pipeline import Region
    from engine.recipe import Recipe
    from engine.voice import VoiceFiles

_Piece = tuple[float, "NDArray[np.float32]", int]
"""Where in the source it begins, in seconds; samples; their rate."""

_LOG = logging.getLogger(__name__)

_MEMORY_EVERY_S = 0.5
_CACHE_SHARE = 1 / 32
"""Of the machine's memory: 256 MB of 8 GB."""
_CACHE_BYTES = 128 * 10**6, 10**9
"""The least and the most."""
_READ_WHOLE_S = 60.0
"""Of a longer source an audition reads and analyses its stretch alone: it is heard as soon."""


class ConverterEngine:
    """The real engine; imports torch when it is created.

    Parameters
    ----------
    cache_folder : where the results of the first stages are kept for other takes; None keeps them
        in memory only
    """

    def __init__(self, optimization: OptimizationConfig, cache_folder: Path | None = None) -> None:
        open_torch_libraries()
        import_signal_processing()
        from engine import device
        from engine.converter import Converter
        from engine.stage_cache import StageCache

        cache = StageCache(cache_folder, memory_share_bytes(_CACHE_SHARE, *_CACHE_BYTES))
        self._converter: Converter = Converter(
            optimization=optimization, cache=cache, keep_recipes=True
        )
        self._cover: Cover | None = None
        self._audition: CoverAudition | None = None
        torch_device = self._converter.device
        self._memory_bytes: Callable[[], int] = lambda: device.memory_bytes(torch_device)
        self._empty_cache: Callable[[], None] = lambda: device.empty_cache(torch_device)
        self._profiler = WatchedProfiler(
            enabled=optimization.enable_profiling,
            synchronize=lambda: device.synchronize(torch_device),
        )
        self._profiler.memory_bytes = self._memory_bytes
        self._converter.profiler = self._profiler

    def convert(self, order: Order, live: LiveTimings) -> Finished:
        """See `Engine`."""
        from engine.audio.reader import probe_audio
        from engine.recipe import Recipe

        job = order.job
        live.source(probe_audio(job.source, track=job.options.track).duration_s or 0.0)
        looked_s = 0.0

        def listen(step: StageProgress) -> None:
            nonlocal looked_s
            live.step(step)
            now_s = time.perf_counter()
            if now_s - looked_s >= _MEMORY_EVERY_S:
                looked_s = now_s
                live.memory(self._memory_bytes())

        with self._watched(live):
            repeated = Recipe.parsed(job.repeats, job.title) if job.repeats else None
            if repeated is not None:
                job = self._as_before(job, repeated, order.cancel)
            result, parts = self._made(job, listen, order.cancel)
        if result.output_path is None:
            raise RuntimeError("a file was converted, but no file was named")
        notes = tuple(map(as_text, result.notes))
        if repeated is not None:
            notes += (_compared(repeated, Recipe.from_json(result.recipe)),)
        return Finished(
            job.id,
            result.output_path,
            result.source_s,
            result.taken_s,
            live.stages(),
            result.device,
            result.peak_memory_bytes,
            self._memory_bytes(),
            notes,
            result.f0_hz,
            parts,
            result.recipe,
        )

    def _made(
        self, job: Job, listen: ProgressListener, cancel: CancelToken
    ) -> tuple[ConversionResult | CoverResult, str]:
        """The result of a job, and the parts of a cover."""
        folder = job.result_folder
        if folder is not None and folder != job.output_dir:  # the Music folder need not exist yet
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
        voice = _files_of(job.voice)
        if job.cover is None:
            result = self._converter.convert_file(
                job.source, voice, job.options, output_dir=folder, listener=listen, cancel=cancel
            )
            return result, ""
        made = self._covers(job.cover).make(
            job.source,
            voice,
            job.options,
            job.cover,
            backing_voice=_backing_of(job),
            output_dir=folder,
            listener=listen,
            cancel=cancel,
        )
        return made, made.parts

    def _as_before(self, job: Job, recipe: Recipe, cancel: CancelToken) -> Job:
        """The job with every option of a recipe.

        Raises
        ------
        OptionError : the result would be another one
        """
        options = replace(recipe.conversion_options(), recipe=job.options.recipe)
        cover, voice, backing = recipe.cover_options(), _files_of(job.voice), _backing_of(job)
        if cover is None:
            now = self._converter.recipe(job.source, voice, options, cancel=cancel)
        else:
            covers = self._covers(cover)
            now = covers.recipe(job.source, voice, options, cover, backing, cancel)
        changes = recipe.changes(now)
        if changes:
            raise recipe.refusal(changes, "use Convert Again to make it with what is here")
        return replace(job, options=options, cover=cover)

    def audition(self, order: AuditionOrder) -> Iterator[Audition]:
        """See `Engine`."""
        from engine.pipeline import Region

        live = LiveTimings("")
        region = Region(order.start_s, order.stop_s)
        pieces = self._of_voice if order.cover is None else self._of_song
        with self._watched(live):
            for start_s, samples, rate_hz in pieces(order, region):
                stages = tuple(each.stage for each in live.stages())
                yield Audition(samples, rate_hz, stages, start_s - region.start_s)

    def _of_voice(self, order: AuditionOrder, region: Region) -> Iterator[_Piece]:
        """Pieces of a voice; those beyond the end of the file are left out."""
        from engine.audio.reader import probe_audio

        whole_s = probe_audio(order.source, track=order.options.track).duration_s
        is_short = whole_s is not None and whole_s <= _READ_WHOLE_S
        end_s = region.stop_s
        for piece in region.pieces(order.first_s):
            if piece.start_s >= end_s:
                continue
            result = self._converter.convert_region(
                order.source,
                piece,
                _files_of(order.voice),
                order.options,
                excerpt=None if is_short else region,
                cancel=order.cancel,
            )
            if result.samples is None:
                raise RuntimeError("a stretch was converted, but there are no samples")
            end_s = min(end_s, result.source_s)
            yield piece.start_s, result.samples, result.rate_hz

    def _of_song(self, order: AuditionOrder, region: Region) -> Iterator[_Piece]:
        """Pieces of a cover."""
        from engine.cover.audition import CoverAudition

        if order.cover is None:
            return
        covers = self._covers(order.cover)
        if self._audition is None or self._audition.covers is not covers:
            self._audition = CoverAudition(covers)
        made = self._audition.pieces(
            order.source,
            region,
            _files_of(order.voice),
            order.options,
            order.cover,
            backing_voice=_backing_of(order),
            first_s=order.first_s,
            cancel=order.cancel,
        )
        for each in made:
            yield each.start_s, each.samples, each.rate_hz

    def _covers(self, cover: CoverOptions) -> Cover:
        """Makes covers with the networks that these options ask for; knows them the next time."""
        from engine.cover.cover import Cover
        from engine.library.separation_networks import cover_networks

        networks = cover_networks(cover, self._converter.models_dir)
        if self._cover is None or self._cover.networks != networks:
            self._cover = Cover(self._converter, networks)
        return self._cover

    @contextmanager
    def _watched(self, live: LiveTimings) -> Iterator[None]:
        """Report the stages that run meanwhile."""
        self._profiler.reset()
        self._profiler.live = live
        try:
            yield
        finally:
            self._profiler.live = None

    def warm_up(self, voice: Voice, cancel: CancelToken) -> bool:
        """See `Engine`."""
        return self._converter.warm_up(_files_of(voice), cancel)

    def learn_pitch(self, voice: Voice, cancel: CancelToken) -> VoicePitch | None:
        """See `Engine`."""
        from engine.voice_pitch import learn_pitch

        return learn_pitch(self._converter, _files_of(voice), cancel=cancel)

    def tidy(self) -> None:
        """See `Engine`."""
        self._empty_cache()

    def unload(self) -> None:
        """See `Engine`."""
        self._converter.unload()


def _files_of(voice: Voice) -> VoiceFiles:
    from engine.voice import VoiceFiles

    return VoiceFiles(voice.weights, voice.index, voice.name)


def _backing_of(asked: Job | AuditionOrder) -> VoiceFiles | None:
    return None if asked.backing_voice is None else _files_of(asked.backing_voice)


def _flags_of(order: Order) -> OptimizationConfig:
    """Those of the settings; where a take is repeated, those with which it was made.

    The device stays as it is set: if that is another one now, the engine says so.
    """
    if not order.job.repeats:
        return order.optimization
    from engine.recipe import Recipe

    set_now, before = order.optimization, Recipe.parsed(order.job.repeats, order.job.title)
    return replace(
        before.optimization(), device=set_now.device, enable_profiling=set_now.enable_profiling
    )


def _compared(before: Recipe, now: Recipe) -> Text:
    """The remark on a take that was repeated."""
    if before.sound == now.sound:
        return Text("it has exactly the same samples as the take that was repeated")
    return Text(
        "nothing has changed, but the samples are others: this machine does not always round alike"
    )


class Worker(QObject):
    """Lives on the worker thread; answers every `Order` with exactly one `Outcome`."""

    began = Signal(object)
    ended = Signal(object)
    learning_ended = Signal(object, object)
    auditioned = Signal(object, object)
    audition_ended = Signal(object, object)

    def __init__(self, make_engine: MakeEngine = ConverterEngine) -> None:
        super().__init__()
        self._make_engine = make_engine
        self._engine: Engine | None = None
        self._made_for: OptimizationConfig | None = None
        self._warm_for: Voice | None = None

    @property
    def has_engine(self) -> bool:
        """Whether an engine exists; an order that is cancelled before converts nothing."""
        return self._engine is not None

    @Slot(object)
    def work(self, order: Order) -> None:
        """Execute an order; always emits its outcome."""
        live = LiveTimings(order.job.id)
        self.began.emit(live)
        outcome = self._outcome(order, live)
        self._tidy()
        self.ended.emit(outcome)

    @Slot(object, object)
    def warm_up(self, voice: Voice, cancel: CancelToken) -> None:
        """Prepare the device while idle; an order cancels it."""
        if self._engine is None or self._warm_for == voice or cancel.cancelled:
            return
        try:
            self._warm_for = voice if self._engine.warm_up(voice, cancel) else None
        except Exception:  # noqa: BLE001 - optional work; the next order reports its own errors
            self._warm_for = voice

    @Slot(object, object, object)
    def learn(self, voice: Voice, optimization: OptimizationConfig, cancel: CancelToken) -> None:
        """Learn the range of a voice while idle; silent if an order cancels it."""
        outcome: Learnt | None = None
        try:
            cancel.raise_if_cancelled()
            engine = self._engine_for(optimization, LiveTimings(""))
            outcome = Learnt(engine.learn_pitch(voice, cancel))
        except ConversionCancelled:
            return
        except Exception:  # noqa: BLE001 - optional work; a job with that voice says what is wrong
            if cancel.cancelled:
                return
        self._tidy()
        self.learning_ended.emit(voice, outcome)

    @Slot(object)
    def audition(self, order: AuditionOrder) -> None:
        """Convert a stretch; emits its pieces, then why it failed as a `Text`, or None."""
        problem: Text | None = None
        try:
            order.cancel.raise_if_cancelled()
            engine = self._engine_for(order.optimization, LiveTimings(""))
            order.cancel.raise_if_cancelled()
            for piece in engine.audition(order):
                self.auditioned.emit(order, piece)
                order.cancel.raise_if_cancelled()
        except ConversionCancelled:
            pass
        except Exception as error:  # noqa: BLE001 - the app and the next order continue
            problem = None if order.cancel.cancelled else message_for(error)
        self._tidy()
        self.audition_ended.emit(order, problem)

    @Slot()
    def unload(self) -> None:
        """Free all memory; the next order loads the networks again."""
        self._warm_for = None
        engine, self._engine = self._engine, None
        if engine is not None:
            try:
                engine.unload()
            except Exception:  # noqa: BLE001 - the engine is discarded in any case
                del engine

    def _outcome(self, order: Order, live: LiveTimings) -> Outcome:
        job_id = order.job.id
        try:
            order.cancel.raise_if_cancelled()
            engine = self._engine_for(_flags_of(order), live)
            order.cancel.raise_if_cancelled()
            return replace(engine.convert(order, live), taken_s=live.look().elapsed_s)
        except ConversionCancelled:
            return Cancelled(job_id, live.stages())
        except Exception as error:  # noqa: BLE001 - the job fails, the app and the next job continue
            if order.cancel.cancelled:
                return Cancelled(job_id, live.stages())
            known = isinstance(error, UserError)
            _LOG.error("failed: %s", message_for(error), exc_info=not known)
            return Failed(job_id, message_for(error), report_for(error), live.stages())

    def _engine_for(self, optimization: OptimizationConfig, live: LiveTimings) -> Engine:
        if self._engine is None or self._made_for != optimization:
            self.unload()
            with live.measure("load"):
                self._engine = self._make_engine(optimization)
            self._made_for = optimization
        return self._engine

    def _tidy(self) -> None:
        if self._engine is None:
            return
        try:
            self._engine.tidy()
        except Exception:  # noqa: BLE001 - such an engine is replaced
            self.unload()
