"""Multi-embedding whose experts, the sets with their interaction layers, are to put out uncorrelated numbers.

    L = weight · Σ over pairs of sets i < j of mean_{k,l} |Pearson(E_i[:,k], E_j[:,l])|

E_i (m×H): the last interaction layer's output of set i, its rows side by side, H = N_L·d_L. Wang et al., D-MoE, 2025 (arXiv
2505.17925): a loss on the correlation between experts' outputs, beside experts with tables of their own, as here, and of different
kinds, as in hetero_me; its gate is left out, the mean of the readouts stays. We know its abstract and summaries only, so ours are: all
H² pairs of outputs (dimensions of sets are not aligned), their mean (a weight then means the same at every H), that E_i comes before
the readout, m = ``rows`` samples drawn from the batch, and ``weight``. Independent outputs have a mean of 0.8/√m.

With one set (scale 1) the penalty is 0 and this is single embedding. O(S²·m·H²) a batch; no parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor

from benchmark.contracts import Backbone, CTRModel, Method, Output, Schema, UserError, no_penalty
from benchmark.nn.embedding import ParallelSets, layout_of_sets
from benchmark.nn.moments import standardised
from benchmark.nn.penalised import Penalised


@dataclass(frozen=True, kw_only=True)
class DecorrelatedExperts(Method):
    """Raises UserError when the width does not divide by the number of sets."""

    summary: ClassVar[str] = "multi-embedding with a penalty on the correlation between the outputs of different sets"
    source: ClassVar[str] = "Wang et al., Enhancing CTR Prediction with De-correlated Expert Networks, arXiv 2505.17925, 2025 (abstract)"
    space: ClassVar[Mapping[str, BaseDistribution]] = {"weight": FloatDistribution(1e-4, 1.0, log=True)}

    weight: float = 1e-2
    sets: int | None = None  # None: one per base dimension, S = scale
    rows: int = 1024  # m, samples of the batch that correlations are taken on

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rows < 2:
            raise UserError(f"decorrelated_experts: rows = {self.rows}; it must be at least 2")

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        layout = layout_of_sets("decorrelated_experts", self.sets, schema, scale, dimension)
        return Penalised(ParallelSets(schema, backbone, layout), self.weight, partial(correlation, self.rows))


def correlation(rows: int, ids: Tensor, output: Output) -> Tensor:
    experts = output.states[-1].flatten(2)  # (B, S, H)
    count, sets = experts.shape[:2]
    if sets == 1:
        return no_penalty(experts)
    if count > rows:
        experts = experts[torch.randperm(count, device=experts.device)[:rows]]
    z = standardised(experts.transpose(0, 1))
    first, second = torch.triu_indices(sets, sets, 1, device=z.device)
    return (z[first].mT @ z[second]).abs().mean((1, 2)).sum()
