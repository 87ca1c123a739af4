"""A backbone recipe that nothing is built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from optuna.distributions import BaseDistribution, FloatDistribution
from torch import nn

from benchmark.contracts import Backbone, Layout


@dataclass(frozen=True, kw_only=True)
class Steep(Backbone):
    summary: ClassVar[str] = "stand-in"
    source: ClassVar[str] = "tests"
    space: ClassVar[Mapping[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5, step=0.1)}

    depth: int = 3
    dropout: float = 0.1

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        return ((layout.fields, layout.dimension),) * (self.depth + 1)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        return nn.Identity()

    def readout(self, layout: Layout) -> nn.Module:
        return nn.Identity()

    def head(self, layout: Layout) -> nn.Module:
        return nn.Identity()
