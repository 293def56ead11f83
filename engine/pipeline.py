"""One conversion from a source to its result: the only place that knows the order of the stages.

The arithmetic is that of the RVC reference implementations; see the README for where it differs
on purpose (joints, ends, repeatable noise). Nothing here is as long as the source but spools,
which move to the disk, and a few numbers for each frame of 10 ms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from engine.analysis import AnalysisSignal
from engine.audio.filters import highpass_48hz_on_device
from engine.audio.levels import follow_volume, half_second_rms, limit_peak, peak_of
from engine.audio.resampling import fit_length, resample_blocks, resampled_length
from engine.audio.source import Sound
from engine.audio.spool import Spool
from engine.effects import apply_effects
from engine.errors import Text
from engine.memory import fit_into_memory
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.options import ConversionOptions
from engine.pitch.ceiling import hears_high_notes, within_reach
from engine.pitch.contour import PitchContour, pitch_contour
from engine.run import FILTERED_FRACTION, PREPARED_FRACTION, Run
from engine.segments import (
    ANALYSIS_RATE_HZ,
    CONTEXT_FRAMES,
    FRAMES_PER_SECOND,
    Piece,
    active_frames,
    plan_pieces,
    window_frames,
)
from engine.stage_cache import SourceCache, StageCache
from engine.stages import Part
from engine.synthesis import Synthesis
from engine.window import CROSSFADE_FRAMES, Joiner, Window

Floats = NDArray[np.float32]
Given = TypeVar("Given")
Made = TypeVar("Made")

PITCH_STRETCH_FRAMES = 30_000
"""Five minutes: the pitch of a longer source is tracked in stretches of this length.

