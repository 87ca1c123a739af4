"""AUC and logloss against scikit-learn and a plain count of pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score

from benchmark.metrics.ctr import auc, logloss


@pytest.mark.parametrize("distinct", [2, 3, 17, 1000, 10**9])
@pytest.mark.parametrize("rate", [0.02, 0.5, 0.97])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_auc_equals_sklearn(distinct: int, rate: float, dtype: torch.dtype) -> None:
    draw = np.random.default_rng(distinct)
    labels = (draw.random(5000) < rate).astype(np.float32)
    values = draw.integers(0, distinct, 5000) / distinct - 0.5 + 0.3 * (distinct > 2) * labels
    scores = torch.tensor(values, dtype=dtype)
    assert auc(scores, torch.from_numpy(labels)) == pytest.approx(roc_auc_score(labels, scores.numpy()), abs=1e-9)


def test_auc_counts_pairs() -> None:
    scores, labels = torch.tensor([0.1, 0.4, 0.4, 0.8, 0.4]), torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels == 1].tolist() for n in scores[labels == 0].tolist()]
    assert auc(scores, labels) == pytest.approx(sum(pairs) / len(pairs), abs=1e-15)


def test_auc_of_known_orders() -> None:
    labels = torch.tensor([0.0, 1.0] * 50)
    assert auc(torch.full((100,), -1.3), labels) == 0.5
    assert auc(labels, labels) == 1.0
    assert auc(-labels, labels) == 0.0


def test_auc_invariances() -> None:
    scores, labels = torch.randn(999, dtype=torch.float64), (torch.rand(999) < 0.3).float()
    value = auc(scores, labels)
    order = torch.randperm(999)
    assert auc(scores[order], labels[order]) == value
    assert auc(torch.sigmoid(scores), labels) == value
    assert auc(-scores, labels) == pytest.approx(1 - value, abs=1e-12)
    assert auc(scores, labels.to(torch.int64)) == value


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite_is_refused(bad: float) -> None:
    scores, labels = torch.tensor([0.0, bad, 1.0]), torch.tensor([0.0, 1.0, 1.0])
    for metric in (auc, logloss):
        with pytest.raises(ValueError, match="not finite"):
            metric(scores, labels)


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        auc(torch.randn(4), torch.ones(4))
    with pytest.raises(ValueError, match="both classes"):
        auc(torch.randn(4), torch.zeros(4))
    with pytest.raises(ValueError, match="0 or 1"):
        auc(torch.randn(3), torch.tensor([0.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match="one length"):
        auc(torch.randn(3), torch.ones(4))
    with pytest.raises(ValueError, match="one length"):
        logloss(torch.zeros(0), torch.zeros(0))


def test_logloss_equals_sklearn() -> None:
    logits, labels = torch.randn(3000, dtype=torch.float64) * 3, (torch.rand(3000) < 0.4).float()
    assert logloss(logits, labels) == pytest.approx(log_loss(labels.numpy(), torch.sigmoid(logits).numpy()), rel=1e-12)


def test_logloss_is_stable_far_out() -> None:
    assert logloss(torch.tensor([800.0, -800.0]), torch.tensor([0.0, 1.0])) == 800.0
    assert logloss(torch.tensor([40.0]), torch.tensor([1.0])) == pytest.approx(math.exp(-40), rel=1e-9)
    assert logloss(torch.zeros(7), torch.ones(7)) == pytest.approx(math.log(2), rel=1e-15)
