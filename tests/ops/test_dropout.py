"""Dropout: the share of zeros and the mean, of both generators, and the seed."""

from __future__ import annotations

import pytest
import torch

from benchmark.nn.dropout import Dropout
from benchmark.ops.dispatch import switched_off
from benchmark.ops.dropout import mask


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("plain", [False, True])
def test_the_rate_is_kept_and_the_mean_stays(rate: float, plain: bool) -> None:
    torch.manual_seed(0)
    x = torch.ones(400, 1001)
    with switched_off(["dropout"] if plain else []):
        y = Dropout(rate)(x)
    sd = (rate * (1 - rate) / x.numel()) ** 0.5
    assert abs(float((y == 0).float().mean()) - rate) < 5 * sd
    kept = y[y != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=2e-4, atol=0)
    columns = (y == 0).float().mean(0)
    assert float(columns.std()) < 1.2 * (rate * (1 - rate) / 400) ** 0.5, "entries are independent"


def test_masks_follow_the_seed_and_differ_between_steps() -> None:
    x = torch.ones(7, 9, dtype=torch.float64)
    torch.manual_seed(1)
    (one, scale), (two, _) = mask(x, 0.5), mask(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(mask(x, 0.5)[0], one) and not torch.equal(one, two) and one.dtype == x.dtype and scale == 2


def test_masks_by_torch_where_it_is_switched_off() -> None:
    """Also inside the fused hidden layer, which draws its masks from the same place."""
    x = torch.ones(7, 9)
    with switched_off(["dropout"]):
        torch.manual_seed(1)
        kept, scale = mask(x, 0.25)
        torch.manual_seed(1)
        alone = Dropout(0.25)(x)
    torch.manual_seed(1)
    expected = torch.nn.functional.dropout(x, 0.25)
    torch.testing.assert_close(kept * scale, expected)
    torch.testing.assert_close(alone, expected)


def test_the_gradient_goes_through_what_was_kept() -> None:
    x = torch.randn(50, 40, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.where(y != 0, y / x, 0.0).detach())


def test_evaluation_and_rate_zero_change_nothing() -> None:
    x = torch.randn(5, 4)
    assert Dropout(0.5).eval()(x) is x and Dropout(0.0)(x) is x
