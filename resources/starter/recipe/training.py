"""A training that can be killed at any moment and goes on as if nothing had been.

Everything random in a step comes from its number, the learning rate too; so the weights, the
optimiser's moments and the number of steps are all that a checkpoint has to hold.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recipe.chance import Chance

SAVE_EVERY_S = 60.0
REPORT_EVERY_STEPS = 50
AVERAGE_EVERY_STEPS = 10
AVERAGE_DECAY = 0.99

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """Learning rate by step: a rise, a plateau, a straight line down.

    Attributes
    ----------
    steps : of the whole stage
    rate : on the plateau
    warm_up_steps : of the rise
    plateau : share of the steps after which it falls
    last : share of `rate` at the end
    """

    steps: int
    rate: float
    warm_up_steps: int = 50
    plateau: float = 0.4
    last: float = 0.05

    def rate_at(self, step: int, done: float | None = None) -> float:
        """Learning rate of a step, 0 being the first, with a share ``done`` of the training."""
        rise = min(1.0, (step + 1) / self.warm_up_steps)
        done = step / self.steps if done is None else done
        fall = 1.0 if done < self.plateau else (1.0 - done) / (1.0 - self.plateau)
        return self.rate * rise * max(self.last, fall)


Figures = dict[str, Tensor]

StepLoss = Callable[[Chance], tuple[Tensor, Figures]]
"""Makes a batch, returns the loss and the figures to be reported: tensors, read only then."""


@dataclass(frozen=True)
class Effort:
    """What a stage may take: of the machine, and of time.

    Attributes
    ----------
    device : where it runs
    batch : clips a step, None for the stage's own number
    steps : instead of the schedule's
    ends_at_s : seconds since 1970 at which the stage is to be over, instead of a number of steps
    """

    device: torch.device
    batch: int | None = None
    steps: int | None = None
    ends_at_s: float | None = None

    def schedule(self, usual: Schedule) -> Schedule:
        """The stage's usual schedule, stretched to the steps that were asked for."""
        return usual if self.steps is None else replace(usual, steps=self.steps)


