"""Methods that say how the table is trained, against plain numpy loops over rows and steps, and against torch's own optimisers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_reductions import backbone, built
from test_references import Array, array
from torch import Tensor, nn

from benchmark import plugins
from benchmark.config import Training
from benchmark.contracts import CTRModel, TableRule
from benchmark.data.batches import Rows
from benchmark.data.store import Fold
from benchmark.method import Parts, assemble
from benchmark.schema import Bags, Field, Schema
from benchmark.training.fit import fit, make_optimizers

RATE, STEPS = 0.05, 6


class Adam:
    """Kingma and Ba, algorithm 1, with torch's defaults: what one step takes off."""

    def __init__(self, like: Array) -> None:
        self.m, self.v, self.t = np.zeros_like(like), np.zeros_like(like), 0

    def __call__(self, gradient: Array, rate: float = RATE) -> Array:
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * gradient
        self.v = 0.999 * self.v + 0.001 * gradient**2
        off: Array = rate * self.m / (1 - 0.9**self.t) / (np.sqrt(self.v / (1 - 0.999**self.t)) + 1e-8)
        return off


def trained(method: str, **options: Any) -> tuple[nn.Parameter, TableRule, torch.optim.Optimizer]:
    """The table of a model, in float64, its rule and its optimiser, which has an L2 of 0.5 to mind."""
    model = built(method, backbone("dcnv2"), 1, **options).double()
    table, rule = model.table(), model.table_rule()
    assert table is not None
    optimizer = make_optimizers(model, Training(learning_rate=RATE, embedding_l2=0.5))[-1]
    return table, rule, optimizer


def gradients(shape: tuple[int, ...]) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(5)
    while True:
        yield torch.randn(shape, generator=generator, dtype=torch.float64)


def test_adamw_is_torchs_and_knows_no_coupled_l2() -> None:
    table, rule, optimizer = trained("embedding_adamw", weight_decay=2.0)
    other = nn.Parameter(table.detach().clone())
    reference, adam, plain = torch.optim.AdamW([other], lr=RATE, weight_decay=2.0), Adam(array(table)), array(table).copy()
    for step, gradient in zip(range(STEPS), gradients(tuple(table.shape)), strict=False):
        rate = RATE if step < 3 else 0.1 * RATE  # as training drops it
        for mine in (optimizer, reference):
            mine.param_groups[0]["lr"] = rate
        table.grad, other.grad = gradient, gradient
        optimizer.step()
        reference.step()
        off = adam(array(gradient), rate)
        plain = plain - rate * 2.0 * plain - off
        torch.testing.assert_close(table, other)
        np.testing.assert_allclose(array(table), plain, rtol=1e-9, atol=1e-12)
        with torch.no_grad():
            dose = rule.dose(table, optimizer)
        assert dose == pytest.approx(rate * 2.0 * np.linalg.norm(plain) / np.linalg.norm(off), rel=1e-9)


@pytest.mark.parametrize("method", ["embedding_adamw", "adaptive_decay", "factorised_table"])
def test_the_dense_part_keeps_its_adam(method: str) -> None:
    model = built(method, backbone("dcnv2"), 2)
    dense, own = make_optimizers(model, Training(learning_rate=RATE, embedding_l2=0.5))
    table = model.table()
    assert type(dense) is torch.optim.Adam and {group["weight_decay"] for group in dense.param_groups} == {0.0}
    assert {id(p) for g in dense.param_groups for p in g["params"]} == {id(p) for p in model.parameters() if p is not table}
    assert [p is table for g in own.param_groups for p in g["params"]] == [True]


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.4])
def test_adaptive_decay_row_by_row(alpha: float) -> None:
    """Row 0 in every batch, 1 twice in one, 2 with gaps, 3 once and never again, 4 late, the rest never; α = .4 reaches λ = 1.

    The dose is of the rows as they were before the step: of λ = 1 they are gone after it.
    """
    table, rule, optimizer = trained("adaptive_decay", alpha=alpha)
    batches = [[0, 1, 1, 3], [0], [0, 2], [0], [0, 4], [0, 1, 1], [0, 2, 4], [0]]
    plain, adam = array(table).copy(), Adam(array(table))
    last: dict[int, int] = {}
    rates: list[float] = []
    for step, (rows, gradient) in enumerate(zip(batches, gradients(tuple(table.shape)), strict=False), 1):
        rule.batch_starts(torch.tensor(rows, dtype=torch.int32)[:, None], table, optimizer)
        held = torch.zeros(len(table), 1, dtype=torch.float64).index_fill_(0, torch.tensor(rows), 1)
        table.grad = gradient * held
        optimizer.step()
        off, decay = adam(array(table.grad)), np.zeros_like(plain)
        for row in range(len(plain)):
            if row in rows:
                rates.append(min(1.0, alpha * (step - last.get(row, step - 1) - 1)))
                decay[row] = rates[-1] * plain[row]
                last[row] = step
            plain[row] = plain[row] - decay[row] - off[row]
        np.testing.assert_allclose(array(table), plain, rtol=1e-9, atol=1e-12)
        with torch.no_grad():
            dose = rule.dose(table, optimizer)
        assert dose == pytest.approx(np.linalg.norm(decay[rows]) / np.linalg.norm(off[rows]), rel=1e-9)
    assert max(rates) == (1.0 if alpha == 0.4 else 4 * alpha) and sorted(set(rates))[0] == 0


