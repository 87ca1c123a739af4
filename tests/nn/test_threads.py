"""Blocks side by side: the order of results, no gradients, each thread by itself, and the same numbers for any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from benchmark.nn import cin
from benchmark.nn.cin import CINLayer
from benchmark.nn.threads import side_by_side


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_order_and_the_number_of_threads_stays(threads: int) -> None:
    torch.set_num_threads(threads)
    alone: list[int] = []

    def action(block: int) -> Tensor:
        alone.append(torch.get_num_threads())
        return torch.tensor(block)

    with torch.no_grad():
        assert [int(t) for t in side_by_side(action, 20)] == list(range(20))
    assert set(alone) == {1} and torch.get_num_threads() == threads


def test_an_error_in_a_block_is_raised_here() -> None:
    torch.set_num_threads(2)

    def action(block: int) -> Tensor:
        raise ZeroDivisionError(block)

    with pytest.raises(ZeroDivisionError):
        list(side_by_side(action, 3))


@pytest.mark.parametrize("block", [1, 3 * 2 * 4 * 5, 1 << 19])
def test_cin_in_blocks_is_cin(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Values and gradients, against the plain path in float64, with one thread and with two."""
    monkeypatch.setattr(cin, "BLOCK", block)
    torch.manual_seed(0)
    layer = CINLayer(3, 4, 2, 5).double()
    x, x0 = (torch.randn(6, 3, n, 5, dtype=torch.float64, requires_grad=True) for n in (2, 4))
    found = []
    for off, threads in (("cin", 1), ("", 1), ("", 2)):
        monkeypatch.setenv("BENCHMARK_WITHOUT", off)
        torch.set_num_threads(threads)
        y = layer(x, x0)
        found.append([y, *torch.autograd.grad((y**2).sum(), [x, x0, layer.weight])])
    for plain, *others in zip(*found, strict=True):
        for other in others:
            torch.testing.assert_close(other, plain, atol=1e-10, rtol=1e-10)
    assert all(torch.equal(one, two) for one, two in zip(found[1], found[2], strict=True)), "sums in the same order"
