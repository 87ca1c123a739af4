"""DHEN: layers that add up the results of unlike interaction modules, with a shortcut and layer normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Incompatible, Layout, UserError, setting, tuned
from benchmark.nn.cross import CrossTerm
from benchmark.nn.linear import SetLinear, SetMLP, Tower
from benchmark.nn.rows import InnerProducts, LastState, RowMixing, RowNorm, each_row


@dataclass(frozen=True, kw_only=True)
class DHEN(Backbone):
    """x_{l+1} = norm(Σ_i interaction_i(x_l) + x_l) (Zhang et al., 2022, eq. 1-2 with a sum as the ensemble).

    Modules: "dot" and "linear" are the pair of the paper's deep models, "attention" and "linear" the best of its table of pairs,
    "cross" is its DCN; its convolution is left out. Sizes are ours, for the paper trains on private data and gives none.
    """

    summary = "layers that add up unlike interaction modules, with shortcut and layer norm; rows are fields at every layer"
    source = "Zhang et al., arXiv 2203.11014 (2022); modules dot and linear, sizes ours"
    field_rows = True
    hidden_widths = ("units", "hidden")

    depth: int = setting(4, at_least=1, at_most=MOST_DEPTH, help="2 to 8 in the paper")
    modules: tuple[Literal["dot", "linear", "cross", "attention"], ...] = setting(("dot", "linear"), help="what a layer adds up")
    units: int = setting(100, at_least=1, help="of the hidden layer in dot")
    hidden: tuple[int, ...] = setting((400, 400), at_least=1, help="units of the MLP's layers")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1, help="of the MLP")
    batch_norm: bool = setting(True)

    def validate(self) -> None:
        if not self.modules:
            raise UserError("dhen: modules is empty; name at least one of dot, linear, cross, attention")

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        if layout.dimension < 2:
            raise Incompatible("dhen: layer normalisation of rows of one number leaves nothing")
        if layout.fields < 2 and "dot" in self.modules:
            raise Incompatible("dhen: one field has no inner products; leave dot out of modules")
        return ((layout.fields, layout.dimension),) * (self.depth + 1)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        return Ensemble([self._module(name, layout) for name in self.modules], RowNorm(layout.sets, layout.dimension))

    def _module(self, name: str, layout: Layout) -> nn.Module:
        if name == "dot":
            return DotModule(layout, self.units)
        if name == "linear":
            return RowMixing(layout.sets, layout.fields, layout.fields)
        return CrossModule(layout) if name == "cross" else AttentionModule(layout)

    def readout(self, layout: Layout) -> nn.Module:
        return LastState(SetMLP(layout.sets, layout.fields * layout.dimension, self.hidden[:1], self.dropout, self.batch_norm))

    def head(self, layout: Layout) -> nn.Module:
        width = self.hidden[0] if self.hidden else layout.fields * layout.dimension
        return Tower(width, self.hidden[1:], self.dropout, self.batch_norm)


class Ensemble(nn.Module):
    def __init__(self, parts: list[nn.Module], norm: RowNorm) -> None:
        super().__init__()
        self.parts, self.norm = nn.ModuleList(parts), norm

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """(B, S, F, d) -> the same"""
        total = x
        for part in self.parts:
            total = total + part(x)
        result: Tensor = self.norm(total)
        return result


class DotModule(nn.Module):
    """The inner products of all pairs of rows, a hidden layer, and a projection W_m to rows (the paper's eq. 3).

    It stands for the paper's "AdvancedDLRM", which is not public: DLRM's interaction (Naumov et al., 2019) without dense features.
    Ours: W_m starts at 0. Drawn at random, its rows are larger than those of a table that starts near 0, and hide them: the best
    validation AUC on synthetic was .8048 in place of .8092 (60,000 rows, multi-embedding, 2 sets of 4, mean of three seeds).
    """

    def __init__(self, layout: Layout, units: int) -> None:
        super().__init__()
        sets, fields, dimension = layout
        self.products = InnerProducts(fields)
        self.hidden = SetMLP(sets, fields * (fields - 1) // 2, (units,), 0.0, False)
        self.project = SetLinear(sets, units, fields * dimension, bias=False)
        nn.init.zeros_(self.project.weight)

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = self.project(self.hidden(self.products(x, x)))
        return rows.view(x.shape)


class CrossModule(nn.Module):
    """x ⊙ (W x + b) on the flattened rows: the paper's DCN module without DCN's own skip (eq. 7), in the form of DCNv2's layer."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.term = CrossTerm(*layout)

    def forward(self, x: Tensor) -> Tensor:
        crossed: Tensor = self.term(x, x)
        return crossed


class AttentionModule(nn.Module):
    """A transformer encoder layer (Vaswani et al., 2017, post-norm) over the rows, then W across them (the paper's eq. 4).

    One head, for d is small, and a hidden layer of 4d: both ours.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        sets, fields, dimension = layout
        self.inputs = SetLinear(sets, dimension, 3 * dimension)
        self.outputs = SetLinear(sets, dimension, dimension)
        self.up = SetLinear(sets, dimension, 4 * dimension)
        self.down = SetLinear(sets, 4 * dimension, dimension)
        self.norms = nn.ModuleList(RowNorm(sets, dimension) for _ in range(2))
        self.mixing = RowMixing(sets, fields, fields)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = each_row(self.inputs, x).chunk(3, 3)
        attention = torch.softmax(query @ key.mT / math.sqrt(x.shape[3]), 3).to(x.dtype)
        y = self.norms[0](x + each_row(self.outputs, attention @ value))
        y = self.norms[1](y + each_row(self.down, torch.relu(each_row(self.up, y))))
        rows: Tensor = self.mixing(y)
        return rows
