"""The fused inside of a RoBlock equals its formula, written out, in values and gradients, whatever the blocks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.nn import routing
from benchmark.nn.rebalance import RankOneRebalance, before
from benchmark.nn.routing import route

BATCH, ROWS, SETS, COMPONENTS, WIDTH = 23, 3, 2, 4, 8


def written_out(x: Tensor, turn: Tensor, weight: Tensor | None, static: Tensor | None, maps: Tensor) -> Tensor:
    """One sample, row, set and component at a time."""
    size = WIDTH // COMPONENTS
    out = []
    for b in range(BATCH):
        for m in range(SETS):
            for n in range(ROWS):
                z = x[b, n] @ turn[n]
                scores = torch.zeros(SETS * COMPONENTS, dtype=x.dtype)
                scores = scores if weight is None else scores + x[b, n] @ weight[n]
                scores = scores if static is None else scores + static[n]
                gates = torch.softmax(scores.view(SETS, COMPONENTS)[m], 0)
                parts = [gates[k] * z[k * size : (k + 1) * size] @ maps[m, k * size : (k + 1) * size] for k in range(COMPONENTS)]
                out.append(torch.stack(parts).sum(0))
    return torch.stack(out).view(BATCH, SETS, ROWS, -1)


@pytest.mark.parametrize("block", [1, SETS * WIDTH * 5, 1 << 20])
@pytest.mark.parametrize("has", [("weight", "static"), ("weight",), ("static",)])
def test_route_equals_the_formula(monkeypatch: pytest.MonkeyPatch, block: int, has: tuple[str, ...]) -> None:
    monkeypatch.setattr(routing, "BLOCK", block)
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()

    inputs = {
        "x": drawn(BATCH, ROWS, WIDTH),
        "turn": drawn(ROWS, WIDTH, WIDTH),
        "weight": drawn(ROWS, WIDTH, SETS * COMPONENTS) if "weight" in has else None,
        "static": drawn(ROWS, SETS * COMPONENTS) if "static" in has else None,
        "maps": drawn(SETS, WIDTH, WIDTH // SETS),
    }
    given = [tensor for tensor in inputs.values() if tensor is not None]
    expected = written_out(**inputs)  # type: ignore[arg-type]
    joint = torch.cat([tensor for name, tensor in inputs.items() if name in ("turn", "weight") and tensor is not None], 2)
    assert inputs["x"] is not None and inputs["maps"] is not None
    found = route(inputs["x"], joint, inputs["static"], inputs["maps"], COMPONENTS)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    direction = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    for a, b in zip(torch.autograd.grad(found, given, direction), torch.autograd.grad(expected, given, direction), strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("strength", [0.0, 0.7])
def test_rebalancing_goes_into_the_matrix_after_it(strength: float) -> None:
    torch.manual_seed(0)
    module = RankOneRebalance(ROWS, WIDTH, strength, "adaptive", "running", 2).double()
    x, matrix = torch.randn(BATCH, ROWS, WIDTH, dtype=torch.float64), torch.randn(ROWS, WIDTH, 5, dtype=torch.float64)
    module.train()
    module(x)
    module.eval()
    folded = torch.einsum("bnd,ndc->bnc", x, before(matrix, module.leading(x)))
    torch.testing.assert_close(folded, torch.einsum("bnd,ndc->bnc", module(x), matrix), atol=1e-12, rtol=1e-12)
