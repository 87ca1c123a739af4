"""Dropout as a module."""

from __future__ import annotations

from torch import Tensor, nn

from benchmark.ops.dropout import dropout


class Dropout(nn.Module):
    """Zeroes entries with the given rate in training and scales the rest up, so that the mean stays (Srivastava et al., JMLR 2014)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.rate, self.training)
