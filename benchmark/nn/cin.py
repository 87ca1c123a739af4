"""The compressed interaction network layer of xDeepFM."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmark.ops.cin import cin


class CINLayer(nn.Module):
    """x^{l+1}_h = Σ_ij W^h_ij (x^l_i ⊙ x^0_j) (Lian et al., KDD 2018, eq. 6), with identity activation, as the paper found best."""

    def __init__(self, sets: int, fields: int, maps_in: int, maps_out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(maps_in * fields)
        self.weight = nn.Parameter(torch.empty(sets, maps_out, maps_in * fields).uniform_(-bound, bound))

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """x: (B, S, N, d), x0: (B, S, F, d) -> (B, S, maps_out, d)"""
        return cin(x, x0, self.weight)
