"""Multi-embedding (ME): S tables side by side, each with its own interaction layers; the mean of their readouts meets one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmark.contracts import Backbone, CTRModel, Layout, Method, Schema, UserError
from benchmark.nn.embedding import ParallelSets


@dataclass(frozen=True, kw_only=True)
class MultiEmbedding(Method):
    """Raises UserError when the width does not divide by the number of sets."""

    summary: ClassVar[str] = "S embedding sets with their own interaction layers, mean of the readouts"
    source: ClassVar[str] = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024"

    sets: int | None = None  # None: one per base dimension, S = scale

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        width, sets = scale * dimension, self.sets or scale
        if sets < 1 or width % sets:
            raise UserError(
                f"multi_embedding: width {width} (scale {scale} x dimension {dimension}) is not divisible by {sets} sets; change sets"
            )
        return ParallelSets(schema, backbone, Layout(sets, len(schema.fields), width // sets))
