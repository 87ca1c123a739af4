"""The compressed interaction network layer of xDeepFM."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class CINLayer(nn.Module):
    """x^{l+1}_h = Σ_ij W^h_ij (x^l_i ⊙ x^0_j) (Lian et al., KDD 2018, eq. 6), with identity activation, as the paper found best."""

    def __init__(self, sets: int, fields: int, maps_in: int, maps_out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(maps_in * fields)
        self.weight = nn.Parameter(torch.empty(sets, maps_out, maps_in * fields).uniform_(-bound, bound))

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """x: (B, S, N, d), x0: (B, S, F, d) -> (B, S, maps_out, d)"""
        batch, sets, _, dimension = x.shape
        # With rows outermost, one long product per set replaces B·S small ones.
        rows, rows0 = (t.permute(1, 2, 0, 3).reshape(sets, -1, batch * dimension) for t in (x, x0))
        products = (rows.unsqueeze(2) * rows0.unsqueeze(1)).flatten(1, 2)  # (S, N·F, B·d)
        return torch.bmm(self.weight, products).view(sets, -1, batch, dimension).permute(2, 0, 1, 3)
