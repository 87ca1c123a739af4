"""NFwFM: field-weighted products of all pairs of fields, summed to one row, then an MLP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Incompatible, Layout, setting, tuned
from benchmark.nn.dropout import Dropout
from benchmark.nn.linear import SetMLP, Tower
from benchmark.nn.rows import mix_rows


@dataclass(frozen=True, kw_only=True)
class NFwFM(Backbone):
    """The multi-embedding paper uses it with base dimension 50: the MLP sees nothing but one row of d."""

    summary = "field-weighted products of all pairs of fields, summed to one row, then an MLP; one layer"
    source = "Pan et al., WWW 2018, pooled as in He and Chua, SIGIR 2017; form and sizes of Guo et al., ICML 2024"
    hidden_widths = ("hidden",)

    depth: int = setting(1, at_least=1, at_most=MOST_DEPTH, help="interaction layers L")
    hidden: tuple[int, ...] = setting((400, 400), at_least=1, help="units of the MLP's layers")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1)
    batch_norm: bool = setting(True)

    def reads_embedding(self, index: int) -> bool:
        return True

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        if self.depth > 1:
            raise Incompatible(f"nfwfm: depth = {self.depth}, but it has one interaction layer: its result is one row, without pairs")
        if layout.fields < 2:
            raise Incompatible("nfwfm: one field has no pairs to weight")
        return ((layout.fields, layout.dimension), (1, layout.dimension))

    def layer(self, index: int, layout: Layout) -> nn.Module:
        return WeightedPairs(layout.sets, layout.fields)

    def readout(self, layout: Layout) -> nn.Module:
        first = SetMLP(layout.sets, layout.dimension, self.hidden[:1], self.dropout, self.batch_norm)
        norm = nn.BatchNorm1d(layout.sets * layout.dimension) if self.batch_norm else nn.Identity()
        return PooledReadout(norm, self.dropout, first)

    def head(self, layout: Layout) -> nn.Module:
        width = self.hidden[0] if self.hidden else layout.dimension
        return Tower(width, self.hidden[1:], self.dropout, self.batch_norm)


class WeightedPairs(nn.Module):
    """Σ_{i<j} r_ij (v_i ⊙ v_j): FwFM's weighted pairs (Pan et al., WWW 2018) under NFM's bi-interaction pooling (He and Chua).

    r starts as N(0, 1), as in the multi-embedding paper's code. That code sums over all ordered pairs and the squares v_i ⊙ v_i too.
    """

    pair_index: Tensor

    def __init__(self, sets: int, fields: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(sets, fields * (fields - 1) // 2))
        self.register_buffer("pair_index", torch.triu_indices(fields, fields, 1), persistent=False)
        self.fields = fields

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """(B, S, F, d) -> (B, S, 1, d)"""
        upper = self.weight.new_zeros(len(self.weight), self.fields, self.fields)
        upper[:, self.pair_index[0], self.pair_index[1]] = self.weight
        return (x * mix_rows(x0, upper)).sum(2, keepdim=True)  # Σ_j v_j ⊙ Σ_{i<j} r_ij v_i, with v_i of x0


class PooledReadout(nn.Module):
    """Batch normalisation and dropout of the pooled row, as in NFM (He and Chua, SIGIR 2017, §3.3), then the first MLP layer."""

    def __init__(self, norm: nn.Module, dropout: float, first: SetMLP) -> None:
        super().__init__()
        self.norm, self.dropout, self.first = norm, Dropout(dropout), first

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        pooled = states[-1].flatten(2)
        features: Tensor = self.first(self.dropout(self.norm(pooled.flatten(1))).view_as(pooled))
        return features
