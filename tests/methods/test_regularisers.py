"""Single and multi-embedding with one more term: each criterion against its formula in plain loops, and what all of them keep."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_reductions import SCHEMA, batch, built, step
from test_references import array

from benchmark import plugins
from benchmark.contracts import Backbone, CTRModel, Output
from benchmark.errors import Incompatible, UserError
from benchmark.metrics.spectral import effective_rank
from methods.singular_value_reg import unevenness as singular_values

Array = NDArray[np.float64]
FIELDS = len(SCHEMA.fields)


def recipe() -> Backbone:
    """DCNv2 without dropout, whose masks would differ with the rows that a criterion draws."""
    found: Backbone = plugins.make("backbones", "dcnv2", {"dropout": 0.0, "depth": 2, "hidden": [8, 6]})
    return found


def absolute(method: str, backbone: Backbone, scale: int, **options: Any) -> CTRModel:
    """The penalty is its weight times the criterion, without a training that finds its share."""
    return built(method, backbone, scale, weighs="absolute", **options)


def cov(x: Array, i: int, j: int) -> float:
    return float(np.sum((x[:, i] - x[:, i].mean()) * (x[:, j] - x[:, j].mean())) / (len(x) - 1))


def unevenness(x: Array) -> float:
    values = np.linalg.svd(x, compute_uv=False)
    values = values / values.mean()
    return float(np.sum((values - values.mean()) ** 2) / (len(values) - 1))


def vicreg(x: Array) -> float:
    width = x.shape[1]
    hinge = np.mean([max(0.0, 1 - math.sqrt(cov(x, j, j) + 1e-4)) for j in range(width)])
    redundancy = sum(cov(x, i, j) ** 2 for i in range(width) for j in range(width) if i != j) / width
    return float(25 * hinge + redundancy)


def barlow(x: Array) -> float:
    pairs = [(i, j) for i in range(x.shape[1]) for j in range(x.shape[1]) if i != j]
    return float(sum(np.corrcoef(x[:, i], x[:, j])[0, 1] ** 2 for i, j in pairs))


def coding_rate(x: Array) -> float:
    z = np.stack([row / np.linalg.norm(row) for row in x])
    eigenvalues = np.linalg.eigvalsh(np.eye(len(z)) + z.shape[1] / (len(z) * 0.5) * z @ z.T)  # the B×B matrix has the same determinant
    return float(-np.sum(np.log(eigenvalues)) / 2)


def logdet(x: Array) -> float:
    width = x.shape[1]
    eigenvalues = np.linalg.eigvalsh(np.array([[cov(x, i, j) for j in range(width)] for i in range(width)])) + 1e-4
    return float(np.sum(eigenvalues - np.log(eigenvalues) - 1))


def uniformity(x: Array) -> float:
    rows = [row / np.linalg.norm(row) for row in np.unique(x, axis=0)]
    return math.log(np.mean([math.exp(-2 * np.sum((a - b) ** 2)) for a, b in combinations(rows, 2)]))


BY_FIELD: dict[str, Callable[[Array], float]] = {
    "singular_value_reg": unevenness,
    "vicreg": vicreg,
    "barlow": barlow,
    "coding_rate": coding_rate,
    "logdet": logdet,
    "uniformity": uniformity,
}
ON_SETS = ("set_similarity_reg", "decorrelated_experts")
ALL = (*BY_FIELD, *ON_SETS, "orthogonal_reg")


@pytest.mark.parametrize("method", BY_FIELD)
@pytest.mark.parametrize("rows", [16, 9])
def test_the_mean_over_fields_of_a_criterion_on_the_batch_matrix(method: str, rows: int) -> None:
    """Nine rows are fewer than the width."""
    model = absolute(method, recipe(), 3, weight=0.5).double().train()
    ids = batch(rows)[0]
    embedded = array(model.table())[ids.numpy()]  # type: ignore[arg-type]
    expected = 0.5 * np.mean([BY_FIELD[method](embedded[:, f]) for f in range(FIELDS)])
    np.testing.assert_allclose(array(model(ids).penalty), expected, rtol=1e-6)
    assert model.diagnostics()["criterion"] == pytest.approx(2 * expected, rel=1e-6)


def test_a_singular_value_below_the_gram_matrix_s_rounding_is_zero_and_has_no_gradient() -> None:
    """A field of two values has two at the most; a third of 1e-5 of the first is what float32 leaves of nothing."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(n, 4, generator=generator, dtype=torch.float64))[0] for n in (30, 4))
    sigma = torch.tensor([2.0, 1.0, 2e-5, 0.0], dtype=torch.float64)
    x = (left @ torch.diag(sigma) @ right.T).float().view(30, 1, 1, 4).requires_grad_()
    found = singular_values(torch.zeros(30, 1, dtype=torch.long), Output(torch.zeros(30), (x,), torch.zeros(())))
    cut = np.array([2.0, 1.0, 0.0, 0.0])
    assert float(found.detach()) == pytest.approx(float(np.var(cut / cut.mean(), ddof=1)), rel=1e-4)
    (gradient,) = torch.autograd.grad(found, x)
    assert bool(gradient.isfinite().all())
    moved = (left.T.float() @ gradient[:, 0, 0] @ right.float()).diagonal()  # of each singular value
    assert float(moved[2:].abs().max()) < 1e-3 * float(moved[:2].abs().max())


