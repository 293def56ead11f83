"""From pieces of prepared sources to their sound: everything that runs on the device."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from engine import device as devices
from engine.models.source import SourceInput
from engine.networks import Models, give_way
from engine.optimization import OptimizationConfig
from engine.pitch.contour import PitchContour
from engine.retrieval.blend import mix, protect
from engine.run import Run
from engine.segments import CONTEXT_FRAMES, Piece, silence_gain
from engine.stages import CPU, Part
from engine.window import WorkItem, work_item

Floats = NDArray[np.float32]

SMALLEST_PIECE_FRAMES = 200


class Synthesis:
    """Sends work items through the networks, as many at once as the configuration says."""

    def __init__(self, models: Models, config: OptimizationConfig, run: Run) -> None:
        self._models = models
        self._config = config
        self._run = run
        self._margin = models.synthesizer.receptive_field_frames()
        self._hop = models.synthesizer.sizes.hop_samples
        self._part: Part = "content"

    def run(self, items: Sequence[WorkItem]) -> None:
        """Synthesise items and hand their sound to their sources' joiners.

        Where the device has too little memory, the batch is halved, then the piece; then the part
        that found too little moves to the CPU.
        """
        for batch in _batches(items, self._config.batch_size):
            self._run_within_memory(batch)

    def _run_within_memory(self, batch: list[WorkItem]) -> None:
        try:
            sound = self._sound(batch)
        except (RuntimeError, MemoryError) as error:
            halves = _halves(batch)
            on_cpu = self._run.placement.device_of(self._part) == CPU
            if not devices.is_out_of_memory(error) or (halves is None and on_cpu):
                raise
        else:
            for item, samples in zip(batch, sound, strict=True):
                item.source.joiner.add(item.piece, samples)
            return
        if halves is None:
            give_way(self._part, self._models, self._run)
            self._run_within_memory(batch)
            return
        devices.empty_cache(torch.device(self._run.placement.device_of(self._part)))
        self._run.note(
            "the device ran out of memory; the work was cut into smaller parts and went on"
        )
        for half in halves:
            self._run_within_memory(half)

    def _enter(self, part: Part) -> str:
        """From here on the work is that of a part; its device."""
        self._part = part
        return self._run.placement.device_of(part)

    def _sound(self, batch: list[WorkItem]) -> list[Floats]:
        """What the joiners get, for each item float32 [C, n]."""
        features = self._features(batch)
        with self._run.stage("synthesis"):
            latent = self._latent(batch, features.to(self._enter("latent")))
        return self._vocode(batch, latent.to(self._enter("vocoder")))

    def _features(self, batch: list[WorkItem]) -> torch.Tensor:
        """Content of the windows, float32 [B, T, W] at 100 frames a second."""
        models = self._models
        layer = models.card.content_layer
        with self._run.stage("content"):
            audio = torch.cat([item.samples for item in batch]).to(self._enter("content"))
            own = models.content(audio, layer, project=layer is not None)
        frames = min(2 * own.shape[1], batch[0].frames)
        if models.search is None or not any(item.source.options.index_rate for item in batch):
            return _double(own, frames)
        with self._run.stage("retrieval"):
            own = own.to(self._enter("retrieval"))
            found = models.search.blend(own.flatten(0, 1)).view_as(own)
            rate = self._per_row(batch, [item.source.options.index_rate for item in batch])
            features = _double(mix(found, own, rate), frames)
            if any(item.source.contour is None for item in batch):
                return features
            return self._protected(batch, features, _double(own, frames))

    def _protected(
        self, batch: list[WorkItem], features: torch.Tensor, own: torch.Tensor
    ) -> torch.Tensor:
        """Unvoiced frames get back some of their own features."""
        strength = self._per_row(batch, [item.source.options.protect for item in batch])
        f0_hz = self._contours(batch, lambda contour: contour.f0_hz, features.shape[1])
        return protect(features, own, f0_hz, strength)

    def _contours(
        self,
        batch: list[WorkItem],
        pick: Callable[[PitchContour], NDArray[np.generic]],
        frames: int,
    ) -> torch.Tensor:
        """[B, frames] on the device: one value of the pitch contour for each frame and row."""
        rows = [
            item.rows(pick(item.source.contour), 0, frames)
            for item in batch
            if item.source.contour is not None
        ]
        return torch.cat(rows).to(self._run.placement.device_of(self._part))

    def _per_row(self, batch: list[WorkItem], values: list[float]) -> torch.Tensor:
        """[B, 1, 1] on the device: one value for all channels of an item."""
        channels = torch.tensor([item.source.channels for item in batch])
        rows = torch.tensor(values, dtype=torch.float32).repeat_interleave(channels)
        return rows.to(self._run.placement.device_of(self._part))[:, None, None]

    def _latent(self, batch: list[WorkItem], features: torch.Tensor) -> torch.Tensor:
        """What the vocoder is given, float32 [B, C, T]."""
        models = self._models
        frames = features.shape[1]
        coarse = None
        if models.card.pitch_guided:
            coarse = self._contours(batch, lambda contour: contour.coarse, frames)
        mean, log_scale = models.synthesizer.prior(features, coarse)
        noise = None
        if any(item.source.options.noise for item in batch):
            drawn = [item.latent_noise(frames, mean.shape[1]) for item in batch]
            noise = torch.cat(drawn).to(mean.device)
        return models.synthesizer.latent(mean, log_scale, noise, self._speakers(batch))

    def _speakers(self, batch: list[WorkItem]) -> torch.Tensor:
        rows = [item.source.options.speaker for item in batch for _ in range(item.source.channels)]
        return torch.tensor(rows, device=self._run.placement.device_of("latent"))

    def _vocode(self, batch: list[WorkItem], latent: torch.Tensor) -> list[Floats]:
        """Samples that the joiners want, each float32 [C, n]; a tile at a time."""
        spans = [item.wanted() for item in batch]
        low, high = min(span[0] for span in spans), max(span[1] for span in spans)
        rows = sum(item.source.channels for item in batch)
        sound = np.zeros((rows, (high - low) * self._hop), np.float32)
        step = self._config.tile_frames or high - low
        for begun in range(low, high, step):
            stop = min(begun + step, high)
            # A whole tile at the end too, rather than one of a length that is new to the device.
            start = max(stop - step, low) if self._config.use_shape_buckets else begun
            part = self._audible(batch, start, stop)
            if part is not None:
                with self._run.stage("synthesis"):
                    at = (part[0] - low) * self._hop
                    made = self._vocode_tile(batch, latent, *part)
                    sound[:, at : at + made.shape[1]] = made
            self._run.advance((stop - begun) * len(batch))
        return self._cut(batch, sound, spans, low)

    def _audible(self, batch: list[WorkItem], start: int, stop: int) -> tuple[int, int] | None:
        """The part of frames ``[start, stop)`` of the windows that has to be synthesised."""
        if not self._config.skip_silence:
            return start, stop
        heard = np.zeros(stop - start, np.bool_)
        for item in batch:
            offset = item.start - CONTEXT_FRAMES
            first, last = max(start + offset, 0), min(stop + offset, item.source.frames)
            if first < last:
                heard[first - offset - start : last - offset - start] |= item.source.active[
                    first:last
                ]
        where = np.flatnonzero(heard)
        if not len(where):
            return None
        if self._config.use_shape_buckets:
            return start, stop
        return start + int(where[0]), start + int(where[-1]) + 1

    def _vocode_tile(
        self, batch: list[WorkItem], latent: torch.Tensor, start: int, stop: int
    ) -> Floats:
        """Samples of frames ``[start, stop)`` of the windows, float32 [B, n].

        The vocoder sees no further than its receptive field, so a tile with that much round it
        equals the same stretch of the whole.
        """
        low = max(start - self._margin, 0)
        high = min(stop + self._margin, latent.shape[2])
        source = self._excitation(batch, low, high - low)
        context = (start - low, high - stop)
        audio = self._models.vocode(latent[:, :, low:high], source, self._speakers(batch), context)
        samples: Floats = audio.float().cpu().numpy()
        return samples

    def _excitation(self, batch: list[WorkItem], start: int, frames: int) -> SourceInput | None:
        """The sources of all items, one under the other, on the device."""
        device = self._run.placement.device_of("vocoder")
        made = [item.excitation(start, frames, self._models.synthesizer) for item in batch]
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
        self, batch: list[WorkItem], sound: Floats, spans: list[tuple[int, int]], low: int
    ) -> list[Floats]:
        """Each item's own rows and frames, silent where its source is."""
        cut: list[Floats] = []
        row = 0
        for item, (start, stop) in zip(batch, spans, strict=True):
            rows = sound[row : row + item.source.channels]
            part = rows[:, (start - low) * self._hop : (stop - low) * self._hop]
            if self._config.skip_silence:
                window = item.source.joiner.window(item.piece)
                part = part * silence_gain(item.source.active, *window, self._hop)
            cut.append(part)
            row += item.source.channels
        return cut


