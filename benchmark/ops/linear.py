"""The linear layer of every embedding set: samples stay outermost, without copies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from benchmark.ops import dispatch
from benchmark.ops.bmm import lacks_units

TYPES = (torch.float32, torch.bfloat16)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x[b,s] W[s] + c[s]: (B, S, inputs), (S, inputs, outputs), (S, 1, outputs) -> (B, S, outputs), of x's type whatever the weights' is"""
    return fused(x, weight, bias) if dispatch.enabled("linear") else plain(x, weight, bias)


def plain(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    by_set, weight = x.transpose(0, 1), weight.to(x.dtype)
    y = torch.bmm(by_set, weight) if bias is None else torch.baddbmm(bias.to(x.dtype), by_set, weight)
    return y.transpose(0, 1).to(x.dtype)


def fused(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Contiguous, as its gradients are: each product is written where its reader expects it."""
    result: Tensor = _Linear.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return result


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.type = weight.dtype
        weight = weight.to(x.dtype)
        ctx.save_for_backward(x, weight)
        return product(x, weight, None if bias is None else bias.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        d_x = input_gradient(grad, weight) if ctx.needs_input_grad[0] else None
        d_weight = weight_gradient(x, grad).to(ctx.type)
        d_bias = grad.sum(0, dtype=ctx.type).unsqueeze(1) if ctx.needs_input_grad[2] else None
        return d_x, d_weight, d_bias


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x[b,s] W[s] + c[s], contiguous; all of one type, and without gradients."""
    if lacks_units(x):
        return product(x.float(), weight.float(), None if bias is None else bias.float()).to(x.dtype)
    out = x.new_empty(*x.shape[:2], weight.shape[2])
    if bias is None:
        torch.bmm(x.transpose(0, 1), weight, out=out.transpose(0, 1))
    else:
        torch.baddbmm(bias, x.transpose(0, 1), weight, out=out.transpose(0, 1))
    return out


def input_gradient(grad: Tensor, weight: Tensor) -> Tensor:
    """grad[b,s] W[s]ᵀ: (B, S, outputs), (S, inputs, outputs) -> (B, S, inputs), contiguous"""
    return product(grad, weight.mT)


def weight_gradient(x: Tensor, grad: Tensor) -> Tensor:
    """Σ_b x[b,s]ᵀ grad[b,s]: (B, S, inputs), (B, S, outputs) -> (S, inputs, outputs)"""
    if lacks_units(x):
        return weight_gradient(x.float(), grad.float()).to(x.dtype)
    if x.shape[1] == 1:  # the batched product would copy a transposed bfloat16 operand first
        return torch.mm(x[:, 0].T, grad[:, 0]).unsqueeze(0)
    return torch.bmm(x.permute(1, 2, 0), grad.transpose(0, 1))


def examples(dtype: torch.dtype, generator: torch.Generator) -> list[dict[str, Any]]:
    wide = torch.promote_types(dtype, torch.float32)  # of parameters, which stay float32 where training computes in bfloat16
    return [
        {
            "x": torch.randn(batch, sets, inputs, generator=generator, dtype=wide).to(dtype),
            "weight": torch.randn(sets, inputs, outputs, generator=generator, dtype=wide),
            "bias": torch.randn(sets, 1, outputs, generator=generator, dtype=wide) if has_bias else None,
        }
        for batch, sets, inputs, outputs in ((9, 1, 4, 6), (31, 3, 17, 5))
        for has_bias in (True, False)
    ]
