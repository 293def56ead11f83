import json
import time
from pathlib import Path

import pytest
import torch
from recipe.chance import Chance
from recipe.training import Effort, Schedule, Training, averaged, step_of
from torch import Tensor, nn

SCHEDULE = Schedule(steps=12, rate=0.05, warm_up_steps=3, plateau=0.5, last=0.1)


def training(file: Path, effort: Effort | None = None) -> tuple[Training, nn.Module]:
    torch.manual_seed(4)
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    made = Training({"net": network}, network.parameters(), SCHEDULE, file, effort=effort, seed=9)
    return made, network


def run(file: Path, until: int | None = None, effort: Effort | None = None) -> dict[str, Tensor]:
    made, network = training(file, effort)

    def loss_of(chance: Chance) -> tuple[Tensor, dict[str, float]]:
        seen = chance.normal(8, 3)
        wanted = seen.sum(1, keepdim=True) + chance.normal(1) * 0.1
        loss = (network(seen) - wanted).square().mean()
        return loss, {"loss": loss}

    made.run(loss_of, lambda: {"held out": 1.0}, validate_every=4, until=until)
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_a_training_that_was_stopped_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.safetensors")
    run(tmp_path / "parts.safetensors", until=5)
    run(tmp_path / "parts.safetensors", until=6)
    parts = run(tmp_path / "parts.safetensors")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    for name, value in averaged(tmp_path / "whole.safetensors", "net").items():
        assert torch.equal(value, averaged(tmp_path / "parts.safetensors", "net")[name])


def test_a_training_moves_its_weights_and_counts_its_steps(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    _, untrained = training(file)
    trained = run(file)
    assert not torch.equal(trained["0.weight"], untrained.state_dict()["0.weight"])
    assert step_of(file) == SCHEDULE.steps


def test_the_curve_says_nothing_twice_after_a_kill_between_two_checkpoints(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    run(file, until=5)
    with file.with_suffix(".jsonl").open("a") as curve:
        curve.write(json.dumps({"step": 8, "held out": 7.0}) + "\n")  # trained, but never saved
    run(file)
    lines = file.with_suffix(".jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 8, 12]
    assert json.loads(lines[1])["held out"] == 1.0


def test_a_half_written_checkpoint_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    run(file, until=4)
    file.with_name(file.name + ".partial").write_bytes(b"killed while it was written")
    run(file)
    assert step_of(file) == SCHEDULE.steps


def test_the_averaged_weights_are_used_only_while_measuring(tmp_path: Path) -> None:
    made, network = training(tmp_path / "net.safetensors")
    before = network[0].weight.detach().clone()  # type: ignore[index]
    seen = []
    with torch.no_grad():
        network[0].weight.add_(1.0)  # type: ignore[index]
    made.with_average(lambda: seen.append(network[0].weight.detach().clone()) or {})  # type: ignore
    assert torch.equal(seen[0], before)
    assert torch.equal(network[0].weight, before + 1.0)  # type: ignore[index]


def test_the_rate_rises_stays_and_falls_to_its_last_share() -> None:
    rates = [SCHEDULE.rate_at(step) for step in range(SCHEDULE.steps)]
    assert rates[0] == pytest.approx(0.05 / 3)
    assert rates[2:6] == pytest.approx([0.05] * 4)
    assert rates[6:] == sorted(rates[6:], reverse=True)
    assert rates[-1] == pytest.approx(0.05 / 6)
    assert min(rates) >= 0.05 * 0.1


def test_a_step_draws_the_same_numbers_whenever_it_runs() -> None:
    first, again, other = (Chance.of_step(1, step) for step in (5, 5, 6))
    drawn = first.normal(4)
    assert torch.equal(drawn, again.normal(4))
    assert not torch.equal(drawn, other.normal(4))
    assert first.normal(1) == again.normal(1)


def test_the_draws_keep_within_their_limits() -> None:
    chance = Chance.of_step(2, 0)
    counts = torch.tensor([1, 2, 1000])
    drawn = torch.stack([chance.below(counts) for _ in range(200)])
    assert (drawn >= 0).all()
    assert (drawn < counts).all()
    assert set(drawn[:, 1].tolist()) == {0, 1}
    spread = chance.log_uniform((0.5, 2.0), 1000)
    assert 0.5 <= float(spread.min()) < 0.55
    assert 1.8 < float(spread.max()) <= 2.0
    assert float(chance.happens(0.3, 4000).float().mean()) == pytest.approx(0.3, abs=0.03)


def test_a_training_can_be_given_other_steps_or_a_time_to_end_at(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    run(tmp_path / "steps.safetensors", effort=Effort(cpu, steps=7))
    assert step_of(tmp_path / "steps.safetensors") == 7
    ends_at_s = time.time() + 1.5
    run(tmp_path / "time.safetensors", effort=Effort(cpu, ends_at_s=ends_at_s))
    assert time.time() == pytest.approx(ends_at_s, abs=1.0)
    notes = (tmp_path / "time.jsonl").read_text().splitlines()
    assert step_of(tmp_path / "time.safetensors") == json.loads(notes[-1])["step"] > 7
