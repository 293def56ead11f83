"""The content encoder by Core ML, on the Neural Engine where Core ML puts it there.

Sound of any length is computed in the smallest of a few programs that holds it, and what is behind
it is masked, so that the result is that of the network itself up to the rounding to 16 bits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.accelerators import AcceleratorFailed
from engine.accelerators.coreml.networks import ContentForm, Tiling
from engine.accelerators.coreml.program import (
    OUTPUT,
    require_coremltools,
    weights_digest,
    write_package,
)
from engine.accelerators.coreml.session import THREAD, Array, Session, package_path
from engine.disk_cache import DiskCache, cache_dir
from engine.errors import OutputFileError, UserError, as_user_error, on_disk
from engine.files import scratch_folder
from engine.models.content_encoder import ContentEncoder
from engine.models.layout import CACHE_TILES, use_channels_last
from engine.segments import BUCKET_FRAMES

BUCKETS = tuple(frames // 2 for frames in BUCKET_FRAMES)
"""Frames that the programs hold, 50 a second: as long as the pieces of a conversion."""

_TILE_SAMPLES = 32_000
"""Of the statistics, where they are not computed at once."""

_CACHE_BYTES = 4 * 10**9
_PACKAGE_BYTES = 400 * 10**6
_ENDING = ".coreml"

_VERSION = 1
"""Part of every key; to be raised when the form of the network changes. So is torch's version."""


class PackageCache:
    """Converted content encoders, by everything that they depend on."""

    def __init__(self, folder: Path | None = None) -> None:
        self._disk = DiskCache(cache_dir("coreml", folder), _ENDING, _CACHE_BYTES)

    def is_empty(self) -> bool:
        """Whether nothing has been converted yet."""
        return not any(self._disk.folder.glob(f"*{_ENDING}"))

    def folder(self, form: ContentForm, digest: str) -> Path:
        """The folder of a program for `Session`, converted now if it is not there.

        Raises
        ------
        UserError : it cannot be converted
        """
        tiling = form.tiling
        key = (_VERSION, str(torch.__version__), digest, tiling, form.layers, form.project)
        found = self._disk.find(key)
        if found is not None:
            return found
        require_coremltools()
        with on_disk(), as_user_error("Cannot keep what was converted to Core ML", OutputFileError):
            return self._convert(form, self._disk.reserve(key, _PACKAGE_BYTES))

    def _convert(self, form: ContentForm, folder: Path) -> Path:
        """Write the package under its name only when it is confirmed."""
        with scratch_folder(folder.parent) as made:
            write_package(form, package_path(made), half=True)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():  # another process may have been first
                    raise
        return folder


class ContentByCoreML:
    """The part ``content``; see `engine.accelerators`.

    Parameters
    ----------
    network : on the CPU, not changed
    by_torch : makes the same part of it for torch; called only if Core ML fails
    """

    def __init__(
        self,
        network: ContentEncoder,
        by_torch: Callable[[], Callable[..., Tensor]],
        cache: PackageCache | None = None,
    ) -> None:
        self._network = network
        self._by_torch = by_torch
        self._cache = cache or PackageCache()
        self._digest = weights_digest(network)
        # Only for the statistics of the norm over time, which are too fine for 16 bits.
        self._first: Any = copy.deepcopy(network.feature_extractor.conv_layers[0])
        use_channels_last(self._first, CACHE_TILES)
        self._torch: Callable[..., Tensor] | None = None
        self._programs: dict[Hashable, Session] = {}

    @torch.no_grad()
    def __call__(self, audio: Tensor, layer: int | None, *, project: bool) -> Tensor:
        """Features ``[B, T, W]`` float32 of sound ``[B, n]``, both on the CPU.

        Raises
        ------
        AcceleratorFailed : Core ML cannot do it; after its ``give_up`` torch does
        """
        if self._torch is not None:
            return self._torch(audio, layer, project=project)
        tiling = Tiling.of(self._network, 1)
        frames = (audio.shape[-1] - tiling.field) // tiling.hop + 1
        bucket = next((size for size in BUCKETS if size >= frames), None)
        if bucket is None or frames < 1:
            return torch.as_tensor(self._network(audio, layer, project=project))
        try:
            rows = [self._row(row, bucket, frames, layer, project=project) for row in audio]
        except UserError as error:
            raise AcceleratorFailed(str(error), self._give_up) from error
        except AcceleratorFailed as error:
            error.give_up = self._give_up
            raise
        return torch.stack(rows)

    def _row(
        self, audio: Tensor, bucket: int, frames: int, layer: int | None, *, project: bool
    ) -> Tensor:
        tiling = Tiling.of(self._network, bucket)
        given = self.inputs(audio[: tiling.samples], tiling, frames)
        inputs = {name: value.half().numpy() for name, value in given.items()}
        key = (bucket, layer, project)

        def run() -> Array:
            if key not in self._programs:
                form = ContentForm(self._network, tiling, layer, project=project)
                folder = self._cache.folder(form, self._digest)
                self._programs[key] = Session(folder, OUTPUT)
            return self._programs[key].predict(inputs)

        return torch.from_numpy(THREAD.run(run).astype(np.float32))[0, :frames]

    def inputs(self, audio: Tensor, tiling: Tiling, frames: int) -> dict[str, Tensor]:
        """What a `ContentForm` takes, float32; the sound is scaled to the range of 16 bits.

        Parameters
        ----------
        audio : [n]
        frames : of the sound
        """
        seen = (torch.arange(tiling.total_frames) < frames).float()[None]
        given = {"tiles": tiling.cut(audio), "seen": seen}
        found = self._first.scaling_over_time(audio[None, None], _TILE_SAMPLES)
        if found is None:
            return given
        scale, shift = found
        bias = self._first.conv.bias
        if bias is not None:
            shift = shift + bias[:, None] * scale
        peak = float(audio.abs().max()) or 1.0
        return given | {"tiles": given["tiles"] / peak, "scale": scale * peak, "shift": shift}

    def _give_up(self) -> None:
        """Let torch compute from now on."""
        self._torch = self._by_torch()
        self._programs.clear()
