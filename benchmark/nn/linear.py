"""Linear layer and multi-layer perceptron with one set of weights per embedding set."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmark.nn.dropout import Dropout
from benchmark.ops.hidden import hidden
from benchmark.ops.linear import linear


class SetLinear(nn.Module):
    """y[b,s] = x[b,s] W[s] + c[s] for all sets in one batched product. Starts like ``nn.Linear``: uniform within ±1/√inputs."""

    def __init__(self, sets: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(sets, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(sets, 1, outputs).uniform_(-bound, bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, inputs) -> (B, S, outputs), of x's type"""
        return linear(x, self.weight, self.bias)


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
        for layer, norm in zip(self.linears, self.norms, strict=True):
            assert isinstance(layer, SetLinear) and layer.bias is not None
            x = hidden(x, layer.weight, layer.bias, norm, self.dropout.rate, self.training)
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
