"""IPNN: the inner products of all pairs of fields beside the embedding, then an MLP."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Layout, setting, tuned
from benchmark.nn.linear import SetMLP, Tower
from benchmark.nn.rows import HiddenRows, InnerProducts, LastState, rows_of


@dataclass(frozen=True, kw_only=True)
class IPNN(Backbone):
    """The first layer of each set is product layer and first hidden layer in one. ``hidden`` comes after the mean over the sets.

    The code of the multi-embedding paper shows the MLP of several sets the products alone, that of one set the embedding too. Here
    both always see both, or multi-embedding with one set would not be single embedding.
    """

    summary = "inner products of all pairs of fields beside the embedding, then an MLP; H units are H/d rows of d"
    source = "Qu et al., ICDM 2016 and TOIS 2018; 400-400, first layer per set as in Guo et al., ICML 2024"
    hidden_widths = ("units", "hidden")

    depth: int = setting(1, at_least=1, at_most=MOST_DEPTH, help="hidden layers before the mean over the sets")
    units: int = setting(400, at_least=1, help="of each of them")
    hidden: tuple[int, ...] = setting((400,), at_least=1, help="units of the MLP's layers after the mean")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1)
    batch_norm: bool = setting(True)

    @property
    def has_dnn(self) -> bool:
        return True

    def width_step(self, name: str, layout: Layout) -> int:
        return layout.dimension if name == "units" else 1

    def reads_embedding(self, index: int) -> bool:
        return index == 0

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        rows = rows_of("ipnn: units", self.units, layout.dimension)
        return ((layout.fields, layout.dimension), *((rows, layout.dimension),) * self.depth)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        if index > 0:
            return HiddenRows(layout.sets, self.units, self.units, layout.dimension, self.dropout, self.batch_norm)
        inputs = layout.fields * layout.dimension + layout.fields * (layout.fields - 1) // 2
        return ProductLayer(SetMLP(layout.sets, inputs, (self.units,), self.dropout, self.batch_norm), *layout[1:])

    def readout(self, layout: Layout) -> nn.Module:
        return LastState()

    def head(self, layout: Layout) -> nn.Module:
        return Tower(self.units, self.hidden, self.dropout, self.batch_norm)


class ProductLayer(nn.Module):
    """relu(W_z z + W_p p + b) with the embedding z and the inner products p (Qu et al., ICDM 2016, without factorising W_p)."""

    def __init__(self, hidden: SetMLP, fields: int, dimension: int) -> None:
        super().__init__()
        self.products, self.hidden, self.dimension = InnerProducts(fields), hidden, dimension

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """(B, S, F, d) -> (B, S, units/d, d)"""
        units: Tensor = self.hidden(torch.cat((x.flatten(2), self.products(x0, x)), 2))
        return units.view(*units.shape[:2], -1, self.dimension)
