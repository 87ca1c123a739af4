"""Dropout whose masks cost little on a CPU."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.nn.switches import on

STEPS = 1 << 16  # of the drop probability


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
        if x.device.type != "cpu":
            return functional.dropout(x, self.rate)
        mask, scale = kept(x, self.rate)
        return x * mask.mul_(scale)


def kept(like: Tensor, rate: float) -> tuple[Tensor, float]:
    """(mask, scale): 0 with probability ``rate``, else 1, for each entry of ``like`` and in its type; and 1/(1 − rate) as rounded.

    The entries come from NumPy's SFC64, one integer of torch's default generator of the CPU being its seed: a mask follows
    ``torch.manual_seed``, and is drawn in half the time that torch's Mersenne twister takes.
    """
    if not on("dropout"):
        return torch.empty_like(like).bernoulli_(1 - rate), 1 / (1 - rate)
    dropped = min(round(rate * STEPS), STEPS - 1)
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.Generator(np.random.SFC64(seed)).integers(0, 2**64, -(-like.numel() // 4), dtype=np.uint64)
    numbers = torch.from_numpy(words.view(np.int16))[: like.numel()].view(like.shape)
    mask = torch.empty(like.shape, dtype=like.dtype)
    torch.ge(numbers, dropped - STEPS // 2, out=mask)
    return mask, STEPS / (STEPS - dropped)
