"""The content features of the next windows, computed while the vocoder works on these.

This pays only where content encoder and vocoder run at two places, e.g. on the Neural Engine and
the GPU. One batch is computed ahead, so memory stays bounded.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

import torch

from engine.networks import Models
from engine.run import Run
from engine.stopping import StopBetweenOperations
from engine.window import Window

_ASK_EVERY_S = 0.1


class ContentAhead:
    """Computes content features, now or ahead on a thread of its own.

    A failure ahead is raised where the features are taken. As a context it ends the thread.
    """

    def __init__(self, models: Models, run: Run) -> None:
        self._models = models
        self._run = run
        self._thread: ThreadPoolExecutor | None = None
        self._begun: tuple[list[Window], str, Future[torch.Tensor]] | None = None
        self._unwanted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self._unwanted = True
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def begin(self, batch: list[Window]) -> None:
        """Compute the features of these windows beside the work of this thread."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="content")
        place = self._run.place("content")
        self._begun = batch, place, self._thread.submit(self._compute_aside, batch)

    def take(self, batch: list[Window]) -> torch.Tensor:
        """Features float32 [B, T, W] at 50 frames a second: begun before, or computed now.

        Raises
        ------
        what the content encoder raises
        """
        begun, self._begun = self._begun, None
        if begun is not None:
            windows, place, future = begun
            made = self._awaited(future)
            # Where memory was short, windows were cut or the part was moved.
            if windows is batch and place == self._run.place("content"):
                return made
        return self._compute(batch)

    def _awaited(self, future: Future[torch.Tensor]) -> torch.Tensor:
        """What was begun; a cancel ends the waiting."""
        while True:
            self._run.pause()
            wait([future], _ASK_EVERY_S)
            if future.done():
                return future.result()

    def _compute_aside(self, batch: list[Window]) -> torch.Tensor:
        # Both are of this thread alone.
        with torch.inference_mode(), StopBetweenOperations(lambda: self._unwanted):
            return self._compute(batch)

    def _compute(self, batch: list[Window]) -> torch.Tensor:
        layer = self._models.card.content_layer
        device = self._run.placement.device_of("content")
        audio = torch.cat([window.samples for window in batch]).to(device)
        whole = _of_whole_source(batch, device)
        return self._models.content(audio, layer, project=layer is not None, **whole)


def _of_whole_source(batch: list[Window], device: str) -> dict[str, torch.Tensor]:
    """What the content encoder has to know of the sources of its rows, if it does."""
    levels = [window.loudest for window in batch for _ in range(window.channels)]
    known = [level for level in levels if level is not None]
    return {"loudest": torch.tensor(known, device=device)} if known else {}
