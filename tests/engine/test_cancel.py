"""A cancel is heard before the next operation of torch, wherever a conversion is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from engine import CancelToken, ConversionOptions, Converter, OptimizationConfig
from engine.errors import ConversionCancelled
from engine.progress import PerformanceProfiler
from engine.run import Run
from engine.stages import Placement
from engine.stopping import StopBetweenOperations
from tests.engine.second_device import give_second_device
from tests.engine.small_set import SmallSet, write_small_set
from tests.sound import starter_speech


class Cancelling(TorchFunctionMode):
    """Sets the token in the operation of this name; remembers what is called after that."""

    def __init__(self, token: CancelToken, where: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.after: list[object] = []
        self._token, self._where = token, where

    def __torch_function__(
        self, func: Any, _types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self._token.cancelled and func is not torch._C._set_grad_enabled:
            self.after.append(func)
        if getattr(func, "__name__", "") == self._where:
            self._token.cancel()
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    return write_small_set(tmp_path_factory.mktemp("small"))


def converted(
    converter: Converter, small: SmallSet, cancel: CancelToken | None = None
) -> NDArray[np.float32]:
    options = ConversionOptions(seed=3, pitch_method="yin")
    samples = converter.convert(
        starter_speech()[:16_000], 16_000, small.voice, options, cancel=cancel
    ).samples
    assert samples is not None
    return samples


def test_a_cancel_is_heard_at_once_and_the_next_result_is_the_same(small: SmallSet) -> None:
    """While weights are read and checked, in the pitch, in each network, in the index."""
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    for where in ("isfinite", "fft_rfft", "layer_norm", "topk", "leaky_relu"):
        token = CancelToken()
        with pytest.raises(ConversionCancelled), Cancelling(token, where) as spy:
            converted(converter, small, token)
        assert spy.after == [], where
    plain = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    assert np.array_equal(converted(converter, small), converted(plain, small))


def test_an_effect_on_the_source_stops_between_blocks(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"))
    token, spectra, rfft = CancelToken(), 0, np.fft.rfft

    def counted(*given: Any) -> Any:
        nonlocal spectra
        spectra += 1
        token.cancel()
        return rfft(*given)

    monkeypatch.setattr(np.fft, "rfft", counted)
    options = ConversionOptions(effects={"formant_semitones": 1.0})
    source = np.zeros(20 * 16_000, np.float32)  # five blocks, of ten spectra each
    with pytest.raises(ConversionCancelled):
        converter.convert(source, 16_000, small.voice, options, cancel=token)
    assert 0 < spectra < 20


def test_what_cleans_up_after_a_cancel_is_left_to_do_so() -> None:
    token = CancelToken()
    cleaned: list[torch.Tensor] = []

    def work() -> None:
        with StopBetweenOperations(lambda: token.cancelled), torch.no_grad():
            token.cancel()
            try:
                torch.ones(1)
            finally:
                cleaned.append(torch.zeros(1))

    with pytest.raises(ConversionCancelled):
        work()
    assert len(cleaned) == 1
    assert torch.is_grad_enabled()
    with StopBetweenOperations(lambda: token.cancelled), torch.no_grad():
        pass
    assert torch.is_grad_enabled()


class Counting(CancelToken):
    """Counts how often it is asked; the answer is always no."""

    def __init__(self) -> None:
        self.asked = 0
        super().__init__()

    def __getattribute__(self, name: str) -> Any:
        if name == "cancelled":
            self.asked += 1
        return super().__getattribute__(name)


def test_a_stage_inside_another_that_stops_at_once_asks_once_before_each_operation() -> None:
    token = Counting()
    run = Run(PerformanceProfiler(), Placement(), cancel=token)
    with run.stopping_at_once():
        with run.stopping_at_once():
            torch.ones(1)
        assert token.asked == 1
        torch.ones(1)
        assert token.asked == 2
    torch.ones(1)
    assert token.asked == 2
    with run.stopping_at_once():
        torch.ones(1)
    assert token.asked == 3


def test_on_a_gpu_the_reading_of_weights_stops_at_once(
    small: SmallSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere an operation only starts work there."""
    give_second_device(monkeypatch)
    converter = Converter(small.models_dir, OptimizationConfig(device="cpu"), examine_device=False)
    token = CancelToken()
    with pytest.raises(ConversionCancelled), Cancelling(token, "isfinite") as spy:
        converted(converter, small, token)
    assert spy.after == []
