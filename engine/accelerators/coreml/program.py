"""From a network to a checked Core ML package: trace, convert, write, read back, compare.

coremltools is imported here only, and only when something is to be converted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.accelerators.coreml.interpreter import UnknownOperation, run_program
from engine.accelerators.coreml.networks import Form, Input
from engine.agreement import agreement_db
from engine.errors import DeviceError, Text

LEAST_DB = 100.0
LEAST_HALF_DB = 45.0
"""Least agreement of a program with torch in float32; below it the conversion is refused."""

OUTPUT = "result"
"""Name of the one output of every program."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checked:
    """A package that was written and confirmed.

    Attributes
    ----------
    program : as it was read back from the package
    agreement_db : with torch in float32; None where they are equal
    output_shape : of its one output
    """

    path: Path
    program: Any
    agreement_db: float | None
    output_shape: tuple[int, ...]


def can_convert() -> bool:
    """Whether coremltools is installed."""
    return importlib.util.find_spec("coremltools") is not None


def write_package(form: Form, path: Path, *, half: bool) -> Checked:
    """Convert a network, write ``NAME.mlpackage``, and confirm what was written.

    Parameters
    ----------
    half : compute in float16, as the Neural Engine does

    Raises
    ------
    DeviceError : coremltools is missing, or the program does not compute what torch computes
    """
    coremltools = _coremltools()
    examples = draw_inputs(form, seed=0)
    inputs = [_input_type(coremltools, each, half=half) for each in form.inputs]
    output = coremltools.TensorType(name=OUTPUT, dtype=_float_type(half=half))
    precisions = coremltools.precision
    try:
        with torch.no_grad(), _in_silence():
            traced = torch.jit.trace(form, examples, check_trace=False)  # type: ignore[no-untyped-call]
            model = coremltools.convert(
                traced,
                convert_to="mlprogram",
                inputs=inputs,
                outputs=[output],
                compute_precision=precisions.FLOAT16 if half else precisions.FLOAT32,
                minimum_deployment_target=coremltools.target.macOS15,
                skip_model_load=True,
            )
    except (LookupError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise _refused(path, Text("coremltools cannot ({reason})", reason=reason)) from error
    model.save(str(path))
    return confirm(form, path, half=half)


def confirm(form: Form, path: Path, *, half: bool) -> Checked:
    """Compare a package with the network it was made of.

    Raises
    ------
    DeviceError : they do not agree, or the interpreter does not know an operation
    """
    program = read_program(path)
    inputs = draw_inputs(form, seed=1)
    with torch.no_grad():
        expected = form(*inputs)
    named = {each.name: value for each, value in zip(form.inputs, inputs, strict=True)}
    try:
        found = run_program(program, named)[OUTPUT].float()
    except (UnknownOperation, ValueError) as error:
        raise _refused(path, Text("it cannot be checked ({reason})", reason=error)) from error
    if found.shape != expected.shape:
        raise _refused(path, "its result has another shape than that of torch")
    level_db = agreement_db(expected, found)
    _LOG.info("%s agrees with torch: %s dB", path.name, level_db)
    least_db = LEAST_HALF_DB if half else LEAST_DB
    if level_db is not None and not level_db >= least_db:  # NaN fails too
        raise _refused(path, Text("it differs from torch ({level_db:.0f} dB)", level_db=level_db))
    return Checked(path, program, level_db, tuple(expected.shape))


def read_program(path: Path) -> Any:
    """The program of a package, for the interpreter."""
    coremltools = _coremltools()
    from coremltools.converters.mil.frontend.milproto import load

    spec = coremltools.utils.load_spec(str(path))
    weights = path / "Data" / "com.apple.CoreML" / "weights"
    return load.load(spec, spec.specificationVersion, str(weights))


def draw_inputs(form: Form, seed: int) -> tuple[Tensor, ...]:
    """Random inputs of a network."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(each.draw(generator) for each in form.inputs)


def weights_digest(network: nn.Module) -> str:
    """Tells the weights of a network from all others."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def require_coremltools() -> None:
    """Refuse what needs coremltools where it is not installed.

    Raises
    ------
    DeviceError : it is not
    """
    if not can_convert():
        raise DeviceError(
            "Cannot convert to Core ML",
            "the Python package coremltools is not installed",
            'install it in the environment of this program: pip install "coremltools>=9"',
        )


def _coremltools() -> Any:
    require_coremltools()
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    import coremltools

    return coremltools


@contextmanager
def _in_silence() -> Iterator[None]:
    """Drop warnings about lengths, which are fixed on purpose, and the bars of coremltools."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _float_type(*, half: bool) -> type:
    return np.float16 if half else np.float32


def _input_type(coremltools: Any, given: Input, *, half: bool) -> Any:
    kind = np.int32 if given.most is not None else _float_type(half=half)
    return coremltools.TensorType(name=given.name, shape=given.shape, dtype=kind)


def _refused(path: Path, why: Text | str) -> DeviceError:
    return DeviceError(
        Text('Cannot convert "{name}" to Core ML', name=path.stem),
        why,
        "try another version of coremltools, and report it with this sentence",
    )
