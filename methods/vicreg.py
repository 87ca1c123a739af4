"""Single embedding with VICReg's variance and covariance terms on each field's batch embedding.

    L = w · mean over fields of 25 v + c
    v = mean_j relu(1 − √(C_jj + 1e-4)),  c = Σ_{i≠j} C_ij² / D,  C (D×D) the covariance of X_f (B×D), divided by B − 1

Bardes et al., ICLR 2022, eq. 1–4, with the paper's weights 25 and 1; its third term compares two views of a sample, and a table has
one. Ours: that it stands on the embedding, and ``weight``: the hinge asks for a standard deviation of 1, embeddings start at 1e-2 and
learn some tenths, so the whole term has to stay weak beside the logloss.

O(F·B·D²) a batch; no parameters. A constant field has C = 0; its gradient is finite for the 1e-4, and 0.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.method import CTRModel, Output, Parts, Penalised
from benchmark.nn.covariance import by_field, covariance, off_diagonal


@dataclass(frozen=True, kw_only=True)
class VICReg(Penalised):
    summary = "variance hinge and covariance penalty on each field's embedding"
    source = "Bardes et al., VICReg: Variance-Invariance-Covariance Regularization, ICLR 2022"
    presets: ClassVar = {"published": {"weight": 1e-3, "weighs": "absolute"}}
    former = "published"

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(penalty=self.penalty(variance_and_covariance))


def variance_and_covariance(ids: Tensor, output: Output) -> Tensor:
    matrices = covariance(by_field(output.states[0]))
    deviations = (matrices.diagonal(dim1=1, dim2=2) + 1e-4).sqrt()
    hinge = torch.relu(1 - deviations).mean(1)
    redundancy = off_diagonal(matrices).square().sum((1, 2)) / matrices.shape[1]
    return (25 * hinge + redundancy).mean()
