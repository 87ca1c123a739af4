"""A hidden layer of an MLP in training on a CPU: product, batch normalisation, ReLU and dropout with few passes over the activations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from benchmark.nn.dropout import kept


def hidden(x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm1d, rate: float) -> Tensor:
    """dropout(relu(norm(x[b,s] W[s] + c[s]))): x (B, S, inputs), weight (S, inputs, H), bias (S, 1, H) -> (B, S, H), of x's type.

    For training: ``norm``, over S·H columns, takes the batch into its running mean and variance. The statistics of the batch take the
    bias out again, so it is not added, and its gradient is the exact 0 (added and differentiated it is rounding noise around 0).
    """
    assert norm.momentum is not None and norm.running_mean is not None and norm.num_batches_tracked is not None
    state = (norm.running_mean, norm.running_var, norm.momentum, norm.eps)
    y: Tensor = _Hidden.apply(x, weight, bias, norm.weight, norm.bias, state, rate)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        norm.running_mean.add_(bias.flatten(), alpha=norm.momentum)
        norm.num_batches_tracked.add_(1)
    return y


class _Hidden(torch.autograd.Function):
    """What is zero in the result was dropped or negative: with the product before it, it is all that the gradient needs."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        gain: Tensor,
        shift: Tensor,
        state: tuple[Tensor, Tensor, float, float],
        rate: float,
    ) -> Tensor:
        weight = weight.to(x.dtype)
        product = x.new_empty(*x.shape[:2], weight.shape[2])
        torch.bmm(x.transpose(0, 1), weight, out=product.transpose(0, 1))
        mask, scale = kept(product.flatten(1), rate) if rate > 0 else (None, 1.0)
        mean, var, momentum, eps = state
        y, centre, inverse = torch.native_batch_norm(product.flatten(1), scale * gain, scale * shift, mean, var, True, momentum, eps)
        y.clamp_min_(0)
        if mask is not None:
            y.mul_(mask)
        ctx.save_for_backward(x, weight, gain, product, centre, inverse, y)
        ctx.bias, ctx.scale, ctx.eps = bias.shape, scale, eps
        return y.view_as(product)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, gain, product, centre, inverse, y = ctx.saved_tensors
        passed = torch.ops.aten.threshold_backward(grad.flatten(1), y, 0)
        d, d_gain, d_shift = _norm_backward(passed, product.flatten(1), ctx.scale * gain, centre, inverse, ctx.eps)
        by_set = d.view_as(product).transpose(0, 1)
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = torch.empty_like(x)
            torch.bmm(by_set, weight.mT, out=d_x.transpose(0, 1))
        d_weight = weight_gradient(x, d.view_as(product)).to(gain.dtype)
        return d_x, d_weight, gain.new_zeros(ctx.bias), ctx.scale * d_gain, ctx.scale * d_shift, None, None


def weight_gradient(x: Tensor, grad: Tensor) -> Tensor:
    """Σ_b x[b,s]ᵀ grad[b,s]: (B, S, inputs), (B, S, outputs) -> (S, inputs, outputs)"""
    if x.shape[1] == 1:  # the batched product would copy a transposed bfloat16 operand first
        return torch.mm(x[:, 0].T, grad[:, 0]).unsqueeze(0)
    return torch.bmm(x.permute(1, 2, 0), grad.transpose(0, 1))


def _norm_backward(d: Tensor, x: Tensor, gain: Tensor, mean: Tensor, inverse: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of batch normalisation: of x (B, C), of the gain and of the shift. Overwrites d."""
    if d.dtype == torch.bfloat16:  # torch's own computes in float32 and is fast; for float32 it takes three times what follows
        backward = torch.ops.aten.native_batch_norm_backward
        found: tuple[Tensor, Tensor, Tensor] = backward(d, x, gain, None, None, mean, inverse, True, eps, [True, True, True])
        return found
    normal = torch.addcmul(-mean * inverse, x, inverse)
    d_shift = d.sum(0)
    d_gain = (d * normal).sum(0)
    return d.addcmul_(normal, d_gain, value=-1 / len(d)).sub_(d_shift / len(d)).mul_(gain * inverse), d_gain, d_shift