def test_adaptive_decay_counts_rows_of_the_table_and_not_ids() -> None:
    """A field of scaled numbers is one row, whatever the number: its row is in every batch."""
    schema = Schema((Field("price", 1, factors=3), Field("b", 4)), 0.5, factors=np.array([0.0, 1.0, 2.5], np.float32))
    parts = Parts(schema, 1, 2, plugins.make("backbones", "dcnv2", {}))
    model = plugins.make("methods", "adaptive_decay", {"alpha": 0.5}).build(parts)
    table, rule = model.table(), model.table_rule()
    nn.init.ones_(table)
    optimizer = make_optimizers(model, Training())[-1]
    for ids in ([[1, 3], [2, 4]], [[0, 5]], [[1, 3]]):  # rows [0, 1], [0, 2]; [0, 3]; [0, 1]
        rule.batch_starts(torch.tensor(ids), table, optimizer)
        table.grad = torch.zeros_like(table)
        optimizer.step()
    torch.testing.assert_close(table[:, 0], torch.tensor([1.0, 0.5, 1.0, 1.0, 1.0]))


def test_adaptive_decay_is_of_all_rows_of_a_bag() -> None:
    """A multi-valued field of rows 0 to 3, bags (0), (1), (2, 3), (2, 2, 3); and b, whose row 4 is in every batch."""
    bags = Bags(np.array([1, 1, 2, 3], np.int32), np.array([0, 1, 2, 3, 2, 2, 3], np.int32))
    schema = Schema((Field("tags", 4, bags=4), Field("b", 2)), 0.5, bags=bags)
    model = plugins.make("methods", "adaptive_decay", {"alpha": 0.25}).build(Parts(schema, 1, 2, plugins.make("backbones", "dcnv2", {})))
    table, rule = model.table(), model.table_rule()
    nn.init.ones_(table)
    optimizer = make_optimizers(model, Training())[-1]
    for bag in (3, 1, 0, 2):
        rule.batch_starts(torch.tensor([[bag, 4]]), table, optimizer)
        table.grad = torch.zeros_like(table)
        optimizer.step()
    torch.testing.assert_close(table[:, 0], torch.tensor([1.0, 1.0, 0.5, 0.5, 1.0, 1.0]))


