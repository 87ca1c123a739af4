"""Single embedding with Barlow Twins' redundancy term on each field's batch embedding.

    L = w · mean over fields of Σ_{i≠j} R_ij²,  R (D×D) the correlation matrix of the columns of X_f (B×D)

Zbontar et al., ICML 2021, eq. 1. There R correlates two views of a sample; a table has one view, for which R_ii = 1, so the other term is
gone. Scale-free: it grows no norms. A field with fewer values than D cannot reach 0.

Ours: the absolute weight of ``published``, for the paper's λ = 5e-3 is against that other term, of the order of D, and not against a
logloss: it, and a tenth of it, took .014 and .006 off the validation AUC of DCNv2 at scale 4 on synthetic (one seed, four epochs).
Variances below 1e-12 count as none, and correlations with them as 0. The sum has D(D − 1) terms: an absolute weight presses harder on a
wider table.

O(F·B·D²) a batch; no parameters.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark.method import CTRModel, Output, Parts, Penalised
from benchmark.nn.covariance import by_field, correlation, covariance, off_diagonal


@dataclass(frozen=True, kw_only=True)
class Barlow(Penalised):
    summary = "penalty on the correlations between the dimensions of each field's embedding"
    source = "Zbontar et al., Barlow Twins: Self-Supervised Learning via Redundancy Reduction, ICML 2021"
    presets: ClassVar = {"published": {"weight": 1e-4, "weighs": "absolute"}}
    former = "published"

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(penalty=self.penalty(redundancy))


def redundancy(ids: Tensor, output: Output) -> Tensor:
    matrices = correlation(covariance(by_field(output.states[0])))
    return off_diagonal(matrices).square().sum((1, 2)).mean()
