"""scipy's linear filter, without all that ``import scipy.signal`` brings: half a second a start."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
from numpy.typing import NDArray

_Doubles = NDArray[np.float64]
LinearFilter = Callable[[_Doubles, _Doubles, _Doubles, int, _Doubles], tuple[_Doubles, _Doubles]]
"""``(b, a, x, axis, state)`` -> result and state after it, as `scipy.signal.lfilter`."""

_MODULE = "scipy.signal._sigtools"


@cache
def linear_filter() -> LinearFilter:
    """The routine inside `scipy.signal.lfilter`; a scipy that is built otherwise is imported whole.

    Its samples are those of the reference implementation to the last bit.
    """
    module = sys.modules.get(_MODULE) or _extension()
    found = getattr(module, "_linear_filter", None)
    if found is not None:
        return cast("LinearFilter", found)
    from scipy.signal import lfilter

    return cast("LinearFilter", lfilter)


def _extension() -> ModuleType | None:
    """The compiled module alone, under its own name, so that scipy finds it loaded later."""
    package = find_spec("scipy")
    for folder in (package and package.submodule_search_locations) or ():
        for suffix in EXTENSION_SUFFIXES:
            file = Path(folder, "signal", "_sigtools" + suffix)
            spec = spec_from_file_location(_MODULE, file) if file.is_file() else None
            if spec is not None and spec.loader is not None:
                module = module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    return None
