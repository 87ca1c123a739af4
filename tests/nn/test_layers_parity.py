"""Each published layer against a plain-loop reference, worked out from the paper's formula, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.errors import UserError
from benchmark.nn.bilinear import BilinearFusion
from benchmark.nn.cin import CINLayer
from benchmark.nn.cross import CrossTerm
from benchmark.nn.linear import SetLinear, SetMLP

B, S, F, D = 3, 2, 4, 5


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(1)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_cross_term_is_dcnv2_equation_1() -> None:
    layer = CrossTerm(S, F, D).double()
    x, x0 = torch.randn(2, B, S, F, D, dtype=torch.float64)
    expected = torch.zeros_like(x)
    for b in range(B):
        for s in range(S):
            for i in range(F * D):
                total = layer.linear.bias[s, 0, i]  # type: ignore[index]
                for j in range(F * D):
                    total = total + layer.linear.weight[s, j, i] * x[b, s, j // D, j % D]
                expected[b, s, i // D, i % D] = x0[b, s, i // D, i % D] * total
    close(layer(x, x0), expected)


def test_cin_is_xdeepfm_equation_6() -> None:
    maps_in, maps_out = 3, 2
    layer = CINLayer(S, F, maps_in, maps_out).double()
    x, x0 = torch.randn(B, S, maps_in, D, dtype=torch.float64), torch.randn(B, S, F, D, dtype=torch.float64)
    expected = torch.zeros(B, S, maps_out, D, dtype=torch.float64)
    for b in range(B):
        for s in range(S):
            for h in range(maps_out):
                for i in range(maps_in):
                    for j in range(F):
                        for k in range(D):
                            expected[b, s, h, k] += layer.weight[s, h, i * F + j] * x[b, s, i, k] * x0[b, s, j, k]
    close(layer(x, x0), expected)


@pytest.mark.parametrize("heads", [1, 2])
def test_bilinear_fusion_is_finalmlp_equation_13(heads: int) -> None:
    fusion = BilinearFusion(4, 6, heads).double()
    torch.nn.init.normal_(fusion.weight)  # it starts at zero, which would hide the form
    o1, o2 = torch.randn(B, 4, dtype=torch.float64), torch.randn(B, 6, dtype=torch.float64)
    expected = torch.zeros(B, dtype=torch.float64)
    for b in range(B):
        total = fusion.linear1.bias[0].clone()
        for i in range(4):
            total += fusion.linear1.weight[0, i] * o1[b, i]
        for j in range(6):
            total += fusion.linear2.weight[0, j] * o2[b, j]
        for h in range(heads):
            for i in range(4 // heads):
                for j in range(6 // heads):
                    total += o1[b, h * (4 // heads) + i] * fusion.weight[h, i, j] * o2[b, h * (6 // heads) + j]
        expected[b] = total
    close(fusion(o1, o2), expected)


def test_bilinear_weight_starts_at_zero_and_heads_must_divide() -> None:
    assert not BilinearFusion(4, 6, 2).weight.any()
    with pytest.raises(UserError, match="3 fusion heads do not divide"):
        BilinearFusion(4, 6, 3)


@pytest.mark.parametrize("bias", [True, False])
def test_set_linear_is_one_linear_layer_per_set(bias: bool) -> None:
    layer = SetLinear(S, 3, 4, bias).double()
    x = torch.randn(B, S, 3, dtype=torch.float64)
    for s in range(S):
        expected = x[:, s] @ layer.weight[s] + (layer.bias[s] if layer.bias is not None else 0)
        close(layer(x)[:, s], expected)


def test_sets_of_an_mlp_do_not_meet() -> None:
    mlp = SetMLP(S, 3, (4, 2), dropout=0.0, batch_norm=True).double()
    x = torch.randn(B, S, 3, dtype=torch.float64)
    moved = x.clone()
    moved[:, 1] += 1 + torch.randn(B, 3, dtype=torch.float64)
    close(mlp(x)[:, 0], mlp(moved)[:, 0])
    assert not torch.allclose(mlp(x)[:, 1], mlp(moved)[:, 1])


def test_mlp_without_hidden_layers_is_the_identity() -> None:
    x = torch.randn(B, S, 3)
    assert SetMLP(S, 3, (), 0.5, True)(x) is x
