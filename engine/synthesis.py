"""From windows to their sound: everything that runs on the device."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from engine.accelerators import TORCH, find
from engine.content_ahead import ContentAhead
from engine.memory import fit_into_memory
from engine.models.source import SourceInput
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.retrieval.blend import mix, protect
from engine.run import Run
from engine.stage_cache import SourceCache
from engine.stages import Part
from engine.window import Window

Floats = NDArray[np.float32]

_AHEAD = 2
"""Batches whose windows wait together, to be grouped by length."""


class Synthesis:
    """Sends windows through the networks, as many at once as the configuration says.

    Parameters
    ----------
    features : keeps the content features of the source; None keeps nothing
    """

    def __init__(
        self,
        models: Models,
        config: OptimizationConfig,
        run: Run,
        features: SourceCache | None = None,
    ) -> None:
        self._kept = features
        self._models = models
        self._config = config
        self._run = run
        self._margin = models.synthesizer.receptive_field_frames()
        self._hop = models.synthesizer.sizes.hop_samples
        self._part: Part = "content"
        self._ahead = ContentAhead(models, run)
        self._next: list[Window] | None = None

    def run(self, windows: Iterable[Window]) -> Iterator[tuple[Window, Floats]]:
        """Synthesise windows; a few at a time are in memory.

        Yields
        ------
        a window, or a part of one where memory was short, and its kept sound, float32 [C, n];
        not always in the order in which the windows came
        """
        with self._ahead:
            upcoming = self._grouped(windows)
            batch = next(upcoming, None)
            while batch is not None:
                self._next = next(upcoming, None)
                for done, sound in fit_into_memory(
                    batch, self._sound, lambda: self._part, self._models, self._run, _halves
                ):
                    yield from zip(done, sound, strict=True)
                batch = self._next

    def _grouped(self, windows: Iterable[Window]) -> Iterator[list[Window]]:
        """Batches, made of a few windows at a time."""
        waiting = iter(windows)
        while ahead := list(islice(waiting, _AHEAD * self._config.batch_size)):
            yield from _batches(ahead, self._config.batch_size)

    def _enter(self, part: Part) -> str:
        """Note which part is running now; returns its device."""
        self._part = part
        return self._run.placement.device_of(part)

    def _sound(self, batch: list[Window]) -> list[Floats]:
        """The kept sound of each window, float32 [C, n]."""
        features = self._features(batch)
        with self._run.stage("synthesis"):
            latent = self._latent(batch, features.to(self._enter("latent")))
        self._begin_next()
        return self._vocode(batch, latent.to(self._enter("vocoder")))

    def _features(self, batch: list[Window]) -> torch.Tensor:
        """Content of the windows, float32 [B, T, W] at 100 frames a second."""
        models = self._models
        own = self._content(batch)
        frames = min(2 * own.shape[1], batch[0].frames)
        options = batch[0].options
        if models.search is None or not options.index_rate:
            return _double(own, frames)
        with self._run.stage("retrieval"):
            own = own.to(self._enter("retrieval"))
            found = models.search.blend(own.flatten(0, 1)).view_as(own)
            rate, strength = (
                torch.full((1, 1, 1), share, device=own.device)
                for share in (options.index_rate, options.protect)
            )
            features = _double(mix(found, own, rate), frames)
            f0_hz = self._rows(batch, [window.f0_hz for window in batch], frames)
            if f0_hz is None:
                return features
            # Unvoiced frames get back some of their own features.
            return protect(features, _double(own, frames), f0_hz, strength)

    def _begin_next(self) -> None:
        """Begin the content of the next batch beside the vocoder, if they run at two places."""
        batch, run = self._next, self._run
        if batch is None or run.place("content") == run.place("vocoder"):
            return
        name = run.placement.accelerator_of("content") or TORCH
        if find(name).any_thread and self._from_cache(batch) is None:
            self._ahead.begin(batch)

    def _from_cache(self, batch: list[Window]) -> list[torch.Tensor] | None:
        """The content features of each window, if all of them were kept."""
        if self._kept is None:
            return None
        place = self._run.place("content")
        found = [self._kept.find("content", self._models, place, self._key(each)) for each in batch]
        hits = [each for each in found if each is not None]
        return hits if len(hits) == len(batch) else None

    def _key(self, window: Window) -> tuple[object, ...]:
        return window.start, window.frames, self._models.card.content_layer

    def _content(self, batch: list[Window]) -> torch.Tensor:
        """The content encoder's features, [B, T, W] at 50 frames a second."""
        device = self._enter("content")
        place = self._run.place("content")
        found = self._from_cache(batch)
        if found is not None:
            return torch.cat(found).to(device)
        with self._run.stage("content"):
            own = self._ahead.take(batch)
        if self._kept is not None:
            rows = torch.split(own, [window.channels for window in batch])
            for window, part in zip(batch, rows, strict=True):
                self._kept.keep("content", self._models, place, self._key(window), part)
        return own

    def _rows(
        self, batch: list[Window], values: Sequence[torch.Tensor | None], frames: int
    ) -> torch.Tensor | None:
        """[B, frames] on the device of a value for each frame; None for a voice without pitch."""
        rows = [
            row[:frames].expand(window.channels, -1)
            for window, row in zip(batch, values, strict=True)
            if row is not None
        ]
        return torch.cat(rows).to(self._run.placement.device_of(self._part)) if rows else None

    def _latent(self, batch: list[Window], features: torch.Tensor) -> torch.Tensor:
        """The vocoder's input, float32 [B, C, T]."""
        models = self._models
        frames = features.shape[1]
        coarse = self._rows(batch, [window.coarse for window in batch], frames)
        mean, log_scale = models.latent.prior(features, coarse)
        noise = None
        if batch[0].options.noise:
            drawn = [window.latent_noise(frames, mean.shape[1]) for window in batch]
            noise = torch.cat(drawn).to(mean.device)
        return models.latent.flow(mean, log_scale, noise, self._speakers(batch))

    def _speakers(self, batch: list[Window]) -> torch.Tensor:
        rows = [window.options.speaker for window in batch for _ in range(window.channels)]
        return torch.tensor(rows, device=self._run.placement.device_of("latent"))

    def _vocode(self, batch: list[Window], latent: torch.Tensor) -> list[Floats]:
        """The kept sound of each window, float32 [C, n]; a tile at a time."""
        spans = [window.used_frames() for window in batch]
        low, high = min(span[0] for span in spans), max(span[1] for span in spans)
        rows = sum(window.channels for window in batch)
        sound = np.zeros((rows, (high - low) * self._hop), np.float32)
        step = self._config.tile_frames or high - low
        for begun in range(low, high, step):
            stop = min(begun + step, high)
            # The last tile has full length too: a new length would compile new kernels.
            start = max(stop - step, low) if self._config.use_shape_buckets else begun
            part = self._audible(batch, start, stop)
            if part is not None:
                with self._run.stage("synthesis"):
                    at = (part[0] - low) * self._hop
                    made = self._vocode_tile(batch, latent, *part)
                    sound[:, at : at + made.shape[1]] = made
            self._run.advance((stop - begun) * len(batch))
        return self._cut(batch, sound, spans, low)

    def _audible(self, batch: list[Window], start: int, stop: int) -> tuple[int, int] | None:
        """The part of frames ``[start, stop)`` of the windows that has to be synthesised."""
        asked = [each for w in batch if (each := w.heard_frames(start, stop)) is not None]
        if not asked:
            return None
        if not self._config.use_shape_buckets:
            start, stop = min(low for low, _ in asked), max(high for _, high in asked)
        if not self._config.skip_silence:
            return start, stop
        sounding = np.flatnonzero(np.any([window.active[start:stop] for window in batch], axis=0))
        if not len(sounding):
            return None
        if self._config.use_shape_buckets:
            return start, stop
        return start + int(sounding[0]), start + int(sounding[-1]) + 1

    def _vocode_tile(
        self, batch: list[Window], latent: torch.Tensor, start: int, stop: int
    ) -> Floats:
        """Samples of frames ``[start, stop)`` of the windows, float32 [B, n].

        The vocoder sees no further than its receptive field, so a tile with that much around it
        equals the same stretch of the whole.
        """
        low = max(start - self._margin, 0)
        high = min(stop + self._margin, latent.shape[2])
        source = self._excitation(batch, low, high - low)
        context = (start - low, high - stop)
        audio = self._models.vocode(latent[:, :, low:high], source, self._speakers(batch), context)
        samples: Floats = audio.float().cpu().numpy()
        return samples

    def _excitation(self, batch: list[Window], start: int, frames: int) -> SourceInput | None:
        """The sources of all windows, as rows of one batch on the device."""
        device = self._run.placement.device_of("vocoder")
        made = [window.excitation(start, frames, self._models.synthesizer) for window in batch]
        parts = [part for part in made if part is not None]
        if not parts:
            return None

        def layer_noise(layer: str, channels: int, samples_per_frame: int) -> torch.Tensor:
            draws = [part.layer_noise for part in parts if part.layer_noise is not None]
            return torch.cat([draw(layer, channels, samples_per_frame) for draw in draws]).to(
                device
            )

        noises = [part.noise for part in parts if part.noise is not None]
        start_phase = parts[0].start_phase_cycles
        return SourceInput(
            f0_hz=torch.cat([part.f0_hz for part in parts]).to(device),
            phase_cycles=torch.cat([part.phase_cycles for part in parts]).to(device),
            noise=torch.cat(noises).to(device) if noises else None,
            start_phase_cycles=None if start_phase is None else start_phase.to(device),
            layer_noise=layer_noise if noises else None,
        )

    def _cut(
        self, batch: list[Window], sound: Floats, spans: list[tuple[int, int]], low: int
    ) -> list[Floats]:
        """Each window's own rows and frames, silent where its source is."""
        cut: list[Floats] = []
        row = 0
        for window, (start, stop) in zip(batch, spans, strict=True):
            rows = sound[row : row + window.channels]
            part = rows[:, (start - low) * self._hop : (stop - low) * self._hop]
            if self._config.skip_silence:
                part = part * window.silence_gain(self._hop)
            cut.append(part)
            row += window.channels
        return cut


def _double(features: torch.Tensor, frames: int) -> torch.Tensor:
    """50 to 100 frames a second by repetition, cut to ``frames``: [B, T, W]."""
    return features.repeat_interleave(2, dim=1)[:, :frames]


def _batches(windows: Sequence[Window], size: int) -> list[list[Window]]:
    """Windows of one length and with the same options, in their order."""
    groups: dict[Hashable, list[Window]] = {}
    batches: list[list[Window]] = []
    for window in windows:
        key = (window.frames, window.options)
        group = groups.get(key)
        if group is None or len(group) >= size:
            group = groups[key] = []
            batches.append(group)
        group.append(window)
    return batches


def _halves(batch: list[Window]) -> tuple[list[Window], list[Window]] | None:
    """The batch in two, or its only window in two; None where neither can be cut."""
    if len(batch) > 1:
        middle = len(batch) // 2
        return batch[:middle], batch[middle:]
    halves = batch[0].halves()
    return None if halves is None else ([halves[0]], [halves[1]])
