"""Expected AUC and logloss: the means over draws of labels, pair by pair, and what they become where labels are certain."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmark.metrics.ctr import auc, expected_auc, expected_logloss, logloss


def scored(rows: int, distinct: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n,) of a model that errs, with ties, and the true probabilities (n,)."""
    random = np.random.default_rng(seed)
    truth = random.standard_normal(rows) - 1
    guess = np.round((truth + random.standard_normal(rows)) * distinct) / distinct
    return torch.from_numpy(guess), torch.from_numpy(1 / (1 + np.exp(-1.5 * truth)))


def test_both_are_the_means_over_draws_of_labels() -> None:
    """1,000 draws. The ratio's bias, of the order 1/n, is far below their standard error, which is 1/√1000 of a draw's deviation."""
    logits, p = scored(2000, 4)
    draws = torch.rand((1000, len(p)), dtype=torch.float64, generator=torch.Generator().manual_seed(0)) < p
    for metric, expected in ((auc, expected_auc), (logloss, expected_logloss)):
        values = np.array([metric(logits, labels.double()) for labels in draws])
        error = values.std(ddof=1) / math.sqrt(len(values))
        assert abs(values.mean() - expected(logits, p)) < 3 * error


@pytest.mark.parametrize("distinct", [1, 3, 1000])
def test_expected_auc_counts_weighted_pairs(distinct: int) -> None:
    logits, p = scored(150, distinct, seed=1)
    weights = np.outer(p, 1 - p) * (1 - np.eye(150))
    above = np.greater.outer(logits.numpy(), logits.numpy()) + 0.5 * np.equal.outer(logits.numpy(), logits.numpy())
    assert expected_auc(logits, p) == pytest.approx((weights * above).sum() / weights.sum(), abs=1e-14)


def test_the_bias_of_the_ratio_is_of_order_one_over_n() -> None:
    """Every draw of all labels, with its weight: the mean AUC itself, given that there are both classes. Twice the rows, half the bias."""
    rest = []
    for copies in (1, 2):
        logits, p = torch.tensor([0.0, 0.0, 1.0, 2.0, -1.0] * copies), torch.tensor([0.1, 0.3, 0.4, 0.6, 0.5] * copies)
        draws = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * len(p)).double()
        both = (draws.sum(1) > 0) & (draws.sum(1) < len(p))
        weights = torch.where(draws > 0, p.double(), 1 - p.double()).prod(1)[both]
        values = torch.tensor([auc(logits, labels) for labels in draws[both]], dtype=torch.float64)
        rest.append(abs(float((weights * values).sum() / weights.sum()) - expected_auc(logits, p)))
    assert rest[1] < 0.6 * rest[0] < 0.01


def test_with_certain_labels_they_are_the_plain_metrics() -> None:
    logits, p = scored(3000, 5)
    labels = (p > 0.3).double()
    assert expected_auc(logits, labels) == pytest.approx(auc(logits, labels), abs=1e-13)
    assert expected_logloss(logits, labels) == logloss(logits, labels)


def test_no_score_does_better_than_the_probability() -> None:
    logits, p = scored(3000, 1000)
    assert expected_auc(logits, p) < expected_auc(p, p) == pytest.approx(expected_auc(p.logit(), p), abs=1e-12)
    entropy = -(p * p.log() + (1 - p) * (1 - p).log()).mean()
    assert expected_logloss(logits, p) > expected_logloss(p.logit(), p) == pytest.approx(float(entropy), abs=1e-12)


def test_expected_auc_of_a_million_rows_keeps_its_digits() -> None:
    """Half of the rows above the other half, with p and 1 − p for the two: a sum that is known."""
    half, p = 500_000, 0.8
    scores = torch.cat([torch.ones(half), torch.zeros(half)])
    chances = torch.cat([torch.full((half,), p, dtype=torch.float64), torch.full((half,), 1 - p, dtype=torch.float64)])
    within, up, down = p * (1 - p) * half * (half - 1) / 2, p * p * half**2, (1 - p) ** 2 * half**2
    assert expected_auc(scores, chances) == pytest.approx((2 * within + up) / (4 * within + up + down), abs=1e-10)


def test_impossible_input_is_refused() -> None:
    for metric in (expected_auc, expected_logloss):
        with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
            metric(torch.zeros(2), torch.tensor([0.5, 1.5]))
        with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
            metric(torch.zeros(2), torch.tensor([0.5, math.nan]))
        with pytest.raises(ValueError, match="one length"):
            metric(torch.zeros(2), torch.zeros(3))
        with pytest.raises(ValueError, match="not finite"):
            metric(torch.tensor([0.0, math.inf]), torch.zeros(2))
    with pytest.raises(ValueError, match="both classes"):
        expected_auc(torch.zeros(2), torch.zeros(2))
    with pytest.raises(ValueError, match="both classes"):
        expected_auc(torch.zeros(1), torch.tensor([0.5]))
