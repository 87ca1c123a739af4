"""Data at the edge of what anybody has: rare positives, a rest of one row, fields of one value, many fields, a field of many values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmark import plugins
from benchmark.config import Training
from benchmark.data.batches import Rows
from benchmark.data.store import Fold
from benchmark.method import assemble
from benchmark.schema import Field, Schema
from benchmark.training.fit import Fitted, divergence_limit, fit
from benchmark.training.trial import draw_table

CPU = torch.device("cpu")
SCHEMA = Schema((Field("a", 12), Field("b", 40)), 0.4)


def fitted(fold: Fold, schema: Schema, positive_rate: float, training: Training) -> Fitted:
    torch.manual_seed(0)
    recipe = plugins.make("backbones", "dcnv2", {"depth": 1, "hidden": [16]})
    model = assemble(plugins.make("methods", "single_embedding", {}), recipe, schema, 1, 4)
    draw_table(model, training.embedding_std, 0)
    return fit(model, fold, positive_rate, training, torch.Generator().manual_seed(0), lambda entry: None)


def test_rare_positives_are_no_divergence() -> None:
    """At one in 20,000 the untrained model's ln 2 is a thousand times the constant predictor's loss, which training has yet to reach."""
    count = 20_000
    labels = np.zeros(count, np.uint8)
    labels[count // 2] = 1
    local = np.random.default_rng(0).integers(0, [12, 40], (count, 2), dtype=np.int32)
    part = Rows(local, labels, np.array([0, 12]), CPU)
    result = fitted(Fold(part, part), SCHEMA, 1 / count, Training(epochs=1, learning_rate=1e-2))
    [entry] = result.curve
    assert entry["train/loss"] > 1000 * math.log(count) / count, "the loss is not above what was the limit: the test shows nothing"
    assert 0 < result.valid["logloss"] < 1


@pytest.mark.parametrize("rate", [1e-9, 2e-5, 1e-3, 0.012, 0.03, 0.2, 0.5, 0.98, 1 - 1e-6])
def test_the_limit_of_divergence_is_out_of_a_sound_trainings_reach(rate: float) -> None:
    """Fifty times above what an untrained model and the best constant have, and below what logits in the thousands give."""
    labels = torch.tensor([1.0, 0.0], dtype=torch.float64)
    share = torch.tensor([rate, 1 - rate], dtype=torch.float64)

    def loss(logit: float) -> float:
        logits = torch.full_like(labels, logit)
        return float(functional.binary_cross_entropy_with_logits(logits, labels, share, reduction="sum"))

    constant = loss(math.log(rate / (1 - rate)))
    assert 50 * max(constant, loss(0.0)) < divergence_limit(rate) < max(loss(3000.0), loss(-3000.0))
