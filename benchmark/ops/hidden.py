"""A hidden layer of an MLP: product, batch normalisation, ReLU and dropout, in training on a CPU with few passes over the activations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from benchmark.ops import dispatch
from benchmark.ops.dropout import dropout, mask
from benchmark.ops.linear import input_gradient, linear, product, weight_gradient

TYPES = (torch.float32, torch.bfloat16)


def hidden(x: Tensor, weight: Tensor, bias: Tensor, norm: nn.Module, rate: float, training: bool = True) -> Tensor:
    """dropout(relu(norm(x[b,s] W[s] + c[s]))): x (B, S, inputs), weight (S, inputs, H), bias (S, 1, H) -> (B, S, H), of x's type.

    norm: batch normalisation over S·H columns, which in training takes the batch into its running mean and variance; or the identity.
    """
    if training and isinstance(norm, nn.BatchNorm1d) and x.device.type == "cpu" and dispatch.enabled("hidden"):
        return fused(x, weight, bias, norm, rate)
    return plain(x, weight, bias, norm, rate, training)


def plain(x: Tensor, weight: Tensor, bias: Tensor, norm: nn.Module, rate: float, training: bool = True) -> Tensor:
    y = linear(x, weight, bias)
    return dropout(torch.relu(norm(y.flatten(1))), rate, training).view_as(y)


def fused(x: Tensor, weight: Tensor, bias: Tensor, norm: nn.BatchNorm1d, rate: float) -> Tensor:
    """For training. The statistics of the batch take the bias out again, so it is not added, and its gradient is the exact 0 (added and
    differentiated it is rounding noise around 0).
    """
    assert norm.momentum is not None and norm.running_mean is not None and norm.num_batches_tracked is not None
    state = (norm.running_mean, norm.running_var, norm.momentum, norm.eps)
    y: Tensor = _Hidden.apply(x, weight, bias, norm.weight, norm.bias, state, rate)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        norm.running_mean.add_(bias.flatten(), alpha=norm.momentum)
        norm.num_batches_tracked.add_(1)
    return y


class _Hidden(torch.autograd.Function):
    """The backward pass keeps the product and the result, and no mask: an entry is zero in the result if ReLU or dropout zeroed it, and
    through such an entry no gradient flows.
    """

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
        kept, scale = mask(flat, rate) if rate > 0 else (None, 1.0)
        mean, var, momentum, eps = state
        y, centre, inverse = torch.native_batch_norm(flat, scale * gain, scale * shift, mean, var, True, momentum, eps)
        y.clamp_min_(0)
        if kept is not None:
            y.mul_(kept)
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


def examples(dtype: torch.dtype, generator: torch.Generator) -> list[dict[str, Any]]:
    wide = torch.promote_types(dtype, torch.float32)  # of parameters, which stay float32 where training computes in bfloat16
    found = []
    for batch, sets, inputs, units, rate in ((31, 3, 5, 7, 0.25), (8, 1, 4, 6, 0.0)):
        norm = nn.BatchNorm1d(sets * units).to(wide)
        for parameter in norm.parameters():
            nn.init.normal_(parameter, generator=generator)
        found.append(
            {
                "x": torch.randn(batch, sets, inputs, generator=generator, dtype=wide).to(dtype),
                "weight": torch.randn(sets, inputs, units, generator=generator, dtype=wide),
                "bias": torch.randn(sets, 1, units, generator=generator, dtype=wide),
                "norm": norm,
                "rate": rate,
            }
        )
    return found
