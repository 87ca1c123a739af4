"""Multi-embedding with a penalty on what the embedding sets have in common.

    L = w · mean over fields and pairs of sets i < j of ‖E_iᵀE_j‖²_F / d,  E_i (B×d) the batch's embeddings of set i, not centred

‖·‖²_F / d is the mean square of the d singular values. Guo et al., ICML 2024, appendix ("space similarity"), weights 1e-3, 1e-4 and 1e-5 at
batches of 2,048; the term is a sum over the batch and grows with B² and the fourth power of the embeddings' length: it is met by shorter
embeddings, too. The authors' code takes the k-th
singular values' mean over fields before it squares, which is at most this value; ours needs no decomposition.

With one set (scale 1) there is nothing to compare: the penalty is 0 and this is single embedding. O(F·B·D²) a batch; no parameters.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.method import CTRModel, Output, Parts, Penalised, no_penalty, setting
from benchmark.nn.covariance import by_field


@dataclass(frozen=True, kw_only=True)
class SetSimilarityReg(Penalised):
    """Raises UserError when the width does not divide by the number of sets."""

    summary = "multi-embedding with a penalty on the singular values of the products between sets"
    source = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024, appendix"
    presets: ClassVar = {"published": {"weight": 1e-5, "weighs": "absolute"}}
    former = "published"

    sets: int | None = setting(None, at_least=1, help="S; none: one per base dimension, S = scale")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(sets=self.sets, penalty=self.penalty(similarity))


def similarity(ids: Tensor, output: Output) -> Tensor:
    state = output.states[0]
    sets, rows, size = state.shape[1:]
    if sets == 1:
        return no_penalty(state)
    x = by_field(state)
    squares = (x.mT @ x).square().view(rows, sets, size, sets, size).sum((0, 2, 4))  # (S, S): ‖E_iᵀE_j‖² over all fields
    return torch.triu(squares, 1).sum() / (sets * (sets - 1) / 2 * rows * size)
