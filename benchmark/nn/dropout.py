"""Dropout whose masks cost little on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.nn.switches import on

STEPS = 1 << 16  # of the drop probability
SMALLEST = -(1 << 15)  # of a 16-bit integer


class Dropout(nn.Module):
    """Zeroes entries with the given rate in training and scales the rest up, so that the mean stays (Srivastava et al., JMLR 2014).

    On a CPU torch draws each entry from a Bernoulli generator, a large part of a small model's step (`speed step`). Here one 64-bit integer
    gives four entries; the rate is rounded to a multiple of 2⁻¹⁶, and the scale goes with the rounded rate.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        if x.device.type != "cpu" or not on("dropout"):
            return functional.dropout(x, self.rate)
        return x * mask_like(x, self.rate)


def mask_like(x: Tensor, rate: float) -> Tensor:
    """0 with probability ``rate``, else 1/(1 − rate), for each entry of x; from torch's default generator of the CPU."""
    dropped = min(round(rate * STEPS), STEPS - 1)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    numbers = words.view(torch.int16)[: x.numel()].view(x.shape)
    mask = torch.empty(x.shape, dtype=x.dtype)
    torch.ge(numbers, SMALLEST + dropped, out=mask)
    return mask.mul_(STEPS / (STEPS - dropped))
