"""docs/other_libraries.md: what it points to and names is there, and what it says of this suite's own numbers is so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark import commandline, plugins
from benchmark.config import Training
from benchmark.contracts import CTRModel, Output, no_penalty
from benchmark.data.batches import Rows
from benchmark.data.store import Fold
from benchmark.metrics.ctr import logloss
from benchmark.training import evaluate
from benchmark.training.fit import fit

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "other_libraries.md").read_text(encoding="utf-8")
CPU = torch.device("cpu")


def test_what_the_page_points_to_is_there() -> None:
    targets = [*re.findall(r"\]\(([^)#:]+)\)", PAGE), *re.findall(r"^\[\w+\]: (\S+)$", PAGE, re.MULTILINE)]
    assert len(targets) > 8
    for target in targets:
        assert (DOCS / target).exists(), target
    used, defined = (set(re.findall(words, PAGE, re.MULTILINE)) for words in (r"\]\[(\w+)\]", r"^\[(\w+)\]:"))
    assert used == defined
    assert max(map(len, PAGE.splitlines())) <= 140


def test_the_settings_that_the_page_names_exist() -> None:
    flags = set(re.findall(r"`(--[a-z0-9.-]+(?:_[a-z]+)*)", PAGE))
    ours = {f"--{field.name.replace('_', '-')}" for field in fields(Training)} | {"--scale", "--dimension", "--seed"}
    ours |= {f"--backbone.{field.name}" for field in fields(plugins.plugin("backbones", "dcnv2"))}
    assert len(flags) > 8 and flags <= ours, flags - ours
    commandline.parse(["prepare", "criteo_x4", "--missing-as-rare", "true"])


class Given(CTRModel):
    """Whose logit is a number of its own for each value of the one field."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(logits)

    def table(self) -> None:
        return None

    def forward(self, ids: Tensor) -> Output:
        logits = self.weight[ids[:, 0]]
        return Output(logits, (), no_penalty(logits))


def test_logloss_is_exact_where_a_float32_sigmoid_is_1() -> None:
    """Against decimals of 60 digits; FuxiCTR's way through probabilities gives 36 nats for the logit 17 of a negative."""
    logits = torch.linspace(-60, 60, 241)
    for label in (0.0, 1.0):
        with localcontext() as context:
            context.prec = 60
            nats = [((1 + Decimal(z).exp()).ln() - Decimal(label) * Decimal(z)) for z in logits.tolist()]
            exact = float(sum(nats) / len(nats))
        assert logloss(logits, torch.full((241,), label)) == pytest.approx(exact, rel=1e-13)
    assert float(torch.sigmoid(torch.tensor(17.0))) == 1.0
    assert logloss(torch.tensor([17.0]), torch.zeros(1)) == pytest.approx(17.0, abs=1e-6)


@pytest.mark.parametrize("shift", [0.5, 21.0, -19.0])
def test_auc_is_of_the_logits_order_however_they_are_batched(monkeypatch: pytest.MonkeyPatch, shift: float) -> None:
    """Where torchmetrics' depends on the batches and ties the high scores. Against a count of all pairs."""
    random = np.random.default_rng(0)
    labels = (random.random(400) < 0.3).astype(np.uint8)
    logits = torch.from_numpy(random.normal(0.25 * labels + shift, 0.5)).float()
    part = Rows(np.arange(400, dtype=np.int32)[:, None], labels, np.zeros(1, np.int64), CPU)
    ones, zeros = (logits[torch.from_numpy(labels == label)] for label in (1, 0))
    ahead = ones[:, None] - zeros
    exact = float(((ahead > 0).double() + (ahead == 0).double() / 2).mean())
    for size in (4, 64, 8192):
        monkeypatch.setattr(evaluate, "CPU_BATCH", size)
        assert evaluate.score(Given(logits), part)["auc"] == pytest.approx(exact, abs=1e-12)


def test_deepctr_torchs_penalty_is_ours_of_twice_its_factor_over_the_batch() -> None:
    """Its rule, written out: the sum of a batch's losses plus λ·Σw² of the whole table. Adam divides by the gradient's size, so that the
    sum's step is the mean's where ε is as many times larger.
    """
    random = np.random.default_rng(0)
    size, strength = 64, 0.5
    local = random.integers(0, 30, (10 * size, 2), dtype=np.int32)
    part = Rows(local, (random.random(10 * size) < 0.4).astype(np.uint8), np.array([0, 30]), CPU)
    first = torch.from_numpy(random.normal(size=(60, 3))).float()

    class Product(CTRModel):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(first.clone())

        def table(self) -> nn.Parameter:
            return self.weight

        def forward(self, ids: Tensor) -> Output:
            logits = self.weight[ids].prod(1).sum(1)
            return Output(logits, (), no_penalty(logits))

    ours, theirs = Product(), Product()
    training = Training(batch_size=size, epochs=1, learning_rate=1e-2, embedding_l2=2 * strength / size)
    fit(ours, Fold(part, part), 0.4, training, torch.Generator().manual_seed(0), lambda entry: None)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-2, eps=1e-8 * size)
    batches: Iterable[tuple[Tensor, Tensor]] = part.shuffled(size, torch.Generator().manual_seed(0))
    for ids, labels in batches:
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy(torch.sigmoid(theirs(ids).logits), labels, reduction="sum")
        (loss + strength * theirs.weight.square().sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float((ours.weight.detach() - first).abs().max()) > 0.05
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-4, atol=1e-5)
