"""Rank-one rebalancing alone: every field's embedding loses a part of its leading direction before the interaction, no block after it.

    x̃_f = x_f − ε_f (x_f·v̂_f) v̂_f, x (B, F, D), v̂_f (D,) by power iteration                benchmark/nn/rebalance.py

Source: Yu, Cai and Li, ECCV 2020 (rank-1 update normalisation); the same step is Spectral Feature Augmentation (Zhang et al., AAAI 2023),
there with a fresh random start on each batch: direction = random, deflation = fixed, strength = 1. Ours: a matrix is one field's batch,
and the defaults, those of RoBlock's first step: ε_f = strength · max(0, 1 − σ_rms/σ_1) and the direction of a running Gram matrix, the
same in training and evaluation. What RoBlock does more than this row is the rest of its block. Cost: no parameters, O(B·F·D²) time in
training, O(B·F·D) in evaluation.
"""

from dataclasses import dataclass
from typing import Literal

from benchmark.method import CTRModel, Method, Parts, setting, tuned
from benchmark.nn.rebalance import RankOneRebalance


@dataclass(frozen=True, kw_only=True)
class RankOne(Method):
    summary = "every field's embedding loses a part of its leading direction: RoBlock's first step alone"
    source = "Yu, Cai and Li, ECCV 2020; Zhang et al., Spectral Feature Augmentation, AAAI 2023"

    strength: float = tuned(0.5, low=0.0, high=1.0, step=0.25, at_least=0, at_most=1, help="ε; 0: off")
    deflation: Literal["adaptive", "fixed"] = tuned("adaptive", choices=("adaptive", "fixed"))
    direction: Literal["running", "random"] = setting("running")
    power_steps: int = setting(2, at_least=1, help="of the power iteration, on each batch")

    def build(self, parts: Parts) -> CTRModel:
        settings = (self.strength, self.deflation, self.direction, self.power_steps)
        return parts.model(transform=RankOneRebalance(parts.fields, parts.width, *settings))
