"""Before a device is first used each part is examined; what fails runs on the CPU from then on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from engine import device as devices
from engine.loaded import Models
from engine.optimization import OptimizationConfig
from engine.placement import CPU, Part, Placement, parse_parts
from engine.probe.examination import Examination, Finding, PartRun, parts_to_examine
from engine.probe.record import ProbeRecord
from engine.probe.second import part_run

FULL_WIDTH = 768
"""Of the content encoder that community voices need; the starter's is narrower."""


class FirstUse:
    """Knows, or finds out, which parts a device can be trusted with.

    On the CPU nothing is examined.

    Parameters
    ----------
    device : its name, e.g. ``mps``
    full_name : with the chip, under which findings are kept
    folder : of the findings; None is the user's own
    run : what runs a part
    """

    def __init__(
        self,
        device: str,
        full_name: str,
        config: OptimizationConfig,
        folder: Path | None = None,
        run: PartRun = part_run,
    ) -> None:
        self._device = device
        self._config = config
        self._run = run
        precision = "float16" if config.use_fp16 else "float32"
        layout = "channels last" if config.use_channels_last else "plain layout"
        self._record = ProbeRecord(full_name, f"{precision}, {layout}", folder)
        self._known = {} if device == CPU else self._record.findings()
        self._fine_when_small: set[Part] = set()

    @property
    def placement(self) -> Placement:
        """Everything on the device but what is known to be bad there, or kept from it."""
        on_cpu: set[Part] = set(parse_parts(self._config.cpu_parts))
        on_cpu |= {part for part, finding in self._known.items() if finding.verdict != "right"}
        if not self._config.use_gpu_filter:
            on_cpu.add("filter")
        if not self._config.use_gpu_retrieval:
            on_cpu.add("retrieval")
        return Placement.on(self._device, on_cpu)

    def findings(self) -> tuple[Finding, ...]:
        """What is known."""
        return tuple(self._known.values())

    def forget(self) -> None:
        """As if the device were new."""
        self._known = {}
        with contextlib.suppress(OSError):
            self._record.forget()

    def sentences(self) -> list[str]:
        """Why parts run on the CPU, for the user."""
        bad = [finding for finding in self._known.values() if finding.verdict != "right"]
        return [finding.sentence(self._device) for finding in bad]

    def examine(
        self, on_device: Models, load_on_cpu: Callable[[], Models], pause: Callable[[], None]
    ) -> bool:
        """Examine the parts that are not known yet; whether there were any.

        Parameters
        ----------
        load_on_cpu : the same voice in float32 on the CPU
        pause : called between parts, and may raise to stop; what was found is kept, as it is
            when memory runs out, which says nothing of a part
        """
        if self._device == CPU:
            return False
        wanted = parts_to_examine(on_device, device_filter=self._config.use_gpu_filter)
        kept_away = {*self._known, *parse_parts(self._config.cpu_parts)}
        small = on_device.content.sizes.hidden_size < FULL_WIDTH
        if small:
            kept_away |= self._fine_when_small
        parts = [part for part in wanted if part not in kept_away]
        if not parts:
            return False
        half = self._config.use_fp16
        examination = Examination(on_device, load_on_cpu(), self._device, half=half, run=self._run)
        try:
            for part in parts:
                pause()
                found = self._examined(part, examination, small=small)
                if _is_kept(found, small=small):
                    self._known[part] = found
                else:
                    self._fine_when_small.add(part)
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
        return True

    def _examined(self, part: Part, examination: Examination, *, small: bool) -> Finding:
        # A full disk only means that the next start asks again.
        may, found = True, None
        with contextlib.suppress(OSError):
            may = self._record.begin(part)
        try:
            found = examination.examine(part) if may else Finding(part, "crashed")
        finally:
            with contextlib.suppress(OSError):
                kept = found if found is not None and _is_kept(found, small=small) else None
                self._record.end(kept)
        return found


def _is_kept(found: Finding, *, small: bool) -> bool:
    """Whether it says something of other voices: small networks are neither slow nor proof."""
    return not small or found.verdict not in ("right", "slower")
