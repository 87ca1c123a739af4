"""A hidden layer of an MLP in training on a CPU: product, batch normalisation, ReLU and dropout with few passes over the activations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from benchmark.nn.dropout import kept
from benchmark.nn.products import input_gradient, product, weight_gradient


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
        raw = product(x, weight)
        flat = raw.flatten(1)
        mask, scale = kept(flat, rate) if rate > 0 else (None, 1.0)
        mean, var, momentum, eps = state
        y, centre, inverse = torch.native_batch_norm(flat, scale * gain, scale * shift, mean, var, True, momentum, eps)
        y.clamp_min_(0)
        if mask is not None:
            y.mul_(mask)
        ctx.save_for_backward(x, weight, gain, raw, centre, inverse, y)
        ctx.bias, ctx.scale, ctx.eps = bias.shape, scale, eps
        return y.view_as(raw)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, gain, raw, centre, inverse, y = ctx.saved_tensors
        passed = torch.ops.aten.threshold_backward(grad.flatten(1), y, 0)
        d, d_gain, d_shift = torch.ops.aten.native_batch_norm_backward(
            passed, raw.flatten(1), ctx.scale * gain, None, None, centre, inverse, True, ctx.eps, [True, True, True]
        )
        d = d.view_as(raw)
        d_x = input_gradient(d, weight) if ctx.needs_input_grad[0] else None
        d_weight = weight_gradient(x, d).to(gain.dtype)
        return d_x, d_weight, gain.new_zeros(ctx.bias), ctx.scale * d_gain, ctx.scale * d_shift, None, None