SwiftF0 and YIN judge what is too quiet for a pitch by the loud frames of the stretch.
"""
_MARGIN_S = 0.1
"""Synthesised around a region, for the resampler."""

_FIRST_PIECE_S = 2.0
_SHORTEST_PIECE_S = 1.0
"""Others are joined with the one before."""

PITCH_OVERLAP_FRAMES = 1_000
"""Ten seconds of neighbouring sound on both sides of each stretch, tracked and dropped."""


@dataclass(frozen=True)
class Region:
    """A stretch of a source, in seconds from its beginning; ``inf`` is the end.

    Raises
    ------
    ValueError : it does not end after it begins
    """

    start_s: float
    stop_s: float

    def __post_init__(self) -> None:
        if not max(self.start_s, 0.0) < self.stop_s:  # NaN fails too
            raise ValueError(f"{self} does not end after it begins")

    def pieces(self, first_s: float) -> list[Region]:
        """The stretch in pieces, a short one from ``first_s`` on first: it can be heard at once."""
        end_s, first_s = self.stop_s, min(max(first_s, self.start_s), self.stop_s)
        if end_s - first_s < _SHORTEST_PIECE_S:
            first_s = self.start_s
        cut_s = first_s + _FIRST_PIECE_S
        if end_s - cut_s < _SHORTEST_PIECE_S:
            cut_s = end_s
        bounds = ((first_s, cut_s), (cut_s, end_s), (self.start_s, first_s))
        return [Region(start_s, stop_s) for start_s, stop_s in bounds if start_s < stop_s]

    def samples(self, rate_hz: int, n: int) -> tuple[int, int]:
        """First and last sample of the stretch in a sound of ``n``."""
        start, stop = (round(each * rate_hz) for each in self._within(n / rate_hz))
        return start, stop

    def seconds_around(self, rate_hz: int, n: int) -> tuple[int, int]:
        """Whole seconds with a margin for the filters that come after the synthesis."""
        start_s, stop_s = self._within(n / rate_hz)
        return max(math.floor(start_s) - 1, 0), math.ceil(stop_s) + 1

    def earlier(self, seconds: float) -> Region:
        """The stretch as it is counted from a later beginning."""
        return Region(self.start_s - seconds, self.stop_s - seconds)

    def with_margin(self, options: ConversionOptions) -> Region:
        """What has to be synthesised: loudness is measured over a second around each instant."""
        margin_s = _MARGIN_S + (1.5 if options.volume_envelope < 1 else 0.0)
        return Region(self.start_s - margin_s, self.stop_s + margin_s)

    def frames(self, signal: AnalysisSignal) -> Piece:
        """The frames of the source that the stretch touches."""
        start_s, stop_s = self._within(signal.frames / FRAMES_PER_SECOND)
        start, stop = start_s * FRAMES_PER_SECOND, stop_s * FRAMES_PER_SECOND
        return Piece(math.floor(start), min(math.ceil(stop), signal.frames))

    def _within(self, duration_s: float) -> tuple[float, float]:
        """Start and stop in a source of that length."""
        return min(max(self.start_s, 0.0), duration_s), min(self.stop_s, duration_s)


def convert_signal(
    signal: AnalysisSignal,
    models: Models,
    options: ConversionOptions,
    config: OptimizationConfig,
    rate_hz: int,
    run: Run,
    *,
    cache: StageCache | None = None,
    region: Region | None = None,
) -> Sound:
    """Convert a source, or a region of it; the result is at ``rate_hz``.

    Parameters
    ----------
    signal : filtered here, unless it was filtered before
    cache : of what the first stages make of sources
    region : None is all. Its samples are those of the same stretch of the whole, but for the peak
        limit, which knows the region alone
    """
    filter_signal(signal, models, config, run)
    if signal.lift > 1:
        lift_db = round(20 * math.log10(signal.lift))
        run.note(quiet_note(lift_db))
    kept = None if cache is None else SourceCache(cache, signal, options)
    heard = None if region is None else region.with_margin(options).frames(signal)
    windows = make_windows(signal, models, options, config, run, kept, heard)
    hop, voice_rate_hz = models.synthesizer.sizes.hop_samples, models.card.sample_rate_hz
    output = Spool(signal.channels)
    joiner = Joiner(output, hop)
    for window, sound in Synthesis(models, config, run, kept).run(windows):
        joiner.add(window, sound)
    with run.stage("write"):
        return _finished(output, voice_rate_hz, signal, options, rate_hz, run, region)


def quiet_note(lift_db: int) -> Text:
    """The sentence for a source that was too quiet for the networks."""
    return Text("the sound is very quiet; the networks heard it {db} dB louder", db=lift_db)


def before_conversion(
    signal: AnalysisSignal, options: ConversionOptions, run: Run
) -> AnalysisSignal:
    """The source after its effects, not filtered yet."""
    if not options.effects:
        return signal

    def heard() -> Iterator[Floats]:
        for block in signal.blocks():
            run.pause()
            yield block

    blocks = apply_effects("before", heard(), ANALYSIS_RATE_HZ, options.effects)
    return AnalysisSignal.of(blocks, signal.n_source, signal.source_rate_hz, signal.channels)


def filter_signal(
    signal: AnalysisSignal, models: Models, config: OptimizationConfig, run: Run
) -> None:
    """Limit the peak of a source and remove its rumble, once."""
    if not signal.is_filtered:
        with run.stage("filter", FILTERED_FRACTION):
            signal.high_pass(_filter_for(models, config, run), run.pause)


def make_windows(
    signal: AnalysisSignal,
    models: Models,
    options: ConversionOptions,
    config: OptimizationConfig,
    run: Run,
    kept: SourceCache | None = None,
    heard: Piece | None = None,
) -> Iterator[Window]:
    """Find the pitch of a filtered source, and cut it into windows, read when asked for.

    Parameters
    ----------
    kept : what was made of the source before
    heard : frames whose sound is asked for; None is all
    """
    frames, buckets = signal.frames, config.use_shape_buckets
    pieces = plan_pieces(signal.middle, frames)
    longest = max(window_frames(piece, buckets=buckets) for piece in pieces)
    total = max(frames + 2 * CONTEXT_FRAMES, longest)
    contour = phase = None
    if models.card.pitch_guided:
        contour = _contour(signal, total, options, models, run, kept)
        phase = torch.from_numpy(models.synthesizer.frame_phase(contour.f0_hz)).float()
    active = np.ones(frames, np.bool_)
    if config.skip_silence:
        active = active_frames(signal.read, frames)
    pieces = tuple(piece for piece in pieces if active[piece.start : piece.stop].any())
    if heard is not None:
        reach = CROSSFADE_FRAMES
        pieces = tuple(
            piece
            for piece in pieces
            if piece.start - reach < heard.stop and piece.stop + reach > heard.start
        )
    loudest = None if models.loudest is None else signal.highest(models.loudest, run.pause)
    run.expect(sum(piece.frames for piece in pieces))
    padded = np.pad(active, (CONTEXT_FRAMES, total - frames - CONTEXT_FRAMES), mode="edge")

    def window(piece: Piece) -> Window:
        length = window_frames(piece, buckets=buckets)
        start = min(piece.start, total - length)  # near the end more context is taken before
        part = slice(start, start + length)
        samples = np.ascontiguousarray(signal.padded(start, length).T)
        return Window(
            options=options,
            piece=piece,
            start=start,
            samples=torch.from_numpy(samples),
            f0_hz=None if contour is None else torch.from_numpy(contour.f0_hz[part]),
            coarse=None if contour is None else torch.from_numpy(contour.coarse[part]),
            phase_cycles=None if phase is None else phase[part],
            active=padded[part],
            fade_in=piece.start > 0,
            fade_out=piece.stop < frames,
            heard=heard,
            loudest=loudest,
        )

    return map(window, pieces)


def _filter_for(
    models: Models, config: OptimizationConfig, run: Run
) -> Callable[[Floats], Floats] | None:
    """The high-pass on its device; None is scipy's."""
    if not config.use_gpu_filter:
        return None

    def on_device(channels: Floats) -> Floats:
        run.pause()
        samples = torch.from_numpy(channels).to(run.placement.device_of("filter"))
        filtered: Floats = highpass_48hz_on_device(samples).cpu().numpy()
        return filtered

    return lambda channels: _whole(on_device, channels, "filter", models, run)


