"""Parts of layers and readouts that work on the rows of a state, with own weights for each set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.errors import Incompatible
from benchmark.nn.linear import SetLinear, SetMLP


def rows_of(setting: str, units: int, dimension: int) -> int:
    """The rows of ``dimension`` that a hidden layer of ``units`` is handed on as. Raises Incompatible, naming the ``setting``, where they
    do not divide."""
    if units % dimension:
        raise Incompatible(f"{setting} = {units} does not divide into rows of {dimension}")
    return units // dimension


class HiddenRows(nn.Module):
    """One hidden layer on the flattened rows; its units become rows of d."""

    def __init__(self, sets: int, inputs: int, units: int, dimension: int, dropout: float, batch_norm: bool) -> None:
        super().__init__()
        self.hidden = SetMLP(sets, inputs, (units,), dropout, batch_norm)
        self.dimension = dimension

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """(B, S, N, d) -> (B, S, units/d, d)"""
        units: Tensor = self.hidden(x.flatten(2))
        return units.view(*units.shape[:2], -1, self.dimension)


class LastState(nn.Module):
    """The readout of stacked forms: the first MLP layer on the last state's rows, side by side or (``pooled``) their mean.

    Without a layer it is the state itself: for states that come after a non-linearity already.
    """

    def __init__(self, first: SetMLP | None = None, pooled: bool = False) -> None:
        super().__init__()
        self.first, self.pooled = nn.Identity() if first is None else first, pooled

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        state = states[-1]
        features: Tensor = self.first(state.mean(2) if self.pooled else state.flatten(2))
        return features


class RowNorm(nn.Module):
    """Layer normalisation (Ba et al., 2016) of every row's d numbers; the rows of a set share gain and shift."""

    def __init__(self, sets: int, dimension: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(sets, 1, dimension))
        self.shift = nn.Parameter(torch.zeros(sets, 1, dimension))

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, N, d) -> the same, of x's type"""
        normal = functional.layer_norm(x, x.shape[3:])
        return (normal * self.gain + self.shift).to(x.dtype)


class RowMixing(nn.Module):
    """y_n = Σ_m W_mn x_m: new rows as weighted sums of the rows. Starts like ``nn.Linear``."""

    def __init__(self, sets: int, rows_in: int, rows_out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(rows_in)
        self.weight = nn.Parameter(torch.empty(sets, rows_in, rows_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, rows_in, d) -> (B, S, rows_out, d)"""
        return mix_rows(x, self.weight)


def mix_rows(x: Tensor, weight: Tensor) -> Tensor:
    """Σ_m x[b,s,m] weight[s,m,n], of x's type"""
    return torch.einsum("bsmd,smn->bsnd", x, weight.to(x.dtype))


class InnerProducts(nn.Module):
    """⟨x_i, y_j⟩ of all pairs of rows i < j."""

    pair_index: Tensor

    def __init__(self, rows: int) -> None:
        super().__init__()
        i, j = torch.triu_indices(rows, rows, 1)
        self.register_buffer("pair_index", i * rows + j, persistent=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, S, N, d) twice -> (B, S, N(N − 1)/2)"""
        return torch.matmul(x, y.mT).flatten(2).index_select(2, self.pair_index)


def each_row(linear: SetLinear, x: Tensor) -> Tensor:
    """The set's linear layer on every row by itself: (B, S, N, inputs) -> (B, S, N, outputs)"""
    count, _, rows, _ = x.shape
    y: Tensor = linear(x.transpose(1, 2).flatten(0, 1))
    return y.view(count, rows, *y.shape[1:]).transpose(1, 2)
