"""The fused hidden layer equals product, batch normalisation, ReLU and dropout of torch: values, gradients and running statistics."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.nn.linear import SetMLP
from benchmark.ops.dispatch import switched_off

BATCH, SETS, INPUTS, HIDDEN = 31, 3, 5, (7, 4)


def trained(off: tuple[str, ...], rate: float, dtype: torch.dtype) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    torch.manual_seed(3)
    mlp = SetMLP(SETS, INPUTS, HIDDEN, rate, batch_norm=True).to(dtype)
    with torch.no_grad():
        for norm in mlp.norms:
            norm.weight.copy_(torch.randn_like(norm.weight))  # type: ignore[operator, arg-type]
            norm.bias.copy_(torch.randn_like(norm.bias))  # type: ignore[operator, arg-type]
    x = torch.randn(BATCH, SETS, INPUTS, dtype=dtype, requires_grad=True)
    torch.manual_seed(4)  # the masks
    with switched_off(off):
        y = mlp(x)
    (y * torch.linspace(-1, 1, y.numel(), dtype=dtype).view_as(y)).sum().backward()
    assert x.grad is not None
    found = {name: p.grad for name, p in mlp.named_parameters() if p.grad is not None} | dict(mlp.named_buffers())
    return y.detach(), found, x.grad


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_values_gradients_and_statistics(rate: float) -> None:
    y, found, d_x = trained((), rate, torch.float64)
    y0, plain, d_x0 = trained(("hidden",), rate, torch.float64)
    torch.testing.assert_close(y, y0, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(d_x, d_x0, atol=1e-10, rtol=1e-10)
    assert rate == 0 or 0.2 < float((y == 0).double().mean()) < 1
    biases = {name for name in plain if "linears" in name and name.endswith("bias")}
    assert len(biases) == len(HIDDEN) and not any(found[name].any() for name in biases), "exactly 0, where the plain path has noise"
    assert found.keys() == plain.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, plain[name], atol=1e-10, rtol=1e-10, msg=name)


def test_evaluation_after_training_is_the_same() -> None:
    """Above all the bias, which training leaves out of the product, is in the running mean."""
    scores = []
    for off in ((), ("hidden",)):
        torch.manual_seed(3)
        mlp = SetMLP(SETS, INPUTS, HIDDEN, 0.0, batch_norm=True).double()
        with switched_off(off):
            for _ in range(3):
                mlp(torch.randn(BATCH, SETS, INPUTS, dtype=torch.float64))
            scores.append(mlp.eval()(torch.ones(2, SETS, INPUTS, dtype=torch.float64)))
    torch.testing.assert_close(*scores, atol=1e-10, rtol=1e-10)


def test_bfloat16_is_near_float32_and_keeps_parameters_in_float32() -> None:
    torch.manual_seed(3)
    mlp = SetMLP(SETS, INPUTS, HIDDEN, 0.0, batch_norm=True)
    x = torch.randn(BATCH, SETS, INPUTS)
    grads = []
    for kind in (torch.float32, torch.bfloat16):
        mlp.zero_grad()
        y = mlp(x.to(kind))
        assert y.dtype == kind
        (y.float() ** 2).sum().backward()
        grads.append([p.grad for p in mlp.parameters() if p.grad is not None])
    for one, other in zip(*grads, strict=True):
        assert other.dtype == torch.float32
        assert float((one - other).norm()) <= 0.05 * float(one.norm())
