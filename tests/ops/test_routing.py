"""Both forms of a RoBlock's inside equal its formula, written out, in values and gradients, whatever the blocks and threads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.ops import routing

BATCH, ROWS, SETS, COMPONENTS, WIDTH = 23, 3, 2, 4, 8


def written_out(x: Tensor, basis: Tensor, by_input: Tensor | None, static: Tensor | None, maps: Tensor) -> Tensor:
    """One sample, row, set and component at a time."""
    size = WIDTH // COMPONENTS
    out = []
    for b in range(BATCH):
        for m in range(SETS):
            for n in range(ROWS):
                z = x[b, n] @ basis[n]
                scores = torch.zeros(SETS, COMPONENTS, dtype=x.dtype)
                scores = scores if by_input is None else scores + (x[b, n] @ by_input[n]).view(SETS, COMPONENTS)
                scores = scores if static is None else scores + static[n]
                gates = torch.softmax(scores[m], 0)
                parts = [gates[k] * z[k * size : (k + 1) * size] @ maps[m, k * size : (k + 1) * size] for k in range(COMPONENTS)]
                out.append(torch.stack(parts).sum(0))
    return torch.stack(out).view(BATCH, SETS, ROWS, -1)


@pytest.mark.parametrize("block", [1, SETS * WIDTH * 5, 1 << 20])
@pytest.mark.parametrize("has", [("by_input", "static"), ("by_input",), ("static",)])
def test_both_forms_equal_the_formula(monkeypatch: pytest.MonkeyPatch, block: int, has: tuple[str, ...]) -> None:
    monkeypatch.setattr(routing, "BLOCK", block)
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()

    inputs = {
        "x": drawn(BATCH, ROWS, WIDTH),
        "basis": drawn(ROWS, WIDTH, WIDTH),
        "by_input": drawn(ROWS, WIDTH, SETS * COMPONENTS) if "by_input" in has else None,
        "static": drawn(ROWS, SETS, COMPONENTS) if "static" in has else None,
        "maps": drawn(SETS, WIDTH, WIDTH // SETS),
    }
    given = [tensor for tensor in inputs.values() if tensor is not None]
    expected = written_out(**inputs)  # type: ignore[arg-type]
    direction = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    gradients = torch.autograd.grad(expected, given, direction)
    for form in (routing.plain, routing.fused):
        found = form(**inputs, components=COMPONENTS)  # type: ignore[arg-type]
        torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
        for a, b in zip(torch.autograd.grad(found, given, direction), gradients, strict=True):
            torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)