def _double(features: torch.Tensor, frames: int) -> torch.Tensor:
    """50 to 100 frames a second by repetition, cut to ``frames``: [B, T, W]."""
    return features.repeat_interleave(2, dim=1)[:, :frames]


def _batches(items: Sequence[WorkItem], size: int) -> list[list[WorkItem]]:
    """Items that can share a run: windows of one length, the same noise; in their order."""
    groups: dict[Hashable, list[WorkItem]] = {}
    batches: list[list[WorkItem]] = []
    for item in items:
        options = item.source.options
        key = (item.frames, options.noise, options.seed)
        group = groups.get(key)
        if group is None or len(group) >= size:
            group = groups[key] = []
            batches.append(group)
        group.append(item)
    return batches


def _halves(batch: list[WorkItem]) -> tuple[list[WorkItem], list[WorkItem]] | None:
    """The batch in two, or its only piece in two; None where neither can be cut."""
    if len(batch) > 1:
        middle = len(batch) // 2
        return batch[:middle], batch[middle:]
    item = batch[0]
    if item.piece.frames < 2 * SMALLEST_PIECE_FRAMES:
        return None
    middle = (item.piece.start + item.piece.stop) // 2
    pieces = (Piece(item.piece.start, middle), Piece(middle, item.piece.stop))
    first, second = (work_item(item.source, piece, buckets=False) for piece in pieces)
    return [first], [second]
