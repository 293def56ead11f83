"""A Core ML package at work: compiled once, loaded, and called from one thread of its own.

Core ML is reached through pyobjc. A compilation for the Neural Engine may take minutes, hang, or
end the program; so it has a time limit, and what ended the program twice is not tried again.
"""

from __future__ import annotations

import logging
import os
import platform
import queue
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from engine.accelerators import AcceleratorFailed

_LOG = logging.getLogger(__name__)

Made = TypeVar("Made")
Array = NDArray[Any]

LIMIT_S = 300.0
"""A first compilation for the Neural Engine takes from 20 seconds to some minutes."""

_CRASHES = 2
"""Once may be a user who quits."""

_ASK_EVERY_S = 0.1
_PACKAGE, _TRIES = "network.mlpackage", "tries"
_COMPILED = "macOS "
"""Begins the name of what one version of macOS compiled of the package."""


class OwnThread:
    """One thread for all calls of Core ML, which must not come from several."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = (
            queue.SimpleQueue()
        )
        self._started = self._hangs = False
        self._lock = threading.Lock()

    def run(self, do: Callable[[], Made], limit_s: float = LIMIT_S) -> Made:
        """What a call returns, made on the thread. A cancel ends the waiting, not the call.

        Raises
        ------
        AcceleratorFailed : it takes longer than the limit
        """
        with self._lock:
            if self._hangs:
                raise AcceleratorFailed("it has not answered before")
            if not self._started:
                # A call that hangs must not keep the program from ending.
                threading.Thread(target=self._work, name="Core ML", daemon=True).start()
                self._started = True
        future: Future[Made] = Future()
        self._waiting.put((do, future))
        waited_s = 0.0
        while True:
            try:
                return future.result(_ASK_EVERY_S)
            except NotYet:
                if future.done():
                    raise
            torch.empty(0)  # an operation of torch, at which a cancel can stop this thread
            waited_s += _ASK_EVERY_S
            if waited_s >= limit_s:
                self._hangs = True
                raise AcceleratorFailed(f"no answer within {limit_s:.0f} s")

    def _work(self) -> None:
        while True:
            do, future = self._waiting.get()
            try:
                future.set_result(do())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                future.set_exception(error)


THREAD = OwnThread()


class Session:
    """One package, loaded.

    Parameters
    ----------
    folder : holds ``network.mlpackage``; what Core ML compiles of it is kept beside it
    output : name of the program's output
    """

    def __init__(self, folder: Path, output: str) -> None:
        self._folder = folder
        self._output = output
        self._model: Any = None

    def predict(self, inputs: Mapping[str, Array]) -> Array:
        """The output for these inputs, a copy; to be called on `THREAD`.

        Parameters
        ----------
        inputs : float16, float32 or int32, of the program's shapes

        Raises
        ------
        AcceleratorFailed : Core ML cannot compile, load or run the program
        """
        try:
            if self._model is not None:
                return self._predict(inputs)
            self._begin()
            try:
                self._model = self._load()
                return self._predict(inputs)
            finally:
                self._end()
        except (AcceleratorFailed, MemoryError):
            raise
        except Exception as error:  # pyobjc raises many kinds, and torch can go on
            raise AcceleratorFailed(f"{type(error).__name__}: {error}") from error

    def _begin(self) -> None:
        """Note that the package is tried for the first time in this process."""
        file, tries = self._folder / _TRIES, 0
        with suppress(OSError, ValueError):
            tries = int(file.read_text())
        if tries >= _CRASHES:
            raise AcceleratorFailed("the program ended while Core ML loaded it")
        with suppress(OSError):
            file.write_text(str(tries + 1))

    def _end(self) -> None:
        with suppress(OSError):
            (self._folder / _TRIES).unlink()

    def _load(self) -> Any:
        import CoreML
        from Foundation import NSURL

        compiled = self._folder / f"{_COMPILED}{platform.mac_ver()[0]}.mlmodelc"
        if not compiled.exists():
            self._compile(compiled)
        configuration = CoreML.MLModelConfiguration.alloc().init()
        configuration.setComputeUnits_(CoreML.MLComputeUnitsCPUAndNeuralEngine)
        url = NSURL.fileURLWithPath_(str(compiled))
        return _checked(
            CoreML.MLModel.modelWithContentsOfURL_configuration_error_(url, configuration, None)
        )

    def _compile(self, compiled: Path) -> None:
        import CoreML
        from Foundation import NSURL

        _LOG.info("Core ML compiles %s; the first time may take minutes", self._folder.name)
        package = NSURL.fileURLWithPath_(str(self._folder / _PACKAGE))
        made = Path(str(_checked(CoreML.MLModel.compileModelAtURL_error_(package, None)).path()))
        # Those of older systems, and what a killed process left.
        for old in self._folder.glob(f"{_COMPILED}*"):
            shutil.rmtree(old, ignore_errors=True)
        # Moved to another disk it would be copied, and half a copy must not have the name.
        near = compiled.with_suffix(f".{os.getpid()}")
        try:
            shutil.move(made, near)
            near.rename(compiled)
        except OSError as error:
            if not compiled.is_dir():  # another process may have been first
                raise AcceleratorFailed(f"cannot keep the compiled network: {error}") from error
        finally:
            for rest in (made, near):
                shutil.rmtree(rest, ignore_errors=True)

    def _predict(self, inputs: Mapping[str, Array]) -> Array:
        import CoreML

        given = {
            name: CoreML.MLFeatureValue.featureValueWithMultiArray_(_own_copy(CoreML, value))
            for name, value in inputs.items()
        }
        provider = _checked(
            CoreML.MLDictionaryFeatureProvider.alloc().initWithDictionary_error_(given, None)
        )
        found = _checked(self._model.predictionFromFeatures_error_(provider, None))
        return _read(CoreML, found.featureValueForName_(self._output).multiArrayValue())


def package_path(folder: Path) -> Path:
    """Where a `Session` expects the package."""
    return folder / _PACKAGE


def _checked(pair: tuple[Any, Any]) -> Any:
    """The result of a call of Objective-C that also returns an error.

    Raises
    ------
    AcceleratorFailed : there is no result
    """
    result, error = pair
    if result is None:
        described = error.localizedDescription() if error is not None else "no reason given"
        raise AcceleratorFailed(str(described))
    return result


def _kinds(framework: Any) -> dict[int, type]:
    return {
        framework.MLMultiArrayDataTypeFloat16: np.float16,
        framework.MLMultiArrayDataTypeFloat32: np.float32,
        framework.MLMultiArrayDataTypeInt32: np.int32,
    }


def _own_copy(framework: Any, value: Array) -> Any:
    """An array of Core ML in memory of its own, with these numbers."""
    kind = next(code for code, each in _kinds(framework).items() if value.dtype == each)
    array = _checked(
        framework.MLMultiArray.alloc().initWithShape_dataType_error_(
            [int(size) for size in value.shape], kind, None
        )
    )
    strides = [int(stride) for stride in array.strides()]
    count = _span(value.shape, strides)
    memory = np.frombuffer(array.dataPointer().as_buffer(count * value.itemsize), value.dtype)
    _strided(memory, value.shape, strides)[...] = value
    return array


def _read(framework: Any, array: Any) -> Array:
    """A copy of an array of Core ML."""
    kind = _kinds(framework)[array.dataType()]
    shape = tuple(int(size) for size in array.shape())
    strides = [int(stride) for stride in array.strides()]
    found: list[Array] = []

    def copy(memory: Any, _size: int) -> None:
        numbers: Array = np.frombuffer(memory, kind, count=_span(shape, strides))
        found.append(_strided(numbers, shape, strides).copy())

    array.getBytesWithHandler_(copy)
    return found[0]


def _span(shape: tuple[int, ...], strides: list[int]) -> int:
    """Numbers from the first to the last; rows may be padded."""
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))


def _strided(memory: Array, shape: tuple[int, ...], strides: list[int]) -> Array:
    in_bytes = [stride * memory.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(memory, shape, in_bytes)
