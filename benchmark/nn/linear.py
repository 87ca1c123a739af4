"""Linear layer and multi-layer perceptron with one set of weights per embedding set."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from benchmark.nn.dropout import Dropout
from benchmark.nn.hidden import hidden
from benchmark.nn.products import input_gradient, product, weight_gradient
from benchmark.nn.switches import on


class SetLinear(nn.Module):
    """y[b,s] = x[b,s] W[s] + c[s] for all sets in one batched product. Starts like ``nn.Linear``: uniform within ±1/√inputs."""

    def __init__(self, sets: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(sets, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(sets, 1, outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, inputs) -> (B, S, outputs), contiguous and of x's type"""
        result: Tensor = _BySet.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return result


class _BySet(torch.autograd.Function):
    """``product`` with its gradients; of x's type, whatever the weights' is."""

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


class SetMLP(nn.Module):
    """Linear, batch normalisation, ReLU and dropout for each entry of ``hidden``; sets do not meet.

    Batch normalisation stands before the activation, as in the BARS configurations.
    """

    def __init__(self, sets: int, inputs: int, hidden: Sequence[int], dropout: float, batch_norm: bool) -> None:
        super().__init__()
        widths = (inputs, *hidden)
        self.linears = nn.ModuleList(SetLinear(sets, a, b) for a, b in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(sets * width) if batch_norm else nn.Identity() for width in hidden)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, inputs) -> (B, S, hidden[-1]); the input itself where ``hidden`` is empty"""
        fused = self.training and x.device.type == "cpu" and on("hidden")
        for linear, norm in zip(self.linears, self.norms, strict=True):
            if fused and isinstance(norm, nn.BatchNorm1d):
                assert isinstance(linear, SetLinear) and linear.bias is not None
                x = hidden(x, linear.weight, linear.bias, norm, self.dropout.rate)
            else:
                y = linear(x)
                x = self.dropout(torch.relu(norm(y.flatten(1)))).view_as(y)
        return x


class Tower(nn.Module):
    """MLP of one set with a final linear unit: the head's hidden layers and the logit."""

    def __init__(self, inputs: int, hidden: Sequence[int], dropout: float, batch_norm: bool) -> None:
        super().__init__()
        self.mlp = SetMLP(1, inputs, hidden, dropout, batch_norm)
        self.logit = nn.Linear(hidden[-1] if hidden else inputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B,)"""
        logits: Tensor = self.logit(self.mlp(x.unsqueeze(1)).squeeze(1))
        return logits.squeeze(1)
