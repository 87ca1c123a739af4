"""Layer normalisation of every field's embedding before the interaction. A cheap control: it takes the length of a vector away.

    y[b,f] = (x[b,f] − mean)/√(variance + eps) ⊙ γ_f + β_f, x (B, F, D), mean and variance over the D numbers of x[b,f]

Source: Ba et al., 2016; γ_f and β_f (D,) for each field, as in MaskNet's LN_EMB (Wang et al., 2021). The same in training and evaluation.
Cost: 2·F·D parameters, O(B·F·D) time.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.method import CTRModel, Method, Parts, setting


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Method):
    summary = "control: layer normalisation of each field's embedding, scale and shift per field"
    source = "Ba et al., Layer Normalization, 2016; on embeddings as in MaskNet, Wang et al., 2021"

    eps: float = setting(1e-5, above=0, help="added to the variance")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(transform=FieldNorm(parts.fields, parts.width, self.eps))


class FieldNorm(nn.Module):
    def __init__(self, fields: int, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(fields, width))
        self.shift = nn.Parameter(torch.zeros(fields, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, F, D)"""
        return torch.addcmul(self.shift, functional.layer_norm(x, x.shape[2:], eps=self.eps), self.scale)