def _whole(do: Callable[[Given], Made], given: Given, part: Part, models: Models, run: Run) -> Made:
    """Work that is not cut where memory is short."""
    ((_, made),) = fit_into_memory(given, do, lambda: part, models, run)
    return made


def _contour(
    signal: AnalysisSignal,
    total: int,
    options: ConversionOptions,
    models: Models,
    run: Run,
    kept: SourceCache | None,
) -> PitchContour:
    """Pitch of ``total`` frames of the padded signal."""
    if options.f0_file is not None or models.tracker is None:
        with run.stage("pitch", PREPARED_FRACTION):
            return pitch_contour(None, signal.frames, total, options)
    track = partial(_tracked, signal, total, options, models, run)
    tracked = []
    for start in range(0, total, PITCH_STRETCH_FRAMES):
        # `total` is that of the voice and settings at hand: frames beyond the end are context.
        key = (start, total)
        found = None if kept is None else kept.find("pitch", models, run.place("pitch"), key)
        if found is None:
            share = min(start + PITCH_STRETCH_FRAMES, total) / total
            done = FILTERED_FRACTION + (PREPARED_FRACTION - FILTERED_FRACTION) * share
            with run.stage("pitch", done):
                found = _whole(track, start, "pitch", models, run)
            if kept is not None:  # the place may be another one by now, for want of memory
                kept.keep("pitch", models, run.place("pitch"), key, found)
        tracked.append(found)
    f0_hz = torch.cat(tracked)
    if hears_high_notes(models.pitch_method, options):
        f0_hz = within_reach(f0_hz, options)
    run.f0_hz = f0_hz[CONTEXT_FRAMES : CONTEXT_FRAMES + signal.frames].numpy()
    return pitch_contour(f0_hz, signal.frames, total, options)


def _tracked(
    signal: AnalysisSignal,
    total: int,
    options: ConversionOptions,
    models: Models,
    run: Run,
    start: int,
) -> torch.Tensor:
    """Pitch of the stretch from frame ``start`` on, float32 [n] in Hz."""
    if models.tracker is None:
        raise ValueError("there is no pitch tracker")
    device = run.placement.device_of("pitch")
    tracker = models.tracker(options, device)
    stop = min(start + PITCH_STRETCH_FRAMES, total)
    low, high = max(start - PITCH_OVERLAP_FRAMES, 0), min(stop + PITCH_OVERLAP_FRAMES, total)
    middle = torch.from_numpy(signal.padded_middle(low, high - low))
    run.expect_pitch(start / total, stop / total)
    return tracker(middle.to(device))[start - low : stop - low].cpu()


def _finished(
    output: Spool,
    voice_rate_hz: int,
    signal: AnalysisSignal,
    options: ConversionOptions,
    rate_hz: int,
    run: Run,
    region: Region | None,
) -> Sound:
    """Cut to length, follow the source's loudness, resample, limit the peak."""
    n_voice, n = (
        resampled_length(signal.n_source, signal.source_rate_hz, hz)
        for hz in (voice_rate_hz, rate_hz)
    )
    output.resize(n_voice)
    whole = region is None
    first, last = (0, n) if region is None else region.samples(rate_hz, n)
    # Whole seconds: there both rates have a sample at the same instant.
    start_s, stop_s = (0, -(-n // rate_hz))
    if region is not None:
        start_s, stop_s = region.seconds_around(rate_hz, n)
    low, high = start_s * voice_rate_hz, min(stop_s * voice_rate_hz, n_voice)
    skipped = start_s * rate_hz
    follows = options.volume_envelope < 1 and n_voice > 0
    if follows:
        heard = None if whole else (start_s, stop_s)
        rms_source = half_second_rms(signal.read_as_is, len(signal), ANALYSIS_RATE_HZ, heard)
        rms_output = half_second_rms(output.read, n_voice, voice_rate_hz, heard)

    def unlimited() -> Iterator[Floats]:
        blocks = output.blocks(start=low, stop=high)
        if follows:
            blocks = follow_volume(
                blocks, n_voice, rms_source, rms_output, options.volume_envelope, low
            )
        if rate_hz != voice_rate_hz:
            blocks = resample_blocks(blocks, voice_rate_hz, rate_hz)
            blocks = fit_length(blocks, last - skipped, output.channels)
        for block in apply_effects("after", blocks, rate_hz, options.effects):
            run.pause()
            yield block

    def heard_blocks() -> Iterator[Floats]:
        return unlimited() if whole else _part(unlimited(), first - skipped, last - skipped)

    peak = peak_of(heard_blocks())
    return Sound(
        rate_hz,
        last - first,
        output.channels,
        lambda: (limit_peak(block, peak) for block in heard_blocks()),
    )


def _part(blocks: Iterator[Floats], start: int, stop: int) -> Iterator[Floats]:
    """Samples ``[start, stop)`` of blocks."""
    at = 0
    for block in blocks:
        part = block[max(start - at, 0) : max(stop - at, 0)]
        at += len(block)
        if len(part):
            yield part
