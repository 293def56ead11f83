"""A part gets the fastest form that is right; forms are tried in processes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import ConversionOptions, Converter, OptimizationConfig, accelerators
from engine.accelerators import Accelerator, register
from engine.child import Child, ChildError
from engine.errors import UserError
from engine.finding import RECORD_FILE, USUAL, Finding, Form, ProbeRecord, forget_forms
from engine.forms import Trial, best_form, forms_of, least_db, untried
from engine.machine import TUNING_VARIABLE
from engine.measure import form_trial
from engine.measure.tuner import TuningJob, tune
from tests.engine.measure import toy_tasks
from tests.engine.second_device import SECOND, give_second_device
from tests.engine.small_set import SmallSet, write_small_set

SAMPLES = (0.1 * np.random.default_rng(3).standard_normal(16_000)).astype(np.float32)

PLAIN = Form(without=("use_channels_last",))
EXACT = Form(without=("use_fp16",))
TOY = Form("toy", version="1")


def found(form: Form, seconds: float | None, verdict: Any = "right") -> Finding:
    return Finding("vocoder", verdict, kind="NSF", tried_s=seconds, **asdict(form))


CHOICES = [
    ([found(USUAL, 1.0), found(PLAIN, 0.8)], PLAIN),
    ([found(USUAL, 1.0), found(PLAIN, 0.95)], USUAL),
    ([found(USUAL, 1.0), found(PLAIN, None, "wrong")], USUAL),
    ([found(USUAL, None, "wrong"), found(PLAIN, 2.0)], PLAIN),
    ([found(USUAL, 1.0), found(EXACT, 0.5), found(PLAIN, 0.7)], EXACT),
    ([found(USUAL, 1.0), found(TOY, 0.85)], TOY),
    ([found(USUAL, 1.0), found(PLAIN, 0.8), found(TOY, 0.75)], PLAIN),
    ([found(USUAL, 1.0), found(TOY, None, "crashed")], USUAL),
    ([found(USUAL, None, "crashed"), found(TOY, 0.1)], USUAL),
    ([found(USUAL, None, "slower"), found(TOY, 0.1)], TOY),
    ([], USUAL),
]


@pytest.mark.parametrize(("findings", "best"), CHOICES)
def test_the_fastest_right_form_is_chosen_if_it_is_clearly_faster(
    findings: list[Finding], best: Form
) -> None:
    assert best_form(findings) == best


def test_a_form_only_turns_off_what_the_flags_allow() -> None:
    on = OptimizationConfig(device="mps", use_fp16=True)
    assert set(forms_of("vocoder", on, "mps")) == {
        USUAL, PLAIN, EXACT, Form(without=("use_channels_last", "use_fp16")),
    }  # fmt: skip
    assert set(forms_of("pitch", on, "mps")) == {USUAL, PLAIN}  # it is never rounded
    assert forms_of("filter", on, "mps") == (USUAL,)
    off = OptimizationConfig(device="mps", use_channels_last=False)
    assert forms_of("vocoder", off, "mps") == (USUAL,)
    assert forms_of("vocoder", on, "cpu") == (USUAL,)


@pytest.fixture
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerators, "ACCELERATORS", [*accelerators.ACCELERATORS])
    register(Accelerator("toy", toy_tasks.__name__))


@pytest.mark.usefixtures("_toy")
def test_another_framework_must_agree_to_60_db_in_float32_and_as_torch_does_in_half_precision() -> (
    None
):
    exact, half = OptimizationConfig(), OptimizationConfig(use_fp16=True)
    toy = Form("toy")
    assert (least_db("vocoder", toy, exact), least_db("vocoder", USUAL, exact)) == (60, 45)
    assert least_db("vocoder", toy, half) == least_db("vocoder", USUAL, half) == 25
    assert least_db("vocoder", replace(toy, without=("use_fp16",)), half) == 60
    assert least_db("content", Form("coreml"), exact) == 25  # it always rounds
    assert forms_of("vocoder", half, "cpu") == (USUAL, toy, replace(toy, without=("use_fp16",)))


@pytest.mark.usefixtures("_toy")
def test_all_frameworks_that_offer_a_part_are_tried_and_the_fastest_right_one_is_chosen() -> None:
    register(Accelerator("other", toy_tasks.__name__))
    forms = forms_of("vocoder", OptimizationConfig(), "cpu")
    assert forms == (USUAL, Form("other"), Form("toy"))
    trials = untried("vocoder", forms, [])
    assert [trial.forms for trial in trials] == [(form,) for form in forms]
    seconds = {"": 1.0, "other": 0.5, "toy": 0.4}
    findings = [found(form, seconds[form.accelerator]) for form in forms]
    assert best_form(findings) == Form("toy")
    findings[2] = found(Form("toy"), None, "wrong")
    assert best_form(findings) == Form("other")
    assert accelerators.offered("vocoder", "cpu", OptimizationConfig(), {"other"}) == (
        "toy", "torch",
    )  # fmt: skip


CAUSES = {
    "0.50 x as fast as what is used": found(TOY, 2.0),
    "8.0 times as long as the CPU": Finding("vocoder", "slower", device_s=4.0, cpu_s=0.5),
    "other numbers than the CPU (20 dB)": Finding("vocoder", "wrong", difference_db=20.0),
    "a result of another shape": Finding("vocoder", "wrong"),
    "NaN or infinite values": Finding("vocoder", "not finite"),
    "no answer within 60 s": Finding("vocoder", "crashed", why="no answer within 60 s"),
    "no kernel": Finding("vocoder", "failed", why="no kernel"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_whatever_a_trial_found_is_said_as_a_cause(cause: str) -> None:
    assert CAUSES[cause].cause(used_s=1.0) == cause


@pytest.mark.usefixtures("_toy")
def test_what_ended_its_process_is_not_tried_again_until_its_version_changes() -> None:
    newer = replace(TOY, version="2")
    torch_again = Trial("vocoder", (USUAL,), 60)
    known = [found(USUAL, 1.0), found(TOY, None, "crashed")]
    assert untried("vocoder", [USUAL, TOY], known) == []
    assert untried("vocoder", [USUAL, TOY], known, again=True) == [torch_again]
    assert untried("vocoder", [USUAL, newer], known) == [
        torch_again, Trial("vocoder", (newer,), 60),
    ]  # fmt: skip
    assert untried("vocoder", [USUAL], []) == []  # there is no choice


def test_what_ended_a_process_is_said_as_the_process_said_it() -> None:
    (ended,) = Trial("vocoder", (TOY,), 60).crashed("no answer within 60 s", "NSF")
    assert ended.form == TOY
    assert str(ended.sentence("mps")) == (
        "the vocoder runs on torch, because toy cannot run it (no answer within 60 s)"
    )


def test_findings_about_forms_and_about_the_device_are_kept_beside_each_other(
    tmp_path: Path,
) -> None:
    record = ProbeRecord("Apple M3 (Metal)", "float32", tmp_path)
    slow, crashed = found(PLAIN, 0.5), found(TOY, None, "crashed")
    record.keep_forms([found(PLAIN, 0.9), crashed])
    record.keep_forms([slow])
    record.end("vocoder", "NSF", Finding("vocoder", "right", kind="NSF"))
    assert record.forms() == [crashed, slow]
    assert set(record.findings()) == {("vocoder", "NSF")}
    forget_forms(tmp_path)
    assert record.forms() == [crashed]
    assert set(record.findings()) == {("vocoder", "NSF")}
    record.forget()
    assert (record.forms(), record.findings()) == ([crashed], {})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallSet:
    return write_small_set(tmp_path_factory.mktemp("small"))


class Tuned:
    """Tunes the second device: real trials of the vocoder, in this process.

    The vocoder takes half as long in the plain layout, or as `seconds` says.
    """

    def __init__(self, small: SmallSet, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        give_second_device(monkeypatch)
        monkeypatch.setenv(TUNING_VARIABLE, str(folder))
        monkeypatch.setattr("engine.examination.PARTS_WITH_FORMS", ("vocoder",))  # for speed
        for name in ("SLOWER_RATIO", "ACCELERATOR_RATIO"):
            monkeypatch.setattr(f"engine.examination.{name}", float("inf"))
        self.small, self.folder = small, folder
        self.asked: list[Mapping[str, Any]] = []
        self.seconds: dict[tuple[str, Form], float] = {("vocoder", PLAIN): 0.5}
        self.error: Exception | None = None

    def _ask(self, work: Mapping[str, Any]) -> dict[str, Any]:
        if work["do"] == "device":
            return {"device": "mps", "name": "Chip (Metal)"}
        if work["do"] not in form_trial.TASKS:
            return {"on_cpu": [], "level": None}
        self.asked.append(work)
        if work["do"] == "try_forms" and self.error is not None:
            raise self.error
        answer = form_trial.TASKS[work["do"]](work)
        for each in answer.get("findings", []):
            assert each["verdict"] == "right"
            assert each["difference_db"] is None or each["difference_db"] > 80
            assert each["tried_s"] > 0
            form = Form(each["accelerator"], tuple(each["without"]), each["version"])
            each["tried_s"] = self.seconds.get((each["part"], form), 1.0)
        return answer

    def tune(self) -> tuple[str, ...]:
        """Only by what the parts run."""
        job = TuningJob(
            2.0,
            voice=self.small.voice.weights,
            models_dir=self.small.models_dir,
            only=frozenset({"parts"}),
        )
        return tune(job, folder=self.folder, ask=self._ask).parts

    def convert(self) -> Converter:
        config = OptimizationConfig(device="mps", batch_size=1)
        converter = Converter(
            self.small.models_dir, config, tuning_dir=self.folder, examine_device=False
        )
        options = ConversionOptions(seed=5, index_rate=0.0)
        assert converter.convert(SAMPLES, 16_000, self.small.voice, options).notes == ()
        return converter


def test_a_part_that_tuning_found_faster_in_another_layout_gets_it(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = Tuned(small, tmp_path, monkeypatch)
    assert tuned.tune() == (
        f"vocoder: {SECOND}, float32, plain layout, 2.0 x as fast as by torch with these flags",
        f"vocoder by torch on {SECOND} in float32: not used, 0.50 x as fast as what is used",
    )
    store = tuned.convert()._store
    assert dict(store.placement.without) == {"vocoder": ("use_channels_last",)}
    assert store.placement.device_of("vocoder") == SECOND
    store.first_use.forget()
    assert dict(store.first_use.placement.without) == {}


def test_a_trial_that_ends_early_is_remembered_and_changes_nothing(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = Tuned(small, tmp_path, monkeypatch)
    tuned.error = ChildError("no answer within 60 s")
    used, *others = tuned.tune()
    assert used == f"vocoder: {SECOND}, float32"
    assert others[0] == (
        f"vocoder by torch on {SECOND} in float32, plain layout: not used, no answer within 60 s"
    )
    tuned.error = None
    tuned.asked.clear()
    tuned.tune()
    assert "try_forms" not in {work["do"] for work in tuned.asked}


def test_a_voice_that_cannot_be_loaded_leaves_all_as_it_is(
    small: SmallSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = Tuned(small, tmp_path, monkeypatch)
    tuned.error = UserError("Cannot convert this", "not enough memory", "close other programs")
    (line,) = tuned.tune()
    assert line.startswith("by what each part runs fastest was not tried to the end: Cannot")
    assert not (tmp_path / RECORD_FILE).exists()


def test_a_process_ended_by_an_accelerator_leaves_this_one_alone(
    small: SmallSet, tmp_path: Path
) -> None:
    request = {
        "do": "try_forms",
        "part": "vocoder",
        "forms": [asdict(Form("toy"))],
        "config": asdict(OptimizationConfig(device="cpu")),
        "models_dir": str(small.models_dir),
        "voice": str(small.voice.weights),
    }
    with pytest.raises(ChildError, match="code 9"):
        Child(tasks=toy_tasks.__name__).ask(request)
