"""The methods of pitch detection, one row each; needs no torch.

A new method is a file with a factory and a row of `METHODS` (or a call of `register`). Options,
command line, app, doctor and the automatic choice read the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.errors import OptionError, Text
from engine.paths import FCPE_FILE, RMVPE_FILE

AUTO = "auto"
"""Takes the first installed method of the automatic order."""


@dataclass(frozen=True)
class PitchNetwork:
    """A network that a method needs.

    Attributes
    ----------
    file : its name in the models folder
    loader : ``module:function`` that reads the file, given its path, onto the CPU
    """

    file: str
    loader: str

    def load(self, models_dir: Path) -> Any:
        """Read it, on the CPU.

        Raises
        ------
        WeightsError : the file is missing, damaged, or another network
        """
        return load_object(self.loader)(models_dir / self.file)


@dataclass(frozen=True)
class PitchMethod:
    """One row of the table.

    Attributes
    ----------
    name : in options, records and on the command line
    title, help : in the app
    factory : ``module:function``, imported on first use; see `load_factory`
    networks : that the method reads itself
    others : methods that it uses
    improved_by : methods of which it uses the first one that is installed, too
    auto_rank : place in the automatic order, lowest first; None keeps it out
    on_cpu : whether it runs on the CPU on every machine
    hears_high_notes : whether notes above 1000 Hz are right without being checked
    """

    name: str
    title: Text
    help: Text
    factory: str
    networks: tuple[PitchNetwork, ...] = ()
    others: tuple[str, ...] = ()
    improved_by: tuple[str, ...] = ()
    auto_rank: int | None = None
    on_cpu: bool = False
    hears_high_notes: bool = True

    @cached_property
    def all_networks(self) -> tuple[PitchNetwork, ...]:
        """Its own networks and those of the methods that it uses, each once."""
        used = [network for name in self.others for network in find_method(name).all_networks]
        return tuple(dict.fromkeys((*self.networks, *used)))

    def is_installed(self, models_dir: Path) -> bool:
        """True if every network it needs is in the models folder."""
        return all((models_dir / network.file).is_file() for network in self.all_networks)

    def improved(self, models_dir: Path) -> PitchMethod:
        """The same with the best of the methods that improve it and are installed."""
        ready = (name for name in self.improved_by if find_method(name).is_installed(models_dir))
        best = next(ready, None)
        if best is None:
            return self
        return replace(self, others=(*self.others, best), improved_by=())

    @property
    def kind(self) -> str:
        """Its name, with those of other methods whose networks it uses."""
        others = [name for name in self.others if find_method(name).all_networks]
        return " with ".join((self.name, *others))

    def load_factory(self) -> Any:
        """The `engine.pitch.tracker.TrackerFactory`, imported."""
        return load_object(self.factory)


METHODS: dict[str, PitchMethod] = {}


def register(method: PitchMethod) -> None:
    """Add a method."""
    METHODS[method.name] = method


register(
    PitchMethod(
        "rmvpe",
        Text("RMVPE"),
        Text("RMVPE: best for singing and for noisy sources."),
        "engine.pitch.rmvpe:rmvpe_tracker",
        networks=(PitchNetwork(RMVPE_FILE, "engine.loading:load_rmvpe"),),
        auto_rank=0,
        hears_high_notes=False,
    )
)
register(
    PitchMethod(
        "swift",
        Text("SwiftF0"),
        Text("SwiftF0: needs no download and is fast; good for all voices, from fry to whistle."),
        "engine.pitch.swift:swift_tracker",
        auto_rank=60,
        on_cpu=True,
    )
)
register(
    PitchMethod(
        "fcpe",
        Text("FCPE"),
        Text("FCPE: closest to quick speech and leaps; takes reverb and bleed for voice."),
        "engine.pitch.fcpe:fcpe_tracker",
        networks=(PitchNetwork(FCPE_FILE, "engine.loading:load_fcpe"),),
    )
)
register(
    PitchMethod(
        "hybrid",
        Text("Hybrid"),
        Text("Hybrid: as sure as SwiftF0, as fine as FCPE or RMVPE (if installed) or YIN."),
        "engine.pitch.hybrid:hybrid_tracker",
        others=("swift", "yin"),
        improved_by=("fcpe", "rmvpe"),
    )
)
register(
    PitchMethod(
        "yin",
        Text("YIN"),
        Text("YIN: needs no download; good for a clean voice."),
        "engine.pitch.yin:yin_tracker",
        auto_rank=100,
    )
)


def find_method(name: str) -> PitchMethod:
    """The method of that name.

    Raises
    ------
    OptionError : there is none
    """
    if name not in METHODS:
        raise OptionError(
            Text('Cannot use the pitch method "{name}"', name=name),
            "there is no such method",
            Text("choose one of {methods}", methods=", ".join((AUTO, *METHODS))),
        )
    return METHODS[name]


def choose_method(name: str, models_dir: Path) -> PitchMethod:
    """The method of that name; for ``auto`` the first that is installed, in the automatic order.

    With the installed networks that improve it.
    """
    if name != AUTO:
        return find_method(name).improved(models_dir)
    ranked = [method for method in METHODS.values() if method.auto_rank is not None]
    ranked.sort(key=lambda method: method.auto_rank or 0)
    found = next(method for method in ranked if method.is_installed(models_dir))
    return found.improved(models_dir)


def load_object(name: str) -> Any:
    """What ``module:object`` names."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
