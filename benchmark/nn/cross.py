"""The cross layer of DCNv2."""

from __future__ import annotations

from torch import Tensor, nn

from benchmark.nn.linear import SetLinear


class CrossTerm(nn.Module):
    """x_0 ⊙ (W x_l + b), the cross layer without its identity term (Wang et al., WWW 2021, eq. 1), on flattened fields."""

    def __init__(self, sets: int, fields: int, dimension: int) -> None:
        super().__init__()
        self.linear = SetLinear(sets, fields * dimension, fields * dimension)

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """x, x0: (B, S, F, d) -> (B, S, F, d)"""
        mixed: Tensor = self.linear(x.flatten(2))
        return x0 * mixed.reshape(x.shape)
