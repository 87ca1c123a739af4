"""xDeepFM: a compressed interaction network beside a DNN, without the linear term.

The CIN is linear in its products, which its paper found best; the multi-embedding paper's code has a bias and a ReLU there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Layout, setting, tuned
from benchmark.nn.cin import CINLayer
from benchmark.nn.linear import SetMLP, Tower


@dataclass(frozen=True, kw_only=True)
class XDeepFM(Backbone):
    summary = "compressed interaction network beside a DNN; rows are CIN feature maps"
    source = "Lian et al., KDD 2018; no linear term and CIN (16, 16) as in Guo et al., ICML 2024"
    hidden_widths = ("hidden",)

    depth: int = setting(2, at_least=1, at_most=MOST_DEPTH, help="interaction layers L")
    maps: int = setting(16, at_least=1, help="feature maps of each CIN layer")
    hidden: tuple[int, ...] = setting((400, 400), at_least=1, help="units of the MLP's layers")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1)
    batch_norm: bool = setting(True)

    @property
    def has_dnn(self) -> bool:
        return True

    def reads_embedding(self, index: int) -> bool:
        return True

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        return ((layout.fields, layout.dimension), *((self.maps, layout.dimension),) * self.depth)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        return CINLayer(layout.sets, layout.fields, self.shapes(layout)[index][0], self.maps)

    def readout(self, layout: Layout) -> nn.Module:
        return Readout(SetMLP(layout.sets, layout.fields * layout.dimension, self.hidden[:1], self.dropout, self.batch_norm))

    def head(self, layout: Layout) -> nn.Module:
        mlp_width = self.hidden[0] if self.hidden else layout.fields * layout.dimension
        return Head(self.depth * self.maps, mlp_width, self.hidden[1:], self.dropout, self.batch_norm)


class Readout(nn.Module):
    """Every feature map summed over its dimension (the paper's eq. 8), beside the first DNN layer on the embedding."""

    def __init__(self, first: SetMLP) -> None:
        super().__init__()
        self.first = first

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        pooled = [state.sum(3) for state in states[1:]]
        return torch.cat((*pooled, self.first(states[0].flatten(2))), 2)


class Head(nn.Module):
    """A linear unit on the pooled maps plus the rest of the DNN (the paper's eq. 9 without the linear term)."""

    def __init__(self, pooled: int, mlp_width: int, hidden: Sequence[int], dropout: float, batch_norm: bool) -> None:
        super().__init__()
        self.pooled = pooled
        self.cin_logit = nn.Linear(pooled, 1, bias=False)
        self.tower = Tower(mlp_width, hidden, dropout, batch_norm)

    def forward(self, features: Tensor) -> Tensor:
        cin, mlp = features.split_with_sizes((self.pooled, features.shape[1] - self.pooled), dim=1)
        logits: Tensor = self.cin_logit(cin).squeeze(1) + self.tower(mlp)
        return logits