class Training:
    """One stage: what is trained, how fast, and where it is kept.

    Parameters
    ----------
    networks : by name; all of their parameters are kept
    trained : those of them that are trained
    file : the checkpoint; its curve lies beside it as ``.jsonl``
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        trained: Iterable[nn.Parameter],
        schedule: Schedule,
        file: Path,
        *,
        effort: Effort | None = None,
        betas: tuple[float, float] = (0.9, 0.98),
        clip: float = 1.0,
        seed: int = 0,
    ) -> None:
        effort = effort or Effort(torch.device("cpu"))
        self._weights = _named(networks)
        self._trained = list(trained)
        self._schedule = effort.schedule(schedule)
        self._device, self._ends_at_s = effort.device, effort.ends_at_s
        self._began_s = time.time()
        self._file = file
        self._clip = clip
        self._seed = seed
        self._fused = self._device.type == "cuda"
        self._optimiser = torch.optim.AdamW(
            self._trained,
            lr=schedule.rate,
            betas=betas,
            weight_decay=0.01,
            fused=self._fused,
        )
        self._average = {name: value.detach().clone() for name, value in self._weights.items()}
        self.step = 0
        if file.exists():
            self._load()

    def run(
        self,
        loss_of: StepLoss,
        validate: Callable[[], dict[str, float]],
        validate_every: int = 500,
        until: int | None = None,
    ) -> None:
        """Train to the end of the schedule (or to step ``until``), saving as it goes."""
        saved_s = self._began_s = time.time()
        while not self._is_over(until):
            figures = self._advance(loss_of)
            if self.step % REPORT_EVERY_STEPS == 0:
                self._note({"step": self.step, **_read(figures)})
            if self.step % validate_every == 0:
                self._note({"step": self.step, **self.with_average(validate)})
            if time.time() - saved_s > SAVE_EVERY_S:
                self._save()
                saved_s = time.time()
        if self._is_over(None) and self.step % validate_every:
            self._note({"step": self.step, **self.with_average(validate)})
        self._save()

    def _is_over(self, until: int | None) -> bool:
        if until is not None and self.step >= until:
            return True
        return self._done() >= 1.0

    def _done(self) -> float:
        """The share of the training that is behind: of its steps, or of its time."""
        if self._ends_at_s is None:
            return self.step / self._schedule.steps
        return (time.time() - self._began_s) / max(self._ends_at_s - self._began_s, 1.0)

    def with_average(self, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Run something with the averaged weights in place of the last ones."""
        weights = self._weights
        last = {name: value.detach().clone() for name, value in weights.items()}
        with torch.no_grad():
            for name, value in weights.items():
                value.copy_(self._average[name])
            figures = measure()
            for name, value in weights.items():
                value.copy_(last[name])
        return figures

    def _advance(self, loss_of: StepLoss) -> Figures:
        rate = self._schedule.rate_at(self.step, self._done())
        for settings in self._optimiser.param_groups:
            settings["lr"] = rate
        loss, figures = loss_of(Chance.of_step(self._seed, self.step, self._device))
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        length = nn.utils.clip_grad_norm_(self._trained, self._clip)
        self._optimiser.step()
        self.step += 1
        if self.step % AVERAGE_EVERY_STEPS == 0:
            self._take_average()
        return {**figures, "gradient": length, "rate": torch.tensor(rate)}

    def _take_average(self) -> None:
        times = self.step // AVERAGE_EVERY_STEPS
        decay = min(AVERAGE_DECAY, times / (times + 10))
        with torch.no_grad():
            for name, value in self._weights.items():
                self._average[name].lerp_(value, 1 - decay)

    def _note(self, figures: dict[str, float]) -> None:
        log.info("%s", " ".join(f"{name} {value:.4g}" for name, value in figures.items()))
        with self._file.with_suffix(".jsonl").open("a", encoding="utf-8") as curve:
            curve.write(json.dumps(figures) + "\n")

    def _moments(self) -> dict[str, Tensor]:
        """The optimiser's state under stable names, its step counts among them."""
        named = {id(value): name for name, value in self._weights.items()}
        return {
            f"{kind}/{named[id(parameter)]}": value
            for parameter, state in self._optimiser.state.items()
            for kind, value in state.items()
        }

    def _save(self) -> None:
        tensors = {f"last/{name}": value.detach() for name, value in self._weights.items()}
        tensors |= {f"average/{name}": value for name, value in self._average.items()}
        tensors |= self._moments()
        partial = self._file.with_name(self._file.name + ".partial")
        whole = {name: value.cpu().contiguous() for name, value in tensors.items()}
        save_file(whole, partial, {"step": str(self.step)})
        partial.replace(self._file)

    def _load(self) -> None:
        tensors = load_file(self._file)
        with torch.no_grad():
            for name, value in self._weights.items():
                value.copy_(tensors[f"last/{name}"])
                self._average[name].copy_(tensors[f"average/{name}"])
        self._restore_moments(tensors)
        self.step = step_of(self._file)
        self._forget_later_notes()

    def _restore_moments(self, tensors: Mapping[str, Tensor]) -> None:
        weights = self._weights
        for parameter in self._trained:
            name = next(key for key, value in weights.items() if value is parameter)
            if f"exp_avg/{name}" in tensors:
                self._optimiser.state[parameter] = {
                    kind: tensors[f"{kind}/{name}"].to(
                        parameter.device if self._fused or kind != "step" else "cpu"
                    )
                    for kind in ("step", "exp_avg", "exp_avg_sq")
                }

    def _forget_later_notes(self) -> None:
        """What was noted after the checkpoint is trained, and noted, again."""
        curve = self._file.with_suffix(".jsonl")
        if curve.exists():
            lines = curve.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if json.loads(line)["step"] <= self.step]
            curve.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _named(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{prefix}.{name}": value
        for prefix, network in networks.items()
        for name, value in network.state_dict(keep_vars=True).items()
    }


def _read(figures: Figures) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in figures.items()}


def step_of(file: Path) -> int:
    """How many steps a checkpoint has behind it."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return int(opened.metadata()["step"])


def averaged(file: Path, network: str) -> dict[str, Tensor]:
    """The averaged weights of one network in a checkpoint, under the network's own names."""
    prefix = f"average/{network}."
    return {
        name.removeprefix(prefix): value
        for name, value in load_file(file).items()
        if name.startswith(prefix)
    }
