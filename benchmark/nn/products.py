"""Products of every set with its own weights, samples outermost, without copies; and bfloat16 where a CPU has no units for it."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x[b,s] W[s] + c[s]: (B, S, inputs), (S, inputs, outputs), (S, 1, outputs) -> (B, S, outputs), contiguous; all of one type."""
    if _in_float32(x):
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
    if _in_float32(x):
        return weight_gradient(x.float(), grad.float()).to(x.dtype)
    if x.shape[1] == 1:  # the batched product would copy a transposed bfloat16 operand first
        return torch.mm(x[:, 0].T, grad[:, 0]).unsqueeze(0)
    return torch.bmm(x.permute(1, 2, 0), grad.transpose(0, 1))


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """``torch.bmm`` with its gradients, in autocast's type where it is on: (S, n, k), (S, k, m) -> (S, n, m)"""
    device = a.device.type
    if torch.is_autocast_enabled(device):
        a, b = a.to(torch.get_autocast_dtype(device)), b.to(torch.get_autocast_dtype(device))
    if not _in_float32(a):
        return torch.bmm(a, b)
    result: Tensor = _Bmm.apply(a, b)  # type: ignore[no-untyped-call]
    return result


def plain_bmm(a: Tensor, b: Tensor) -> Tensor:
    """``torch.bmm`` of two tensors of one type, whatever autocast says; without gradients."""
    if _in_float32(a):
        return plain_bmm(a.float(), b.float()).to(a.dtype)
    return torch.bmm(a, b, out=a.new_empty(len(a), a.shape[1], b.shape[2]))  # autocast leaves products into a given place alone


class _Bmm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return plain_bmm(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return plain_bmm(grad, b.mT), plain_bmm(a.mT, grad)


def _in_float32(x: Tensor) -> bool:
    """Whether to multiply float32 copies and round the sums: what units for bfloat16 do, but 20 times as fast as torch without them.

    Products of two bfloat16 numbers are exact in float32, and both add them up in float32: they differ in the order of the sums alone.
    """
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and not bfloat16_units()


@cache
def bfloat16_units() -> bool:
    """Whether torch multiplies bfloat16 fast on this CPU. An AVX2 processor has no instructions for it, and torch then adds one by one."""
    return torch.backends.cpu.get_cpu_capability() != "AVX2"
