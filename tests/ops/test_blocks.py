"""Blocks on threads: the order of results, no gradients, an action in one thread, and the same numbers for any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from benchmark.nn.cin import CINLayer
from benchmark.ops import cin, routing
from benchmark.ops._blocks import map_blocks
from benchmark.ops.dispatch import switched_off


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_order_and_the_number_of_threads_stays(threads: int) -> None:
    torch.set_num_threads(threads)
    seen: list[int] = []

    def action(block: int) -> Tensor:
        seen.append(torch.get_num_threads())
        return torch.tensor(block)

    with torch.no_grad():
        assert [int(t) for t in map_blocks(action, 20)] == list(range(20))
    assert set(seen) == {1} and torch.get_num_threads() == threads


def test_an_error_in_a_block_is_raised_here() -> None:
    torch.set_num_threads(2)

    def action(block: int) -> Tensor:
        raise ZeroDivisionError(block)

    with pytest.raises(ZeroDivisionError):
        list(map_blocks(action, 3))


@pytest.mark.parametrize("block", [1, 3 * 2 * 4 * 5, 1 << 19])
def test_cin_in_blocks_is_cin(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Values and gradients, against the plain path in float64, with one thread and with two."""
    monkeypatch.setattr(cin, "BLOCK", block)
    torch.manual_seed(0)
    layer = CINLayer(3, 4, 2, 5).double()
    x, x0 = (torch.randn(6, 3, n, 5, dtype=torch.float64, requires_grad=True) for n in (2, 4))
    found = []
    for off, threads in ((("cin",), 1), ((), 1), ((), 2)):
        torch.set_num_threads(threads)
        with switched_off(off):
            y = layer(x, x0)
        found.append([y, *torch.autograd.grad((y**2).sum(), [x, x0, layer.weight])])
    for plain, *others in zip(*found, strict=True):
        for other in others:
            torch.testing.assert_close(other, plain, atol=1e-10, rtol=1e-10)
    assert all(torch.equal(one, two) for one, two in zip(found[1], found[2], strict=True)), "sums in the same order"


@pytest.mark.parametrize("block", [1, 3 * 8 * 4, 1 << 18])
def test_routing_sums_in_the_same_order_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(routing, "BLOCK", block)
    for inputs in routing.examples(torch.float32, torch.Generator().manual_seed(0)):
        leaves = [value.requires_grad_() for value in inputs.values() if isinstance(value, Tensor)]
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            y = routing.fused(**inputs)
            found.append([y, *torch.autograd.grad((y**2).sum(), leaves)])
        assert all(torch.equal(one, other) for others in found[1:] for one, other in zip(found[0], others, strict=True))
