"""Before a device is first used each part is examined; what fails runs on the CPU from then on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine import device as devices
from engine.examination import Examination, Finding, PartRun, parts_to_examine
from engine.examination_record import ProbeRecord
from engine.network_signature import kinds_of
from engine.networks import Models
from engine.optimization import OptimizationConfig
from engine.probe_run import part_run
from engine.stages import CPU, Part, Placement, parse_parts


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
        self._kinds: dict[Part, str] | None = None

    @property
    def placement(self) -> Placement:
        """Everything on the device but what is known to be bad there, or kept from it.

        Before any voice was loaded, bad is what was so with every network that did the part's work.
        """
        on_cpu: set[Part] = set(parse_parts(self._config.cpu_parts))
        on_cpu |= {finding.part for finding in self._bad()}
        if not self._config.use_gpu_filter:
            on_cpu.add("filter")
        if not self._config.searches_on_device:
            on_cpu.add("retrieval")
        return Placement.on(self._device, on_cpu)

    def findings(self) -> tuple[Finding, ...]:
        """What is known, of all networks."""
        return tuple(self._known.values())

    def _bad(self) -> list[Finding]:
        """What the CPU has to do for the networks in use."""
        bad = [found for found in self._known.values() if found.verdict != "right"]
        if self._kinds is None:
            right = {found.part for found in self._known.values() if found.verdict == "right"}
            return [found for found in bad if found.part not in right]
        return [found for found in bad if self._kinds.get(found.part, "") == found.kind]

    def forget(self) -> None:
        """As if the device were new."""
        self._known = {}
        with contextlib.suppress(OSError):
            self._record.forget()

    def sentences(self) -> list[str]:
        """Why parts run on the CPU, for the user."""
        return [finding.sentence(self._device) for finding in self._bad()]

    def use(self, models: Models) -> None:
        """These networks are in use from now on; the placement is theirs."""
        self._kinds = kinds_of(models)

    def examine(
        self, on_device: Models, load_on_cpu: Callable[[], Models], pause: Callable[[], None]
    ) -> bool:
        """Examine the parts that are not known yet; whether there were any.

        Parameters
        ----------
        on_device : the networks in use, placed as `placement` says
        load_on_cpu : the same voice in float32 on the CPU
        pause : called between parts, and may raise to stop; what was found is kept, as it is
            when memory runs out, which says nothing of a part
        """
        if self._device == CPU:
            return False
        kinds = kinds_of(on_device)
        wanted = parts_to_examine(on_device, device_filter=self._config.use_gpu_filter)
        kept_away = parse_parts(self._config.cpu_parts)
        parts = [
            part
            for part in wanted
            if part not in kept_away and (part, kinds.get(part, "")) not in self._known
        ]
        if not parts:
            return False
        half = self._config.use_fp16
        examination = Examination(on_device, load_on_cpu(), self._device, half=half, run=self._run)
        try:
            for part in parts:
                pause()
                found = self._examined(part, kinds.get(part, ""), examination)
                self._known[part, found.kind] = found
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
        return True

    def _examined(self, part: Part, kind: str, examination: Examination) -> Finding:
        # A full disk only means that the next start asks again.
        may, found = True, None
        with contextlib.suppress(OSError):
            may = self._record.begin(part, kind)
        try:
            found = examination.examine(part) if may else Finding(part, "crashed")
            found = replace(found, kind=kind)
        finally:
            with contextlib.suppress(OSError):
                self._record.end(part, kind, found)
        return found