@pytest.mark.parametrize("factor", [1, 3])
def test_a_factorised_table_is_adam_on_both_factors(factor: int) -> None:
    table, _, optimizer = trained("factorised_table", factor=factor)
    drawn, one = array(table).copy(), optimizer
    a, b = array(one.left).copy(), array(one.right).copy()  # type: ignore[attr-defined]
    assert a.shape == (len(drawn), 4 * factor) and b.shape == (4 * factor, 4)
    np.testing.assert_allclose(b.T @ b, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(a @ b, drawn, atol=1e-12)
    adam_a, adam_b = Adam(a), Adam(b)
    for step, gradient in zip(range(STEPS), gradients(tuple(table.shape)), strict=False):
        optimizer.param_groups[0]["lr"] = rate = RATE if step < 3 else 0.1 * RATE
        table.grad = gradient
        optimizer.step()
        whole = array(gradient) + 0.5 * a @ b
        a, b = a - adam_a(whole @ b.T, rate), b - adam_b(a.T @ whole, rate)
        np.testing.assert_allclose(array(table), a @ b, rtol=1e-9, atol=1e-12)


def test_the_factors_gradients_are_those_of_the_loss_of_their_product() -> None:
    """Autograd through A·B, with the L2 as a term of the loss; and what the model shows is the product."""
    model: Any = built("factorised_table", backbone("dcnv2"), 1).double()
    table = model.table()
    optimizer: Any = make_optimizers(model, Training(embedding_l2=0.5))[-1]
    ids = torch.tensor([[0, 7, 12], [1, 7, 20]])
    left, right = (factor.detach().clone().requires_grad_() for factor in (optimizer.left, optimizer.right))
    model.eval()  # neither dropout nor statistics of a batch
    by_product = torch.func.functional_call(model, {"embedding.weight": left @ right}, (ids,)).logits
    (by_product.sum() + 0.25 * (left @ right).square().sum()).backward()
    model(ids).logits.sum().backward()
    optimizer.step()
    torch.testing.assert_close(optimizer.left.grad, left.grad)
    torch.testing.assert_close(optimizer.right.grad, right.grad)
    torch.testing.assert_close(table.detach(), (optimizer.left @ optimizer.right).detach())
    torch.testing.assert_close(model.embedding(ids), table[ids])


def test_a_reset_draws_the_table_anew_and_leaves_the_rest() -> None:
    std = 0.3
    model: Any = assemble(plugins.make("methods", "embedding_reset", {}), backbone("dcnv2"), Schema((Field("a", 3000),) * 2, 0.3), 2, 10)
    [optimizer], table, rule = make_optimizers(model, Training()), model.table(), model.table_rule()
    rule.training_starts(table, optimizer, std)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    rule.epoch_starts(1, table, optimizer)
    assert not bool(table.any()), "the first epoch has the table that training drew"
    assert rule.dose(table, optimizer) == 0, "nothing was done to it yet"
    optimizer.step()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    moments = {p: {k: v.clone() for k, v in optimizer.state[p].items()} for p in model.parameters() if p is not table}
    rule.epoch_starts(2, table, optimizer)
    drawn = table.detach().clone()
    assert float(drawn.std()) == pytest.approx(std, rel=0.02) and abs(float(drawn.mean())) < 0.01
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items() if name != "embedding.weight")
    assert all(torch.equal(optimizer.state[p][k], v) for p, kept in moments.items() for k, v in kept.items())
    optimizer.step()
    torch.testing.assert_close(table.detach(), drawn - 1e-3)  # a first step of Adam, of gradients of 1 (and almost no L2), is the rate
    rule.epoch_starts(3, table, optimizer)
    assert abs(float((table.detach() * drawn).mean())) < 0.01
    one, other = array(table).ravel(), array(drawn - 1e-3).ravel()
    turned = np.sqrt(1 - (one @ other / np.linalg.norm(one) / np.linalg.norm(other)) ** 2)  # the sine of the angle between the tables
    assert rule.dose(table, optimizer) == pytest.approx(turned, rel=1e-6) and turned > 0.9


def test_the_model_of_an_epochs_end_was_trained_on_that_epochs_table() -> None:
    """With a rate at which nothing moves the best epoch's table is a fresh draw with training's deviation; each epoch scores its own."""
    random = np.random.default_rng(0)
    ids: NDArray[np.int32] = random.integers(0, 300, (600, 2), dtype=np.int32)
    rows = Rows(ids, (random.random(600) < 0.4).astype(np.uint8), np.array([0, 300]), torch.device("cpu"))
    schema = Schema((Field("a", 300), Field("b", 300)), 0.4)
    torch.manual_seed(1)
    model: CTRModel = assemble(plugins.make("methods", "embedding_reset", {}), backbone("dcnv2"), schema, 1, 8)
    table = model.table()
    assert table is not None
    nn.init.normal_(table, std=0.2)
    first = table.detach().clone()
    training = replace(Training(), learning_rate=1e-30, embedding_std=0.2, epochs=4, patience=9, batch_size=200)
    result = fit(model, Fold(rows, rows), 0.4, training, torch.Generator().manual_seed(0), lambda metrics: None)
    assert len({entry["valid/auc"] for entry in result.curve}) == 4
    assert float(table.detach().std()) == pytest.approx(0.2, rel=0.05)
    assert torch.equal(table, first) == (result.best_epoch == 1)
