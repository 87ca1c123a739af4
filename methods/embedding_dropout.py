"""Embedding dropout: entries of the embedding are zeroed in training. A cheap control: any noise on the embedding spreads its spectrum.

    x̃ = x ⊙ m/(1 − rate), m (B, F, D) independent Bernoulli(1 − rate); evaluation uses x.

Cost: no parameters, O(B·F·D) time and random numbers in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from optuna.distributions import BaseDistribution, FloatDistribution

from benchmark.contracts import Backbone, CTRModel, Layout, Method, Schema, UserError
from benchmark.nn.dropout import Dropout
from benchmark.nn.embedding import ParallelSets


@dataclass(frozen=True, kw_only=True)
class EmbeddingDropout(Method):
    summary: ClassVar[str] = "control: dropout on the entries of the embedding"
    source: ClassVar[str] = "Srivastava et al., JMLR 2014; embedding_dropout of the BARS configurations"
    space: ClassVar[Mapping[str, BaseDistribution]] = {"rate": FloatDistribution(0.0, 0.5, step=0.1)}

    rate: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise UserError(f"embedding_dropout: rate = {self.rate}; it must lie in [0, 1)")

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        return ParallelSets(schema, backbone, Layout(1, len(schema.fields), scale * dimension), Dropout(self.rate))
