"""The spectrum properties of rank-1 rebalancing (docs/mathematics.md §2.5), with the exact leading direction."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.metrics.spectral import effective_rank
from benchmark.nn.rebalance import RankOneRebalance, before


def spectrum(kind: str, width: int) -> Tensor:
    index = torch.arange(width, dtype=torch.float64)
    return {
        "steep": 0.3**index,
        "two dominant": torch.where(index < 2, 10.0 - index, 1.0 - 0.01 * index),
        "flat": 1.0 + 0.01 * (width - index),
        "one dominant": torch.where(index < 1, 50.0, 1.0 - 0.01 * index),
    }[kind]


def matrix_of(values: Tensor, rows: int = 64) -> Tensor:
    torch.manual_seed(3)
    left = torch.linalg.qr(torch.randn(rows, len(values), dtype=torch.float64)).Q
    right = torch.linalg.qr(torch.randn(len(values), len(values), dtype=torch.float64)).Q
    matrix: Tensor = left @ torch.diag(values) @ right.T
    return matrix


def rebalanced(matrix: Tensor, strength: float, rule: str, steps: int = 2000) -> Tensor:
    module = RankOneRebalance(1, matrix.shape[1], strength, rule, "running", steps).double()  # type: ignore[arg-type]
    module.train()
    result: Tensor = module(matrix.unsqueeze(1))
    return result.squeeze(1)


KINDS = ("steep", "two dominant", "flat", "one dominant")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("rule", ["adaptive", "fixed"])
def test_only_the_leading_value_moves_and_never_up(kind: str, strength: float, rule: str) -> None:
    values = spectrum(kind, 6)
    after = torch.linalg.svdvals(rebalanced(matrix_of(values), strength, rule))
    moved = values[0] * (1 - strength * (max(0.0, 1 - float(values.square().mean().sqrt() / values[0])) if rule == "adaptive" else 1))
    expected = torch.sort(torch.cat((moved.unsqueeze(0), values[1:])), descending=True).values
    torch.testing.assert_close(after, expected, atol=1e-6, rtol=1e-6)
    assert after[0] <= values[0] * (1 + 1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_adaptive_does_not_lower_the_effective_rank_of_these_spectra(kind: str, strength: float) -> None:
    values = spectrum(kind, 6)
    after = torch.linalg.svdvals(rebalanced(matrix_of(values), strength, "adaptive"))
    assert effective_rank(after) >= effective_rank(values) - 1e-9


def test_adaptive_at_full_strength_can_lower_the_effective_rank_where_two_directions_lead() -> None:
    """The leading value falls to the root mean square, below its equal: what was even is not any more."""
    values = torch.tensor([1.0, 1.0, *[0.01] * 8], dtype=torch.float64)
    full, half = (effective_rank(torch.linalg.svdvals(rebalanced(matrix_of(values), strength, "adaptive"))) for strength in (1.0, 0.5))
    assert full < effective_rank(values) < half


def test_full_adaptive_strength_lands_on_the_root_mean_square() -> None:
    values = spectrum("one dominant", 6)
    after = torch.linalg.svdvals(rebalanced(matrix_of(values), 1.0, "adaptive"))
    torch.testing.assert_close(after[0], values.square().mean().sqrt())


def test_full_projection_deletes_a_rank() -> None:
    after = torch.linalg.svdvals(rebalanced(matrix_of(spectrum("flat", 6)), 1.0, "fixed"))
    assert after[-1] < 1e-6 and after[-2] > 0.5


def test_two_power_steps_a_batch_find_the_leading_direction() -> None:
    matrix = matrix_of(spectrum("one dominant", 6))
    module = RankOneRebalance(1, 6, 0.5, "adaptive", "running", 2).double()
    module.train()
    for _ in range(10):
        module(matrix.unsqueeze(1))
    leading = torch.linalg.svd(matrix).Vh[0]
    assert abs(float(module.direction[0] @ leading)) > 1 - 1e-9


@pytest.mark.parametrize("source", ["running", "random"])
def test_evaluation_does_not_depend_on_the_batch(source: str) -> None:
    torch.manual_seed(0)
    module = RankOneRebalance(3, 4, 0.5, "adaptive", source, 2)  # type: ignore[arg-type]
    module.train()
    for _ in range(3):
        module(torch.randn(20, 3, 4))
    module.eval()
    x = torch.randn(20, 3, 4)
    torch.testing.assert_close(module(x)[:5], module(x[:5]))


def test_running_direction_is_the_same_in_training_and_evaluation() -> None:
    torch.manual_seed(0)
    module = RankOneRebalance(3, 4, 0.5, "adaptive", "running", 2)
    x = torch.randn(20, 3, 4)
    module.train()
    trained = module(x)
    module.eval()
    torch.testing.assert_close(module(x), trained)


def test_the_running_gram_matrix_is_the_mean_of_ten_batches_and_exponential_after_them() -> None:
    torch.manual_seed(0)
    module = RankOneRebalance(3, 4, 0.5, "adaptive", "running", 2).double().train()
    batches = [torch.randn(20, 3, 4, dtype=torch.float64) for _ in range(25)]
    grams = [torch.einsum("bni,bnj->nij", x, x) / 20 for x in batches]
    for x in batches:
        module(x)
    weights = [0.1 * 0.9**15] * 10 + [0.1 * 0.9 ** (24 - number) for number in range(10, 25)]
    assert sum(weights) == pytest.approx(1)
    torch.testing.assert_close(module.gram, sum(weight * gram for weight, gram in zip(weights, grams, strict=True)))


def test_no_gradient_through_direction_and_deflation() -> None:
    torch.manual_seed(0)
    module = RankOneRebalance(2, 3, 1.0, "fixed", "running", 2).double()
    x = torch.randn(8, 2, 3, dtype=torch.float64, requires_grad=True)
    module.train()
    module(x).sum().backward()
    v = module.direction
    projector = torch.eye(3, dtype=torch.float64) - v.unsqueeze(2) * v.unsqueeze(1)  # of each row
    torch.testing.assert_close(x.grad, projector.sum(2).expand(8, 2, 3))


def test_strength_zero_is_the_identity() -> None:
    x = torch.randn(4, 2, 3)
    assert RankOneRebalance(2, 3, 0.0, "adaptive", "running", 2)(x) is x


@pytest.mark.parametrize("size", [1e-18, 1e-12, 1.0])
def test_the_direction_does_not_depend_on_the_scale(size: float) -> None:
    matrix = matrix_of(spectrum("one dominant", 6)).float()
    module = RankOneRebalance(1, 6, 1.0, "adaptive", "running", 2)
    module.train()
    for _ in range(12):
        result = module((size * matrix).unsqueeze(1))
    leading = torch.linalg.svd(matrix).Vh[0]
    assert abs(float(module.direction[0] @ leading)) > 1 - 1e-4
    after = torch.linalg.svdvals(result.squeeze(1) / size)
    torch.testing.assert_close(after[0], spectrum("one dominant", 6).square().mean().sqrt().float(), rtol=1e-3, atol=0)


def test_a_row_that_is_dead_at_first_is_rebalanced_once_it_lives() -> None:
    matrix = matrix_of(spectrum("one dominant", 6)).float()
    module = RankOneRebalance(1, 6, 0.5, "adaptive", "running", 2)
    module.train()
    module(torch.zeros(64, 1, 6))
    assert float(module.direction.norm()) == pytest.approx(1)
    for _ in range(20):
        module(matrix.unsqueeze(1))
    assert float(module.direction.norm()) == pytest.approx(1) and float(module.deflation) > 0.1


@pytest.mark.parametrize("strength", [0.0, 0.7])
def test_rebalancing_goes_into_the_matrix_after_it(strength: float) -> None:
    torch.manual_seed(0)
    module = RankOneRebalance(3, 8, strength, "adaptive", "running", 2).double()
    x, matrix = torch.randn(23, 3, 8, dtype=torch.float64), torch.randn(3, 8, 5, dtype=torch.float64)
    module.train()
    module(x)
    module.eval()
    folded = torch.einsum("bnd,ndc->bnc", x, before(matrix, module.leading(x)))
    torch.testing.assert_close(folded, torch.einsum("bnd,ndc->bnc", module(x), matrix), atol=1e-12, rtol=1e-12)
