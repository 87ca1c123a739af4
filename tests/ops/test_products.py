"""What fused forms multiply with: every set with its own weights, and the gradients, against einsum."""

from __future__ import annotations

import pytest
import torch

from benchmark.ops import dispatch
from benchmark.ops.bmm import bmm
from benchmark.ops.linear import input_gradient, product, weight_gradient


@pytest.mark.parametrize("sets", [1, 3])
def test_products_are_those_of_the_formula(sets: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, grad = (
        torch.randn(*shape, dtype=torch.float64, generator=generator) for shape in ((5, sets, 4), (sets, 4, 6), (sets, 1, 6), (5, sets, 6))
    )
    plain = torch.einsum("bsi,sio->bso", x, weight)
    for found, expected in (
        (product(x, weight), plain),
        (product(x, weight, bias), plain + bias.transpose(0, 1)),
        (input_gradient(grad, weight), torch.einsum("bso,sio->bsi", grad, weight)),
        (weight_gradient(x, grad), torch.einsum("bsi,bso->sio", x, grad)),
    ):
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
        assert found.is_contiguous()


@pytest.mark.parametrize("units", [True, False])
def test_bfloat16_products_are_the_exact_ones_rounded_once(units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the processor's units and without: float32 sums of exact products, so within one rounding of float64's."""
    monkeypatch.setattr(dispatch, "bfloat16_units", lambda: units)
    generator = torch.Generator().manual_seed(0)
    x, weight, grad = (torch.randn(*shape, generator=generator).bfloat16() for shape in ((50, 2, 40), (2, 40, 6), (50, 2, 6)))
    a, b = (torch.randn(*shape, generator=generator).requires_grad_() for shape in ((2, 6, 40), (2, 40, 50)))
    with torch.autocast("cpu", torch.bfloat16):
        batched = bmm(a, b)
        found = [product(x, weight), input_gradient(grad, weight), weight_gradient(x, grad), batched]
    torch.autograd.backward(batched, torch.ones_like(batched))
    assert a.grad is not None and b.grad is not None and a.grad.dtype == torch.float32
    wide_a, wide_b = a.detach().bfloat16().double(), b.detach().bfloat16().double()
    expected = [
        torch.einsum("bsi,sio->bso", x.double(), weight.double()),
        torch.einsum("bso,sio->bsi", grad.double(), weight.double()),
        torch.einsum("bsi,bso->sio", x.double(), grad.double()),
        wide_a @ wide_b,
        wide_b.sum(2, keepdim=True).mT.expand_as(wide_a),
        wide_a.sum(1, keepdim=True).mT.expand_as(wide_b),
    ]
    for one, exact in zip([*found, a.grad, b.grad], expected, strict=True):
        torch.testing.assert_close(one.double(), exact, rtol=2**-8, atol=1e-4)
    assert all(one.dtype == torch.bfloat16 for one in found)
