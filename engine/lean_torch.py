"""``import torch`` without the parts that a conversion never uses: a third of its time.

torch imports all that it has. The parts below are only offered to others: rules of shapes for
compilers, export, probability distributions, masked tensors. While torch is imported,
placeholders stand for them. They are imported as soon as a name in one of them is asked for, and
before any other part of torch that is imported later, because some of those rely on them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType
from typing import Any

LEFT_OUT = (
    "torch.distributed._meta_registrations",
    "torch._meta_registrations",
    "torch.distributions",
    "torch.export",
    "torch.masked",
)
"""In the order in which torch relies on them; it reads none of them while it is imported."""

_INDEPENDENT = ("torch.nn.", "torch.backends.", "torch.utils._device")
"""Later imports of these need nothing of `LEFT_OUT`."""


def import_torch_lean() -> None:
    """Let the first ``import torch`` of this process, wherever it comes, leave out `LEFT_OUT`.

    For programs of our own only: in another process, the rules of shapes may be expected without
    an import. Does nothing if torch is imported already.
    """
    if "torch" not in sys.modules:
        sys.meta_path.insert(0, _TorchFinder())


class _TorchFinder(MetaPathFinder):
    """Finds torch for `_LeanLoader`, and imports what was left out before it is needed."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torch":
            sys.meta_path.remove(self)
            spec = find_spec(name)
            if spec is not None and spec.loader is not None:
                spec.loader = _LeanLoader(spec.loader, self)
            return spec
        if not name.startswith("torch.") or name.startswith(_INDEPENDENT):
            return None
        sys.meta_path.remove(self)
        for each in LEFT_OUT[:2]:
            import_module(each)
        # It may have been among what was imported just now.
        known = sys.modules.get(name)
        return None if known is None else spec_from_loader(name, _KnownLoader(known))


class _LeanLoader(Loader):
    """Loads torch by its own loader; the placeholders are gone afterwards."""

    def __init__(self, loader: Loader, finder: MetaPathFinder) -> None:
        self._loader = loader
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        placeholders = {name: _Placeholder(name) for name in LEFT_OUT}
        sys.modules.update(placeholders)
        try:
            self._loader.exec_module(module)
        finally:
            for name, placeholder in placeholders.items():
                if sys.modules.get(name) is placeholder:
                    del sys.modules[name]
        _allow_generators(module)
        sys.meta_path.insert(0, self._finder)


def _allow_generators(torch: ModuleType) -> None:
    """Let ``torch.Generator()`` be called, which refuses until a part that was left out allows it.

    That part does the same again when it is imported.
    """
    allow = getattr(torch._C, "_set_generator_metaclass", None)  # noqa: SLF001 - it has no public name
    if allow is not None:
        allow(import_module("torch._opaque_base").OpaqueBaseMeta)


class _KnownLoader(Loader):
    """Gives a module that is loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - of the base class
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Placeholder(ModuleType):
    """Stands for a module until a name in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by whoever looks at all modules
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(import_module(self.__name__), name)
