"""Multi-embedding (ME): S tables side by side, each with its own interaction layers; the mean of their readouts meets one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark.contracts import Backbone, CTRModel, Method, Schema
from benchmark.nn.embedding import ParallelSets, layout_of_sets


@dataclass(frozen=True, kw_only=True)
class MultiEmbedding(Method):
    """Raises UserError when the width does not divide by the number of sets."""

    summary: ClassVar[str] = "S embedding sets with their own interaction layers, mean of the readouts"
    source: ClassVar[str] = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024"

    sets: int | None = None  # None: one per base dimension, S = scale

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        return ParallelSets(schema, backbone, layout_of_sets("multi_embedding", self.sets, schema, scale, dimension))
