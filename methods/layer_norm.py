"""Layer normalisation of every field's embedding before the interaction. A cheap control: it takes the length of a vector away.

    y[b,f] = (x[b,f] − mean)/√(variance + eps) ⊙ γ_f + β_f, x (B, F, D), mean and variance over the D numbers of x[b,f]

Source: Ba et al., 2016; γ_f and β_f (D,) for each field, as in MaskNet's LN_EMB (Wang et al., 2021). The same in training and evaluation.
Cost: 2·F·D parameters, O(B·F·D) time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.contracts import Backbone, CTRModel, Layout, Method, Schema, UserError
from benchmark.nn.embedding import ParallelSets


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Method):
    summary: ClassVar[str] = "control: layer normalisation of each field's embedding, scale and shift per field"
    source: ClassVar[str] = "Ba et al., Layer Normalization, 2016; on embeddings as in MaskNet, Wang et al., 2021"

    eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.eps <= 0:
            raise UserError(f"layer_norm: eps = {self.eps}; it must be positive")

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        layout = Layout(1, len(schema.fields), scale * dimension)
        return ParallelSets(schema, backbone, layout, FieldNorm(layout.fields, layout.dimension, self.eps))


class FieldNorm(nn.Module):
    def __init__(self, fields: int, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(fields, width))
        self.shift = nn.Parameter(torch.zeros(fields, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, F, D)"""
        return torch.addcmul(self.shift, functional.layer_norm(x, x.shape[2:], eps=self.eps), self.scale)
