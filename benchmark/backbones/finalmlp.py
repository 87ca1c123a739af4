"""FinalMLP: two MLP streams fused by a bilinear form, without feature selection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Layout, setting, tuned
from benchmark.nn.bilinear import BilinearFusion
from benchmark.nn.linear import SetMLP
from benchmark.nn.rows import LastState, rows_of


@dataclass(frozen=True, kw_only=True)
class FinalMLP(Backbone):
    summary = "two MLP streams and bilinear fusion; a hidden layer of H units is H/d rows of d"
    source = "Mao et al., AAAI 2023; one fusion head, no feature selection as in Guo et al., ICML 2024"
    hidden_widths = ("units1", "units2")

    depth: int = setting(2, at_least=1, at_most=MOST_DEPTH, help="hidden layers of each stream")
    units1: int = setting(400, at_least=1, help="of each hidden layer of stream 1")
    units2: int = setting(400, at_least=1)
    heads: int = setting(1, at_least=1, help="of the bilinear fusion")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1)
    batch_norm: bool = setting(True)

    @property
    def has_dnn(self) -> bool:
        return True

    def width_step(self, name: str, layout: Layout) -> int:
        return math.lcm(layout.dimension, self.heads)

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        rows = sum(rows_of(f"finalmlp: {name}", getattr(self, name), layout.dimension) for name in ("units1", "units2"))
        return ((layout.fields, layout.dimension), *((rows, layout.dimension),) * self.depth)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        embedding = layout.fields * layout.dimension
        inputs1, inputs2 = (embedding, embedding) if index == 0 else (self.units1, self.units2)
        stream1 = SetMLP(layout.sets, inputs1, (self.units1,), self.dropout, self.batch_norm)
        stream2 = SetMLP(layout.sets, inputs2, (self.units2,), self.dropout, self.batch_norm)
        return StreamLayer(stream1, stream2, None if index == 0 else self.units1, layout.dimension)

    def readout(self, layout: Layout) -> nn.Module:
        return LastState()

    def head(self, layout: Layout) -> nn.Module:
        return Head(self.units1, BilinearFusion(self.units1, self.units2, self.heads))


class StreamLayer(nn.Module):
    """One hidden layer of both streams. At layer 0 both see the whole embedding (``boundary`` None), later each its own units."""

    def __init__(self, stream1: SetMLP, stream2: SetMLP, boundary: int | None, dimension: int) -> None:
        super().__init__()
        self.stream1, self.stream2, self.boundary, self.dimension = stream1, stream2, boundary, dimension

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """(B, S, N, d) -> (B, S, (units1 + units2)/d, d)"""
        flat = x.flatten(2)
        inputs: Sequence[Tensor] = (flat, flat)
        if self.boundary is not None:
            inputs = flat.split_with_sizes((self.boundary, flat.shape[2] - self.boundary), dim=2)
        units = torch.cat((self.stream1(inputs[0]), self.stream2(inputs[1])), 2)
        return units.view(*units.shape[:2], -1, self.dimension)


class Head(nn.Module):
    def __init__(self, boundary: int, fusion: BilinearFusion) -> None:
        super().__init__()
        self.boundary, self.fusion = boundary, fusion

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.fusion(*features.split_with_sizes((self.boundary, features.shape[1] - self.boundary), dim=1))
        return logits
