"""A backbone recipe that nothing is built from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from benchmark.contracts import Backbone, Layout, tuned


@dataclass(frozen=True, kw_only=True)
class Steep(Backbone):
    summary = "stand-in"
    source = "tests"

    depth: int = 3
    dropout: float = tuned(0.1, low=0.0, high=0.5, step=0.1)

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        return ((layout.fields, layout.dimension),) * (self.depth + 1)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        return nn.Identity()

    def readout(self, layout: Layout) -> nn.Module:
        return nn.Identity()

    def head(self, layout: Layout) -> nn.Module:
        return nn.Identity()
