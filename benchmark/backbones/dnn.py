"""DNN: an MLP on the embedding, without explicit interactions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from benchmark.contracts import MOST_DEPTH, Backbone, Layout, setting, tuned
from benchmark.nn.linear import Tower
from benchmark.nn.rows import HiddenRows, LastState, rows_of


@dataclass(frozen=True, kw_only=True)
class DNN(Backbone):
    """``depth`` hidden layers of each set, the mean over the sets, then the layers of ``hidden``."""

    summary = "MLP on the embedding; a hidden layer of H units is H/d rows of d"
    source = "Covington et al., RecSys 2016; 400-400, first layer per set as in Guo et al., ICML 2024"
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

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        rows = rows_of("dnn: units", self.units, layout.dimension)
        return ((layout.fields, layout.dimension), *((rows, layout.dimension),) * self.depth)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        inputs = layout.fields * layout.dimension if index == 0 else self.units
        return HiddenRows(layout.sets, inputs, self.units, layout.dimension, self.dropout, self.batch_norm)

    def readout(self, layout: Layout) -> nn.Module:
        return LastState()

    def head(self, layout: Layout) -> nn.Module:
        return Tower(self.units, self.hidden, self.dropout, self.batch_norm)