@pytest.mark.parametrize("target", ["identity", "scaled_identity"])
def test_orthogonal_reg_sums_over_all_blocks(target: str) -> None:
    """Scaled: with the λ that is best for each block, found here by least squares."""
    model = absolute("orthogonal_reg", recipe(), 2, weight=0.5, target=target).double().train()
    expected = 0.0
    for layer in model.interaction.layers:  # type: ignore[union-attr]
        weight = array(layer.linear.weight)[0].T  # of columns, as in the paper
        for i in range(FIELDS):
            for j in range(FIELDS):
                block = weight[8 * i : 8 * i + 8, 8 * j : 8 * j + 8]
                product = block @ block.T
                best = (
                    np.linalg.lstsq(np.eye(8).reshape(-1, 1), product.reshape(-1), rcond=None)[0][0] if target == "scaled_identity" else 1.0
                )
                expected += 0.5 * np.sum((best * np.eye(8) - product) ** 2)
    np.testing.assert_allclose(array(model(batch()[0]).penalty), expected, rtol=1e-10)


def test_set_similarity_is_the_mean_square_of_the_singular_values_between_sets() -> None:
    model = absolute("set_similarity_reg", recipe(), 3, weight=0.5).double().train()
    ids = batch()[0]
    embedded = array(model.table())[ids.numpy()]  # type: ignore[arg-type]
    squares = [
        np.mean(np.linalg.svd(embedded[:, f, 4 * i : 4 * i + 4].T @ embedded[:, f, 4 * j : 4 * j + 4], compute_uv=False) ** 2)
        for f in range(FIELDS)
        for i, j in combinations(range(3), 2)
    ]
    np.testing.assert_allclose(array(model(ids).penalty), 0.5 * np.mean(squares), rtol=1e-10)


def test_decorrelated_experts_sum_the_mean_correlation_of_each_pair() -> None:
    model = absolute("decorrelated_experts", recipe(), 3, weight=0.5).double().train()
    output = model(batch()[0])
    last = array(output.states[-1]).reshape(16, 3, -1)
    expected = 0.0
    for i, j in combinations(range(3), 2):
        outputs = range(last.shape[2])
        expected += 0.5 * np.mean([abs(np.corrcoef(last[:, i, k], last[:, j, l])[0, 1]) for k in outputs for l in outputs])
    np.testing.assert_allclose(array(output.penalty), expected, rtol=1e-8)


@pytest.mark.parametrize("method", ALL)
def test_there_is_no_penalty_in_evaluation_and_a_negative_weight_is_refused(method: str) -> None:
    model = absolute(method, recipe(), 3)
    assert float(model.train()(batch()[0]).penalty.detach()) != 0
    assert float(model.eval()(batch()[0]).penalty) == 0
    with pytest.raises(UserError, match=f"{method}: weight = -1.0; it must not be negative"):
        absolute(method, recipe(), 3, weight=-1.0)


