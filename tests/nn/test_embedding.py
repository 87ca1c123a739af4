"""One gather for all fields, and its gradient."""

from __future__ import annotations

import pytest
import torch

from benchmark.nn.embedding import EmbeddingTable, join, mean_of_sets, split


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_values_and_gradient_are_those_of_torch(monkeypatch: pytest.MonkeyPatch, kind: torch.dtype) -> None:
    table = EmbeddingTable(9, 3).double()
    torch.nn.init.normal_(table.weight)
    ids = torch.randint(0, 8, (50, 4), dtype=kind)  # every value many times, one never
    grads = []
    for off in ("", "embedding"):
        monkeypatch.setenv("BENCHMARK_WITHOUT", off)
        table.zero_grad()
        rows = table(ids)
        assert torch.equal(rows, table.weight[ids.long()])
        (rows * torch.linspace(0, 1, rows.numel(), dtype=torch.float64).view_as(rows)).sum().backward()
        grads.append(table.weight.grad)
    assert grads[0] is not None and not grads[0][8].any()
    torch.testing.assert_close(*grads, atol=1e-12, rtol=1e-12)


def test_autocast_makes_all_that_follows_bfloat16() -> None:
    table = EmbeddingTable(4, 2)
    with torch.autocast("cpu", torch.bfloat16):
        rows = table(torch.zeros(3, 1, dtype=torch.int32))
    rows.float().sum().backward()
    assert rows.dtype == torch.bfloat16 and table.weight.grad is not None and table.weight.grad.dtype == torch.float32


def test_sets_apart_together_and_averaged() -> None:
    x = torch.randn(5, 3, 8)
    assert torch.equal(join(split(x, 4)), x) and split(x, 4).shape == (5, 4, 3, 2)
    assert torch.equal(mean_of_sets(x), x.mean(1)) and torch.equal(mean_of_sets(x[:, :1]), x[:, 0])
