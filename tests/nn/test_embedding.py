"""One gather for all fields, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.nn.embedding import EmbeddingTable, join, mean_of_sets, split
from benchmark.ops.dispatch import switched_off
from benchmark.schema import Field, Schema


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_values_and_gradient_are_those_of_torch(kind: torch.dtype) -> None:
    table = EmbeddingTable(Schema((Field("a", 9),), 0.5), 3).double()
    torch.nn.init.normal_(table.weight)
    ids = torch.randint(0, 8, (50, 4), dtype=kind)  # every value many times, one never
    grads = []
    for off in ((), ("embedding",)):
        table.zero_grad()
        with switched_off(off):
            rows = table(ids)
        assert torch.equal(rows, table.weight[ids.long()])
        (rows * torch.linspace(0, 1, rows.numel(), dtype=torch.float64).view_as(rows)).sum().backward()
        grads.append(table.weight.grad)
    assert grads[0] is not None and not grads[0][8].any()
    torch.testing.assert_close(*grads, atol=1e-12, rtol=1e-12)


def test_autocast_makes_all_that_follows_bfloat16() -> None:
    table = EmbeddingTable(Schema((Field("a", 4),), 0.5), 2)
    with torch.autocast("cpu", torch.bfloat16):
        rows = table(torch.zeros(3, 1, dtype=torch.int32))
    rows.float().sum().backward()
    assert rows.dtype == torch.bfloat16 and table.weight.grad is not None and table.weight.grad.dtype == torch.float32


def test_sets_apart_together_and_averaged() -> None:
    x = torch.randn(5, 3, 8)
    assert torch.equal(join(split(x, 4)), x) and split(x, 4).shape == (5, 4, 3, 2)
    assert torch.equal(mean_of_sets(x), x.mean(1)) and torch.equal(mean_of_sets(x[:, :1]), x[:, 0])


def test_a_scaled_field_is_its_row_times_the_number() -> None:
    """As ``nn.Linear(1, width, bias=False)`` on the number, which is FuxiCTR's embedding of a numeric feature; its gradient too."""
    schema = Schema((Field("a", 3), Field("x", 1, factors=4), Field("b", 2)), 0.5, np.array([0, -2.5, 0.25, 7], np.float32))
    assert (schema.values, schema.ids) == (6, 9)
    table = EmbeddingTable(schema, 5)
    torch.nn.init.normal_(table.weight)
    linear = torch.nn.Linear(1, 5, bias=False)
    linear.weight.data = table.weight.data[3:4].T.clone()
    ids = torch.tensor([[2, 3 + 0, 7], [0, 3 + 1, 8], [1, 3 + 3, 7], [1, 3 + 2, 7]])
    numbers = torch.tensor([[0.0], [-2.5], [7.0], [0.25]])
    rows = table(ids)
    torch.testing.assert_close(rows[:, 0], table.weight[[2, 0, 1, 1]])
    torch.testing.assert_close(rows[:, 1], linear(numbers))
    torch.testing.assert_close(rows[:, 2], table.weight[[4, 5, 4, 4]])
    weights = torch.randn(4, 5)
    (rows[:, 1] * weights).sum().backward()
    (linear(numbers) * weights).sum().backward()
    assert table.weight.grad is not None and linear.weight.grad is not None
    torch.testing.assert_close(table.weight.grad[3], linear.weight.grad[:, 0])
    assert not table.weight.grad[[0, 1, 2, 4, 5]].any()
