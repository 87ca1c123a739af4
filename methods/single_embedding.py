"""Single embedding (SE): one set of the whole width. The control of every comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark.contracts import Backbone, CTRModel, Layout, Method, Schema
from benchmark.nn.embedding import ParallelSets


@dataclass(frozen=True, kw_only=True)
class SingleEmbedding(Method):
    summary: ClassVar[str] = "one embedding set of the whole width: the control"
    source: ClassVar[str] = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024"

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        return ParallelSets(schema, backbone, Layout(1, len(schema.fields), scale * dimension))
