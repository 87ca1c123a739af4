"""Multi-embedding whose experts, the sets with their interaction layers, are to put out uncorrelated numbers.

    L = w · Σ over pairs of sets i < j of mean_{k,l} |Pearson(E_i[:,k], E_j[:,l])|

E_i (m×H): the last interaction layer's output of set i, its rows side by side, H = N_L·d_L. Wang et al., D-MoE, 2025 (arXiv
2505.17925): a loss on the correlation between experts' outputs, beside experts with tables of their own, as here, and of different
kinds, as in hetero_me; its gate is left out, the mean of the readouts stays. We know its abstract and summaries only, so ours are: all
H² pairs of outputs (dimensions of sets are not aligned), their mean (a weight then means the same at every H), that E_i comes before
the readout, m = ``rows`` samples drawn from the batch, and ``weight``. Independent outputs have a mean of 0.8/√m.

With one set (scale 1) the penalty is 0 and this is single embedding. O(S²·m·H²) a batch; no parameters.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.method import CTRModel, Output, Parts, Penalised, no_penalty, setting
from benchmark.nn.covariance import standardised


@dataclass(frozen=True, kw_only=True)
class DecorrelatedExperts(Penalised):
    """Raises UserError when the width does not divide by the number of sets."""

    summary = "multi-embedding with a penalty on the correlation between the outputs of different sets"
    source = "Wang et al., Enhancing CTR Prediction with De-correlated Expert Networks, arXiv 2505.17925, 2025 (abstract)"
    presets: ClassVar = {"published": {"weight": 1e-2, "weighs": "absolute"}}
    former = "published"

    sets: int | None = setting(None, at_least=1, help="S; none: one per base dimension, S = scale")
    rows: int = setting(1024, at_least=2, help="m, samples of the batch that correlations are taken on")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(sets=self.sets, penalty=self.penalty(self.correlation))

    def correlation(self, ids: Tensor, output: Output) -> Tensor:
        experts = output.states[-1].flatten(2)  # (B, S, H)
        count, sets = experts.shape[:2]
        if sets == 1:
            return no_penalty(experts)
        if count > self.rows:
            experts = experts[torch.randperm(count, device=experts.device)[: self.rows]]
        z = standardised(experts.transpose(0, 1))
        first, second = torch.triu_indices(sets, sets, 1, device=z.device)
        return (z[first].mT @ z[second]).abs().mean((1, 2)).sum()
