"""Single embedding with a penalty on how uneven the singular values of each field's batch embedding are.

    L = w · mean over fields f of var_k(σ_fk / mean_k σ_fk),  σ_f the min(B, D) singular values of X_f (B×D), not centred

Guo et al., ICML 2024, appendix, and the authors' code (unbiased variance, weights 1e-3, 1e-4 and 1e-5). Scale-free: it grows no norms.

Ours: σ = √λ of the D×D Gram matrix X_fᵀX_f, O(F·(B·D² + D³)) a batch instead of a decomposition of B×D; no parameters. Eigenvalues below
its rounding, λ ≤ D·ε·λ_1 with the type's ε (σ ≤ 2e-3 σ_1 in float32), count as 0 and have no gradient: the gradient of a zero singular
value points anywhere. They are what a field with fewer values than D has, and always stay in the variance.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.method import CTRModel, Output, Parts, Penalised, no_penalty
from benchmark.nn.covariance import by_field


@dataclass(frozen=True, kw_only=True)
class SingularValueReg(Penalised):
    summary = "penalty on the variance of the singular values of each field's batch embedding"
    source = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024, appendix"
    presets: ClassVar = {"published": {"weight": 1e-3, "weighs": "absolute"}}
    former = "published"

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(penalty=self.penalty(unevenness))


def unevenness(ids: Tensor, output: Output) -> Tensor:
    x = by_field(output.states[0])
    count = min(x.shape[1:])
    if count < 2:
        return no_penalty(x)
    gram = torch.nan_to_num(x.mT @ x, nan=0.0, posinf=0.0, neginf=0.0)  # a training that diverges shall end as such, not in the solver
    eigenvalues = torch.linalg.eigvalsh(gram)[:, -count:]  # ascending
    sound = eigenvalues > gram.shape[1] * torch.finfo(gram.dtype).eps * eigenvalues[:, -1:]
    values = torch.where(sound, torch.where(sound, eigenvalues, 1).sqrt(), 0)
    return (values / values.mean(1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)).var(1).mean()
