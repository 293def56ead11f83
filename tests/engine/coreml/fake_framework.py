"""Stands in for Apple's Core ML and Foundation, as pyobjc shows them; runs programs by torch."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from engine.accelerators.coreml.interpreter import run_program
from engine.accelerators.coreml.program import read_program

# ruff: noqa: N802 - the names are Apple's

_KINDS = {65552: np.float16, 65568: np.float32, 131104: np.int32}
"""By Apple's numbers of these types."""

_ROW = 16
"""Rows begin at a multiple of so many numbers, as those of the Neural Engine."""


class NSError:
    def __init__(self, text: str) -> None:
        self._text = text

    def localizedDescription(self) -> str:
        return self._text


class NSURL:
    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    def fileURLWithPath_(cls, path: str) -> NSURL:
        return cls(path)

    def path(self) -> str:
        return self._path


class _Object:
    @classmethod
    def alloc(cls) -> Any:
        return cls()

    def init(self) -> Any:
        return self


class _Pointer:
    def __init__(self, memory: Any) -> None:
        self._memory = memory

    def as_buffer(self, count: int) -> memoryview:
        return memoryview(self._memory).cast("B")[:count]


class MLMultiArray(_Object):
    def initWithShape_dataType_error_(
        self, shape: Sequence[int], kind: int, _error: None
    ) -> tuple[MLMultiArray, None]:
        self._shape, self._kind = list(shape), kind
        padded = [*shape[:-1], -(-shape[-1] // _ROW) * _ROW]
        self._strides = [int(np.prod(padded[axis + 1 :])) for axis in range(len(shape))]
        self._memory = np.zeros(int(np.prod(padded)), _KINDS[kind])
        return self, None

    def shape(self) -> list[int]:
        return self._shape

    def strides(self) -> list[int]:
        return self._strides

    def dataType(self) -> int:
        return self._kind

    def dataPointer(self) -> _Pointer:
        return _Pointer(self._memory)

    def getBytesWithHandler_(self, handler: Callable[[Any, int], None]) -> None:
        content = self._memory.tobytes()
        handler(content, len(content))

    @property
    def numbers(self) -> np.ndarray:
        in_bytes = [stride * self._memory.itemsize for stride in self._strides]
        return np.lib.stride_tricks.as_strided(self._memory, self._shape, in_bytes)


class MLFeatureValue(_Object):
    array: MLMultiArray

    @classmethod
    def featureValueWithMultiArray_(cls, array: MLMultiArray) -> MLFeatureValue:
        value = cls()
        value.array = array
        return value

    def multiArrayValue(self) -> MLMultiArray:
        return self.array


class MLDictionaryFeatureProvider(_Object):
    values: dict[str, MLFeatureValue]

    def initWithDictionary_error_(
        self, values: dict[str, MLFeatureValue], _error: None
    ) -> tuple[MLDictionaryFeatureProvider, None]:
        self.values = values
        return self, None

    def featureValueForName_(self, name: str) -> MLFeatureValue:
        return self.values[name]


class MLModelConfiguration(_Object):
    units = 2

    def setComputeUnits_(self, units: int) -> None:
        self.units = units


class Framework:
    """What was asked of Core ML.

    Attributes
    ----------
    refusal : what it answers to a compilation; None compiles
    exception : what pyobjc raises instead of a prediction
    """

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.exception: Exception | None = None
        self.compilations = 0
        self.predictions = 0
        self.threads: set[str] = set()

    def compile(self, url: NSURL) -> tuple[Any, Any]:
        self.threads.add(threading.current_thread().name)
        self.compilations += 1
        if self.refusal is not None:
            return None, NSError(self.refusal)
        made = Path(tempfile.mkdtemp(), "made.mlmodelc")
        shutil.copytree(url.path(), made / "inner.mlpackage")
        return NSURL(str(made)), None

    def predict(self, program: Any, given: MLDictionaryFeatureProvider) -> tuple[Any, Any]:
        self.threads.add(threading.current_thread().name)
        self.predictions += 1
        if self.exception is not None:
            raise self.exception
        inputs = {
            name: torch.from_numpy(value.array.numbers.copy())
            for name, value in given.values.items()
        }
        found = {}
        for name, result in run_program(program, inputs).items():
            numbers = result.numpy()
            kind = next(code for code, each in _KINDS.items() if numbers.dtype == each)
            array, _ = MLMultiArray().initWithShape_dataType_error_(numbers.shape, kind, None)
            array.numbers[...] = numbers
            found[name] = MLFeatureValue.featureValueWithMultiArray_(array)
        return MLDictionaryFeatureProvider().initWithDictionary_error_(found, None)


def install(monkeypatch: pytest.MonkeyPatch) -> Framework:
    """Put the stand-ins where Python imports them from."""
    framework = Framework()

    class MLModel:
        program: Any

        @classmethod
        def compileModelAtURL_error_(cls, url: NSURL, _error: None) -> tuple[Any, Any]:
            return framework.compile(url)

        @classmethod
        def modelWithContentsOfURL_configuration_error_(
            cls, url: NSURL, configuration: MLModelConfiguration, _error: None
        ) -> tuple[Any, Any]:
            assert configuration.units == 3
            model = cls()
            model.program = read_program(Path(url.path()) / "inner.mlpackage")
            return model, None

        def predictionFromFeatures_error_(
            self, given: MLDictionaryFeatureProvider, _error: None
        ) -> tuple[Any, Any]:
            return framework.predict(self.program, given)

    core_ml, foundation = ModuleType("CoreML"), ModuleType("Foundation")
    for module in (core_ml, foundation):
        module.__spec__ = ModuleSpec(module.__name__, None)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(foundation)["NSURL"] = NSURL
    vars(core_ml).update(
        MLModel=MLModel,
        MLModelConfiguration=MLModelConfiguration,
        MLMultiArray=MLMultiArray,
        MLFeatureValue=MLFeatureValue,
        MLDictionaryFeatureProvider=MLDictionaryFeatureProvider,
        MLComputeUnitsCPUAndNeuralEngine=3,
        MLMultiArrayDataTypeFloat16=65552,
        MLMultiArrayDataTypeFloat32=65568,
        MLMultiArrayDataTypeInt32=131104,
    )
    return framework
