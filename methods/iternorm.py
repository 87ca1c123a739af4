"""IterNorm: the embedding of every field is whitened by Newton's iteration before the interaction.

    y_f = (x_f − μ_f) W_f ⊙ γ_f + β_f, x (B, F, D), W_f ≈ Σ_f^(−1/2) after T iterations      benchmark/nn/whitening.py

Source: Huang et al., CVPR 2019, algorithms 1 and 2, with T, eps and momentum of its code; running means in evaluation. T iterations stretch
no direction by more than 1.5^T/√tr Σ_f: those with a smaller share of the variance than about 1.5^(−2T) stay below the others, which keeps
noise down. T is that trade-off. The result does not depend on the table's scale, so an embedding L2 shrinks the table until eps matters.

Ours: a group is a field; the running means are plain over the first batches, then exponential. Cost: 2·F·D parameters (γ, β), O(B·F·D² +
T·F·D³) time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from optuna.distributions import BaseDistribution, IntDistribution

from benchmark.contracts import Backbone, CTRModel, Layout, Method, Schema, UserError
from benchmark.nn.embedding import ParallelSets
from benchmark.nn.whitening import IterNorm


@dataclass(frozen=True, kw_only=True)
class IterNormMethod(Method):
    summary: ClassVar[str] = "every field's embedding whitened by Newton's iteration, running statistics in evaluation"
    source: ClassVar[str] = "Huang et al., Iterative Normalization: Beyond Standardization towards Efficient Whitening, CVPR 2019"
    space: ClassVar[Mapping[str, BaseDistribution]] = {"steps": IntDistribution(3, 7, step=2)}

    steps: int = 5  # T
    eps: float = 1e-5
    momentum: float = 0.1  # of a batch in the running means

    def __post_init__(self) -> None:
        for name, sound, rule in (
            ("steps", 1 <= self.steps <= 7, "lie in [1, 7]: after more, rounding grows without bound where a field has collapsed"),
            ("eps", self.eps > 0, "be positive"),
            ("momentum", 0 < self.momentum <= 1, "lie in (0, 1]"),
        ):
            if not sound:
                raise UserError(f"iternorm: {name} = {getattr(self, name)}; it must {rule}")

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        layout = Layout(1, len(schema.fields), scale * dimension)
        whitening = IterNorm(layout.fields, layout.dimension, self.steps, self.eps, self.momentum)
        return ParallelSets(schema, backbone, layout, whitening)
