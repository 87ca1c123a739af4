"""DCNv2: cross layers over all fields, then (stacked) or beside (parallel) an MLP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Layout, setting, tuned
from benchmark.nn.cross import CrossTerm
from benchmark.nn.linear import SetMLP, Tower
from benchmark.nn.rows import LastState


@dataclass(frozen=True, kw_only=True)
class DCNv2(Backbone):
    summary = "cross network v2 with an MLP, stacked or parallel; rows are fields at every layer"
    source = "Wang et al., WWW 2021; stacked form and sizes of Guo et al., ICML 2024; parallel form as in BARS"
    residual = True
    field_rows = True
    hidden_widths = ("hidden",)

    depth: int = setting(4, at_least=1, at_most=MOST_DEPTH, help="interaction layers L")
    structure: Literal["stacked", "parallel"] = setting("stacked", help="cross layers, then an MLP, or beside it")
    hidden: tuple[int, ...] = setting((400, 400), at_least=1, help="units of the MLP's layers")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1)
    batch_norm: bool = setting(True)

    @property
    def has_dnn(self) -> bool:
        return self.structure == "parallel"

    def reads_embedding(self, index: int) -> bool:
        return True

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        return ((layout.fields, layout.dimension),) * (self.depth + 1)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        return CrossTerm(*layout)

    def readout(self, layout: Layout) -> nn.Module:
        width = layout.fields * layout.dimension
        first = SetMLP(layout.sets, width, self.hidden[:1], self.dropout, self.batch_norm)
        return LastState(first) if self.structure == "stacked" else ParallelReadout(first)

    def head(self, layout: Layout) -> nn.Module:
        width = layout.fields * layout.dimension
        mlp_width = self.hidden[0] if self.hidden else width
        if self.structure == "stacked":
            return Tower(mlp_width, self.hidden[1:], self.dropout, self.batch_norm)
        return ParallelHead(width, mlp_width, self.hidden[1:], self.dropout, self.batch_norm)


class ParallelReadout(nn.Module):
    """The last cross state beside the first MLP layer on the embedding."""

    def __init__(self, first: SetMLP) -> None:
        super().__init__()
        self.first = first

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        return torch.cat((states[-1].flatten(2), self.first(states[0].flatten(2))), 2)


class ParallelHead(nn.Module):
    """A linear unit on the cross state plus the rest of the MLP: together one linear unit on both, as in the paper's eq. 5."""

    def __init__(self, cross_width: int, mlp_width: int, hidden: Sequence[int], dropout: float, batch_norm: bool) -> None:
        super().__init__()
        self.cross_width = cross_width
        self.cross_logit = nn.Linear(cross_width, 1, bias=False)
        self.tower = Tower(mlp_width, hidden, dropout, batch_norm)

    def forward(self, features: Tensor) -> Tensor:
        cross, mlp = features.split_with_sizes((self.cross_width, features.shape[1] - self.cross_width), dim=1)
        logits: Tensor = self.cross_logit(cross).squeeze(1) + self.tower(mlp)
        return logits
