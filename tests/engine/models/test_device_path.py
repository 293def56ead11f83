"""What is slow or missing on Metal: float64, and reading a number in the middle of a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine.encoder_layout import sizes_of, whisper_sizes_of
from engine.models.content_encoder import ContentEncoder
from engine.models.layers import without_weights
from engine.models.rmvpe import Rmvpe, RmvpeNetwork
from engine.models.whisper import WhisperEncoder
from engine.pitch.rmvpe import decode_salience


class NoDoubles(TorchDispatchMode):
    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                assert tensor.dtype not in (torch.float64, torch.complex128), func
                assert tensor.device.type == "meta", func
        return result


def track_with_rmvpe() -> tuple[int, ...]:
    model = Rmvpe(RmvpeNetwork()).eval().to("meta")
    with NoDoubles():
        salience = model.salience(torch.empty(4 * 16_000, device="meta"))
        return tuple(decode_salience(salience, f0_min_hz=50, f0_max_hz=1100).shape)


def encode_content() -> tuple[int, ...]:
    with without_weights():
        model = ContentEncoder(sizes_of({})).eval()
    with NoDoubles():
        return tuple(model(torch.empty(2, 40 * 16_000, device="meta"), 9, project=True).shape)


def encode_content_by_whisper() -> tuple[int, ...]:
    with without_weights():
        model = WhisperEncoder(whisper_sizes_of({})).eval()
    model.to("meta")  # tables without weights were made on the host
    loudest = torch.empty(2, device="meta")
    with NoDoubles():
        return tuple(model(torch.empty(2, 40 * 16_000, device="meta"), loudest=loudest).shape)


@pytest.mark.parametrize(
    ("stage", "shape"),
    [
        (track_with_rmvpe, (401,)),
        (encode_content, (2, 1999, 256)),
        (encode_content_by_whisper, (2, 2000, 384)),
    ],
)
def test_a_stage_reads_no_numbers_from_the_device(
    stage: Callable[[], tuple[int, ...]], shape: tuple[int, ...]
) -> None:
    """The meta device has no numbers: ``.item()``, ``.cpu()`` or a mask as index would raise."""
    assert stage() == shape
