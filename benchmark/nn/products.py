"""The product of every set with its own weights, and its two gradients: samples outermost, without a copy of its own."""

from __future__ import annotations

import torch
from torch import Tensor


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x[b,s] W[s] + c[s]: (B, S, inputs), (S, inputs, outputs), (S, 1, outputs) -> (B, S, outputs), contiguous; all of one type."""
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
    if x.shape[1] == 1:  # the batched product would copy a transposed bfloat16 operand first
        return torch.mm(x[:, 0].T, grad[:, 0]).unsqueeze(0)
    return torch.bmm(x.permute(1, 2, 0), grad.transpose(0, 1))
