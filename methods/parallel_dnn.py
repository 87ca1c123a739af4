"""Parallel DNN: an MLP on the embedding itself beside the explicit interaction; their logits are added.

    logit = backbone(x) + w · MLP(x) + c, x (B, F · D) the embedding that both share.

Source: Wang et al., SIGIR 2026 (arXiv 2604.26489): an MLP beside an FM or cross network gives the embedding a gradient of higher rank than
the interaction alone does, and the embedding collapses less. They put one linear unit on both outputs side by side: the same sum. Ours: the
backbone's own head stands in for their linear unit on the interaction, so a stacked DCNv2 keeps its MLP and gets a second one; sizes,
dropout and batch normalisation are the backbones' (BARS). Cost: F·D·h_1 + h_1·h_2 + … parameters and FLOPs, for D = 40, F = 10 and 400-400
as much as two DCNv2 cross layers.

A backbone that has an MLP on the embedding already (DNN, IPNN, xDeepFM, FinalMLP, DCNv2 in its parallel form) is Incompatible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor, nn

from benchmark.contracts import Backbone, CTRModel, Incompatible, Layout, Method, Output, Schema, UserError
from benchmark.nn.embedding import ParallelSets
from benchmark.nn.linear import Tower


@dataclass(frozen=True, kw_only=True)
class ParallelDNN(Method):
    summary: ClassVar[str] = "an MLP on the embedding beside the explicit interaction, logits added"
    source: ClassVar[str] = "Wang et al., Understanding DNNs in Feature Interaction Models: A Dimensional Collapse Perspective, SIGIR 2026"
    space: ClassVar[Mapping[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5, step=0.1)}

    hidden: tuple[int, ...] = (400, 400)
    dropout: float = 0.2
    batch_norm: bool = True

    def __post_init__(self) -> None:
        for name, sound, rule in (
            ("hidden", all(units >= 1 for units in self.hidden), "have at least 1 unit in every layer"),
            ("dropout", 0 <= self.dropout < 1, "lie in [0, 1)"),
        ):
            if not sound:
                raise UserError(f"parallel_dnn: {name} = {getattr(self, name)}; it must {rule}")

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        if backbone.has_dnn:
            raise Incompatible(f"parallel_dnn: {type(backbone).__name__} as configured has a DNN on the embedding already")
        layout = Layout(1, len(schema.fields), scale * dimension)
        tower = Tower(layout.fields * layout.dimension, self.hidden, self.dropout, self.batch_norm)
        return ParallelDNNModel(ParallelSets(schema, backbone, layout), tower)


class ParallelDNNModel(CTRModel):
    def __init__(self, inner: ParallelSets, tower: Tower) -> None:
        super().__init__()
        self.inner, self.tower = inner, tower

    def table(self) -> nn.Parameter:
        return self.inner.table()

    def forward(self, ids: Tensor) -> Output:
        output: Output = self.inner(ids)
        return output._replace(logits=output.logits + self.tower(output.states[0].flatten(1)))
