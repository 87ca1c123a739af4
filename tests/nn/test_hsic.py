"""HSIC: against plain matrix formulas, and by its invariants."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.nn import hsic
from benchmark.nn.decoupler import Decoupler


def pair(x: Tensor, y: Tensor) -> Tensor:
    """Two components of one row: (m, 1, 2, e)."""
    return torch.stack((x, y), 1).unsqueeze(1)


def kernel(points: Tensor) -> Tensor:
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    few = distances[:64, :64]
    upper = few[tuple(torch.triu_indices(len(few), len(few), 1))]
    return torch.exp(-distances / torch.maximum(upper.median(), 1e-3 * distances.mean()))


@pytest.fixture
def samples() -> Tensor:
    return torch.randn(50, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_biased_estimator_is_the_trace_formula(samples: Tensor) -> None:
    m = len(samples)
    x, y = samples[:, 0], samples[:, 0] ** 2 + samples[:, 1]
    centring = torch.eye(m, dtype=torch.float64) - 1 / m
    expected = torch.trace(kernel(x) @ centring @ kernel(y) @ centring) / (m - 1) ** 2
    torch.testing.assert_close(hsic.biased_hsic(pair(x, y), "rbf")[0, 0, 1], expected, rtol=1e-10, atol=0)


def test_linear_kernel_is_the_cross_covariance_norm(samples: Tensor) -> None:
    x, y = samples[:, 0], samples[:, 0] + samples[:, 1]
    covariance = (x - x.mean(0)).T @ (y - y.mean(0))
    expected = covariance.square().sum() / (len(x) - 1) ** 2
    torch.testing.assert_close(hsic.biased_hsic(pair(x, y), "linear")[0, 0, 1], expected, rtol=1e-10, atol=0)


def test_unbiased_estimator_is_the_formula_of_song(samples: Tensor) -> None:
    m = len(samples)
    x, y = samples[:, 0], samples[:, 0] ** 2 + samples[:, 1]
    k, l = kernel(x), kernel(y)
    k, l = k - torch.diag(k.diagonal()), l - torch.diag(l.diagonal())
    one = torch.ones(m, dtype=torch.float64)
    expected = (torch.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((m - 1) * (m - 2)) - 2 / (m - 2) * (one @ k @ l @ one)) / (
        m * (m - 3)
    )
    torch.testing.assert_close(hsic.unbiased_hsic(pair(x, y), "rbf")[0, 0, 1], expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", ["rbf", "linear"])
def test_a_constant_component_depends_on_nothing(samples: Tensor, name: hsic.Kernel) -> None:
    """And moves nothing: its pairs are 0, their gradient too, in training's precision; the others' is what it is without it."""
    x, y = samples[:, 0].float(), samples[:, 0].float() ** 2 + samples[:, 1].float()
    both = torch.stack((x, torch.full_like(x, 0.3), y), 1).unsqueeze(1).requires_grad_()
    matrix = hsic.normalized(hsic.biased_hsic(both, name))
    assert matrix[0, 0, 1] == matrix[0, 1, 2] == 0
    [gradient] = torch.autograd.grad(hsic.mean_over_pairs(matrix), both)
    alone = pair(x, y).requires_grad_()
    [expected] = torch.autograd.grad(hsic.mean_over_pairs(hsic.normalized(hsic.biased_hsic(alone, name))), alone)
    assert not gradient[:, :, 1].any()
    torch.testing.assert_close(3 * gradient[:, :, ::2], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["rbf", "linear"])
def test_normalised_is_one_for_itself_and_free_of_scale(samples: Tensor, name: hsic.Kernel) -> None:
    x, y = samples[:, 0], samples[:, 0] ** 2 + samples[:, 1]
    same = hsic.normalized(hsic.biased_hsic(pair(x, x), name))
    torch.testing.assert_close(same, torch.ones_like(same))
    plain = hsic.normalized(hsic.biased_hsic(pair(x, y), name))
    scaled = hsic.normalized(hsic.biased_hsic(pair(1e3 * x, 1e-3 * y), name))
    torch.testing.assert_close(plain, scaled, rtol=1e-8, atol=0)


def test_unbiased_is_near_zero_on_independent_data_and_has_both_signs() -> None:
    values = []
    for seed in range(40):
        z = torch.randn(128, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        values.append(float(hsic.normalized(hsic.unbiased_hsic(pair(z[:, 0], z[:, 1]), "rbf"))[0, 0, 1]))
    mean = sum(values) / len(values)
    spread = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    assert abs(mean) < 3 * spread / len(values) ** 0.5
    assert min(values) < 0 < max(values)


def test_rbf_sees_a_dependence_that_the_linear_kernel_cannot() -> None:
    x = torch.linspace(-1, 1, 201, dtype=torch.float64).unsqueeze(1)
    z = pair(x, x**2)
    assert hsic.normalized(hsic.biased_hsic(z, "linear"))[0, 0, 1] < 1e-14
    assert hsic.normalized(hsic.unbiased_hsic(z, "rbf"))[0, 0, 1] > 0.1


def test_mean_over_pairs_leaves_the_diagonal_out() -> None:
    matrix = torch.tensor([[[9.0, 1.0, 2.0], [1.0, 9.0, 3.0], [2.0, 3.0, 9.0]]])
    assert hsic.mean_over_pairs(matrix) == 2


def test_a_field_of_two_values_gives_finite_gradients() -> None:
    table = torch.randn(2, 2, 3, requires_grad=True)
    z = table[torch.arange(64) % 2].unsqueeze(1)
    torch.autograd.backward(hsic.mean_over_pairs(hsic.normalized(hsic.biased_hsic(z, "rbf"))))
    assert table.grad is not None and bool(torch.isfinite(table.grad).all())


@pytest.mark.parametrize("odd", [0, 1, 3, 30])
@pytest.mark.parametrize("std", [1e-4, 1e-1, 3.0])
def test_a_nearly_constant_field_gives_bounded_gradients(odd: int, std: float) -> None:
    """The instances that the median is taken of all have one value, a few later ones another: the bandwidth must not be rounding."""
    table = (std * torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(1))).requires_grad_()
    values = torch.zeros(256, dtype=torch.int64)
    values[100 : 100 + odd] = 1
    z = table[values].unsqueeze(1)
    hsic.mean_over_pairs(hsic.normalized(hsic.biased_hsic(z, "rbf"))).backward()  # type: ignore[no-untyped-call]
    assert table.grad is not None and float((table.grad * table.detach()).abs().max()) < 10


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_the_penalty_of_a_skewed_field_still_turns_the_basis(share: float) -> None:
    """Where one value has most instances the median of all distances is 0; the criterion must not see equal ids only."""
    draw = torch.Generator().manual_seed(2)
    rare = torch.randint(1, 30, (256,), generator=draw)
    values = torch.where(torch.rand(256, generator=draw) < share, 0, rare)
    x = torch.randn(30, 8, generator=draw)[values]
    skew = torch.zeros(8, 8, requires_grad=True)
    turned = x @ torch.linalg.matrix_exp(skew - skew.T)
    value = hsic.mean_over_pairs(hsic.normalized(hsic.biased_hsic(turned.view(256, 1, 2, 4), "rbf")))
    value.backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) < 0.999 and skew.grad is not None and float(skew.grad.norm()) > 1e-3


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_a_constant_row_is_exactly_zero_dependence(kernel: hsic.Kernel) -> None:
    z = torch.randn(1, 1, 2, 3).expand(300, -1, -1, -1)
    assert float(hsic.unbiased_hsic(z.double(), kernel).abs().max()) < 1e-9


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_of_one_instance_there_is_no_dependence_to_punish(kernel: hsic.Kernel) -> None:
    decoupler = Decoupler(6, 3, "orthogonal", 0.1, kernel, 256, 2, only_basis=False)
    for count in (1, 2):
        penalty = decoupler.penalty(torch.randn(count, 4, 6), decoupler().expand(4, -1, -1))
        assert penalty.isfinite() and bool(penalty > 0) == (count > 1)
