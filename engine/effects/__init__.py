"""Effects on a source before its conversion, or on the result after it.

Every module of this package is an effect and is found by its name; effects run in the order of
their names. A module declares

- ``WHEN``: ``"before"`` (on the source, at 16 kHz) or ``"after"`` (on the result at
  its own rate, before its peak is limited),
- ``OPTIONS``: its rows of the option table; while all have their defaults, it is skipped,
- ``process(blocks, rate_hz, values)``: a generator that takes float32 blocks [n, channels] in
  order and yields as many samples in all; ``values`` are those of its options by name.

Needs no torch; a module imports what it needs inside ``process``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from engine.option import Option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Blocks = Iterable[NDArray[np.float32]]

When = Literal["before", "after"]


@dataclass(frozen=True)
class _Effect:
    when: When
    options: tuple[Option, ...]
    process: Callable[[Blocks, int, Mapping[str, Any]], Blocks]


def effect_options() -> tuple[Option, ...]:
    """The options of all effects."""
    return tuple(each for effect in _effects(tuple(__path__)) for each in effect.options)


def apply_effects(
    when: When, blocks: Blocks, rate_hz: int, chosen: Mapping[str, Any]
) -> Iterator[NDArray[np.float32]]:
    """Run the effects that are on.

    Parameters
    ----------
    blocks : float32 [n, channels] each
    chosen : `engine.options.ConversionOptions.effects`
    """
    for effect in _effects(tuple(__path__)):
        if effect.when == when and any(each.name in chosen for each in effect.options):
            values = {each.name: chosen.get(each.name, each.default) for each in effect.options}
            blocks = effect.process(blocks, rate_hz, values)
    return iter(blocks)


@lru_cache(maxsize=4)
def _effects(path: tuple[str, ...]) -> tuple[_Effect, ...]:
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(path)]
    return tuple(_Effect(each.WHEN, _options_of(each), each.process) for each in modules)


def _options_of(module: ModuleType) -> tuple[Option, ...]:
    """The options of an effect; those of an effect on the result affect no cached stage."""
    options: tuple[Option, ...] = module.OPTIONS
    return tuple(
        replace(each, affects=frozenset()) if module.WHEN == "after" else each for each in options
    )
