from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.retrieval.blend import mix, protect, weighted_mean
from tests.engine.retrieval.faiss_files import GOLDEN


def test_doubled_and_protected_features_are_phone_features_of_the_reference() -> None:
    with np.load(GOLDEN / "v2_40k.npz") as case:
        retrieved = torch.from_numpy(case["retrieval_out"]).repeat_interleave(2, 0)
        features = torch.from_numpy(case["retrieval_in"]).repeat_interleave(2, 0)
        expected = torch.from_numpy(case["phone"])
        f0_hz = torch.from_numpy(case["f0"])[: len(expected)]
    phone = protect(retrieved[: len(f0_hz)], features[: len(f0_hz)], f0_hz, 0.33)
    assert (phone - expected).abs().max() <= 1e-5


def test_protect_mixes_only_frames_without_pitch() -> None:
    retrieved, features = torch.full((3, 2), 10.0), torch.zeros(3, 2)
    f0_hz = torch.tensor([0.0, 0.5, 1.0])
    kept = protect(retrieved, features, f0_hz, 0.2)
    torch.testing.assert_close(kept[:, 0], torch.tensor([2.0, 2.0, 10.0]))
    batch = protect(torch.stack([retrieved] * 2), features.expand(2, 3, 2), f0_hz.expand(2, 3), 0.2)
    assert torch.equal(batch, torch.stack([kept] * 2))


def test_protect_of_one_half_is_off_and_of_zero_is_the_original() -> None:
    retrieved, features = torch.randn(4, 3), torch.randn(4, 3)
    assert torch.equal(protect(retrieved, features, torch.zeros(4), 0.5), retrieved)
    assert torch.equal(protect(retrieved, features, torch.zeros(4), 0.0), features)


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 2.0), (0.25, 4.0), (1.0, 10.0)])
def test_mix_weighs_the_retrieved_features_by_the_index_rate(rate: float, expected: float) -> None:
    mixed = mix(torch.full((2, 2), 10.0), torch.full((2, 2), 2.0), rate)
    assert torch.equal(mixed, torch.full((2, 2), expected))


def test_scores_of_any_size_give_finite_weights() -> None:
    neighbours = torch.tensor([[[1.0], [3.0]]])
    kept = torch.ones(1, 2, dtype=torch.bool)
    for scale in (1e-44, 1e-30, 1.0, 1e30):
        scores = torch.tensor([[1.0, 1.0]]) * scale
        assert weighted_mean(neighbours.clone(), scores, kept).item() == 2.0
    far_apart = torch.tensor([[1e-40, 1e38]])
    assert weighted_mean(neighbours.clone(), far_apart, kept).item() == 1.0


def test_exact_hits_share_the_weight() -> None:
    neighbours = torch.tensor([[[1.0], [3.0], [50.0]]])
    kept = torch.ones(1, 3, dtype=torch.bool)
    assert weighted_mean(neighbours, torch.tensor([[0.0, 0.0, 1e-30]]), kept).item() == 2.0
