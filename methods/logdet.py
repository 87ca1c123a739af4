"""Single embedding whose batch covariance is drawn to the identity in the LogDet divergence, field by field.

    L = w · mean over fields of tr C − logdet C − D,  C (D×D) the covariance of X_f (B×D) plus 1e-4 I

the Bregman divergence of C from I: 0 at C = I. Zhang et al., NeurIPS 2023 (LogDet4Rec); its abstract says decorrelation of graph-filtered
user and item embeddings in a non-Euclidean geometry, the formula is from memory of the paper. Ours: the ridge (a field with fewer values
than D has no determinant; 1e-4 is the variance that embeddings start with), and ``weight``: like VICReg's hinge it asks for a standard
deviation of 1. With the ridge a dead direction costs at most 8.2 and has no gradient: what varies a little is kept alive.

O(F·(B·D² + D³)) a batch; no parameters.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.method import CTRModel, Output, Parts, Penalised
from benchmark.nn.covariance import by_field, covariance

RIDGE = 1e-4


@dataclass(frozen=True, kw_only=True)
class LogDet(Penalised):
    summary = "LogDet divergence of each field's covariance from the identity"
    source = "Zhang et al., Mitigating the Popularity Bias of Graph CF: A Dimensional Collapse Perspective, NeurIPS 2023"
    presets: ClassVar = {"published": {"weight": 1e-4, "weighs": "absolute"}}
    former = "published"

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(penalty=self.penalty(divergence))


def divergence(ids: Tensor, output: Output) -> Tensor:
    matrices = covariance(by_field(output.states[0]))
    width = matrices.shape[1]
    matrices = matrices + RIDGE * torch.eye(width, dtype=matrices.dtype, device=matrices.device)
    traces = matrices.diagonal(dim1=1, dim2=2).sum(1)
    determinants: Tensor = torch.linalg.slogdet(matrices).logabsdet
    return (traces - determinants - width).mean()
