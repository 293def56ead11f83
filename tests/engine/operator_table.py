"""Which operators have a Metal kernel, by the table that ships inside torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torchgen
import yaml

TABLE = Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml"


@cache
def _entries() -> dict[str, dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows = yaml.load(TABLE.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    return {row["func"].partition("(")[0]: row for row in rows}


def runs_on_metal(operator: str) -> bool:
    """Whether e.g. ``aten::add.Tensor`` has a Metal kernel or is made of operators that have.

    An operator with several kernels names the backends in its ``dispatch``; one without is
    composite; a structured one has the kernels of its ``out`` form.
    """
    entry = _entries().get(operator.removeprefix("aten::").removesuffix(".default"))
    if entry is None:
        return False
    delegate = entry.get("structured_delegate")
    if delegate is not None and runs_on_metal(delegate):
        return True
    backends = {key.strip() for keys in entry.get("dispatch", {}) for key in keys.split(",")}
    if not backends:
        return delegate is None  # composite
    return bool(backends & {"MPS", "CompositeImplicitAutograd"}) or any(
        backend.startswith("CompositeExplicitAutograd") for backend in backends
    )
