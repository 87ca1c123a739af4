"""The product of every set with its own weights, and its gradients, against einsum."""

from __future__ import annotations

import pytest
import torch

from benchmark.nn.products import input_gradient, product, weight_gradient


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
