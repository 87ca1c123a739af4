"""The fusion of FinalMLP's two streams."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.errors import UserError
from benchmark.ops.bmm import bmm


class BilinearFusion(nn.Module):
    """b + w_1ᵀo_1 + w_2ᵀo_2 + Σ_h o_{1,h}ᵀ W_h o_{2,h} over h chunks (Mao et al., AAAI 2023, eq. 13-15). W starts at 0, as in
    the multi-embedding paper's code.

    Raises UserError when a stream's width does not divide by the number of heads.
    """

    def __init__(self, width1: int, width2: int, heads: int) -> None:
        super().__init__()
        if width1 % heads or width2 % heads:
            raise UserError(
                f"finalmlp: {heads} fusion heads do not divide the streams' widths {width1} and {width2}; choose another number"
            )
        self.heads = heads
        self.linear1 = nn.Linear(width1, 1)
        self.linear2 = nn.Linear(width2, 1, bias=False)
        self.weight = nn.Parameter(torch.zeros(heads, width1 // heads, width2 // heads))

    def forward(self, o1: Tensor, o2: Tensor) -> Tensor:
        """(B, width1), (B, width2) -> logits (B,)"""
        chunks1 = o1.reshape(len(o1), self.heads, -1).transpose(0, 1)
        chunks2 = o2.reshape(len(o2), self.heads, -1).transpose(0, 1)
        bilinear = (bmm(chunks1, self.weight) * chunks2).sum((0, 2))
        linear: Tensor = self.linear1(o1) + self.linear2(o2)
        return linear.squeeze(1) + bilinear
