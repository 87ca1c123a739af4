"""Rank-one rebalancing alone: every field's embedding loses a part of its leading direction before the interaction, no block after it.

    x̃_f = x_f − ε_f (x_f·v̂_f) v̂_f, x (B, F, D), v̂_f (D,) by power iteration                benchmark/nn/rebalance.py

Source: Yu, Cai and Li, ECCV 2020 (rank-1 update normalisation); the same step is Spectral Feature Augmentation (Zhang et al., AAAI 2023),
there with a fresh random start on each batch: direction = random, deflation = fixed, strength = 1. Ours: a matrix is one field's batch,
and the defaults, those of RoBlock's first step: ε_f = strength · max(0, 1 − σ_rms/σ_1) and the direction of a running Gram matrix, the
same in training and evaluation. What RoBlock does more than this row is the rest of its block. Cost: no parameters, O(B·F·D²) time in
training, O(B·F·D) in evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from benchmark.contracts import Backbone, CTRModel, Layout, Method, Schema, UserError
from benchmark.nn.embedding import ParallelSets
from benchmark.nn.rebalance import RankOneRebalance


@dataclass(frozen=True, kw_only=True)
class RankOne(Method):
    summary: ClassVar[str] = "every field's embedding loses a part of its leading direction: RoBlock's first step alone"
    source: ClassVar[str] = "Yu, Cai and Li, ECCV 2020; Zhang et al., Spectral Feature Augmentation, AAAI 2023"
    space: ClassVar[Mapping[str, BaseDistribution]] = {
        "strength": FloatDistribution(0.0, 1.0, step=0.25),
        "deflation": CategoricalDistribution(("adaptive", "fixed")),
    }

    strength: float = 0.5  # ε; 0: off
    deflation: Literal["adaptive", "fixed"] = "adaptive"
    direction: Literal["running", "random"] = "running"
    power_steps: int = 2

    def __post_init__(self) -> None:
        for name, sound, rule in (
            ("strength", 0 <= self.strength <= 1, "lie in [0, 1]"),
            ("power_steps", self.power_steps >= 1, "be at least 1"),
        ):
            if not sound:
                raise UserError(f"rank_one: {name} = {getattr(self, name)}; it must {rule}")

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        layout = Layout(1, len(schema.fields), scale * dimension)
        rebalance = RankOneRebalance(layout.fields, layout.dimension, self.strength, self.deflation, self.direction, self.power_steps)
        return ParallelSets(schema, backbone, layout, rebalance)