@pytest.mark.parametrize("method", ALL)
def test_without_weight_it_is_the_plain_model(method: str) -> None:
    results = []
    for name, options in (("multi_embedding" if method in ON_SETS else "single_embedding", {}), (method, {"weight": 0.0})):
        torch.manual_seed(3)
        results.append(step(built(name, recipe(), 3, **options), 0))
    (plain, gradients), (output, others) = results
    assert torch.equal(plain.logits, output.logits) and float(output.penalty) == 0
    for name, gradient in gradients.items():
        assert torch.equal(gradient, others[name]), name


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("std", [0.0, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("rows", [1, 2, 64])
def test_gradients_stay_finite(method: str, std: float, rows: int) -> None:
    """Field a is constant, b nearly so, c has fewer values than the width of 12; and embeddings are as at the start of training."""
    model = absolute(method, recipe(), 3, weight=1.0).train()
    table = model.table()
    assert table is not None
    torch.nn.init.normal_(table, std=std, generator=torch.Generator().manual_seed(1))
    ids = batch(rows)[0]
    ids[:, 0], ids[:, 1] = 3, 8
    ids[-1, 1] = 9
    penalty = model(ids).penalty
    # Of a batch of one, or one whose values are alike, some criteria are a constant; the others, and all on a real batch, have a gradient.
    assert penalty.requires_grad or rows < 64
    if penalty.requires_grad:
        penalty.backward()
    assert math.isfinite(float(penalty.detach()))
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert bool(parameter.grad.isfinite().all()) and float(parameter.grad.abs().max()) < 1e5, name


@pytest.mark.parametrize("method", ALL)
def test_a_training_that_diverges_ends_as_such(method: str) -> None:
    """The loss is found to be no number at the epoch's end: until then no decomposition may raise."""
    model = absolute(method, recipe(), 3).train()
    table = model.table()
    assert table is not None
    torch.nn.init.constant_(table, math.inf)
    output, _ = step(model, 0)
    assert not bool(output.logits.isfinite().all())


@pytest.mark.parametrize("method", BY_FIELD)
def test_the_criterion_alone_mends_a_collapsed_table(method: str) -> None:
    model = absolute(method, recipe(), 3, weight=1.0).train()
    table = model.table()
    assert table is not None
    with torch.no_grad():  # one direction, of a standard deviation of 1, and little else
        table.mul_(0.1).add_(torch.randn(len(table), 1, generator=torch.Generator().manual_seed(2)) * torch.ones(12) / math.sqrt(12))
    ids = batch(64)[0]
    optimizer = torch.optim.Adam([table], lr=0.02)

    def spread() -> float:
        matrices = table.detach()[ids].transpose(0, 1)
        return float(effective_rank(torch.linalg.svdvals(matrices - matrices.mean(1, keepdim=True))).mean())

    before = spread()
    for _ in range(150):
        optimizer.zero_grad()
        model(ids).penalty.backward()
        optimizer.step()
    assert spread() > before + 0.5


@pytest.mark.parametrize("method", ON_SETS)
def test_one_set_has_nothing_to_compare(method: str) -> None:
    assert float(absolute(method, recipe(), 1).train()(batch()[0]).penalty) == 0
    with pytest.raises(UserError, match=r"width 12 .* is not divisible by 5 sets"):
        absolute(method, recipe(), 3, sets=5)


@pytest.mark.parametrize("method", ["uniformity", "decorrelated_experts"])
def test_a_batch_may_have_more_rows_than_are_drawn(method: str) -> None:
    model = absolute(method, recipe(), 3, rows=8).train()
    assert math.isfinite(float(model(batch(50)[0]).penalty.detach()))
    with pytest.raises(UserError, match="rows = 1; it must be at least 2"):
        absolute(method, recipe(), 3, rows=1)


@pytest.mark.parametrize("name", ["xdeepfm", "finalmlp"])
def test_orthogonal_reg_says_which_backbone_has_no_blocks(name: str) -> None:
    with pytest.raises(Incompatible, match=f"{name}: its interaction weights are no d x d blocks"):
        absolute("orthogonal_reg", plugins.make("backbones", name, {}), 1)


def test_the_coding_rate_needs_a_distortion() -> None:
    with pytest.raises(UserError, match=r"distortion = 0\.0; it must be greater than 0"):
        absolute("coding_rate", recipe(), 3, distortion=0.0)
