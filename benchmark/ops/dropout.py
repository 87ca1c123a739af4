"""Dropout whose masks cost little on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmark.ops import dispatch

TYPES = (torch.float32, torch.bfloat16)
STEPS = 1 << 16  # of the drop probability


def dropout(x: Tensor, rate: float, training: bool = True) -> Tensor:
    """x ⊙ m / (1 − rate) in training, each entry of m being 0 with probability ``rate`` and else 1; else x itself. Any shape."""
    if not training or rate == 0:
        return x
    if x.device.type != "cpu":  # torch has a fused form of its own there
        return functional.dropout(x, rate)
    return fused(x, rate) if dispatch.enabled("dropout") else plain(x, rate)


def mask(like: Tensor, rate: float) -> tuple[Tensor, float]:
    """A mask for other fused forms, which draw it from the same place: m in the shape and type of ``like``, and 1/(1 − rate)."""
    return sfc64(like, rate) if dispatch.enabled("dropout") else bernoulli(like, rate)


def plain(x: Tensor, rate: float) -> Tensor:
    kept, scale = bernoulli(x, rate)
    return x * (kept * scale)


def fused(x: Tensor, rate: float) -> Tensor:
    kept, scale = sfc64(x, rate)
    return x * kept.mul_(scale)


def bernoulli(like: Tensor, rate: float) -> tuple[Tensor, float]:
    """m and 1/(1 − rate), from torch's generator: one Bernoulli draw an entry, a large part of a small model's step (``speed step``)."""
    return torch.empty_like(like).bernoulli_(1 - rate), 1 / (1 - rate)


def sfc64(like: Tensor, rate: float) -> tuple[Tensor, float]:
    """m and 1/(1 − rate), the rate rounded to a multiple of 2⁻¹⁶ in both: one 64-bit integer gives four entries.

    The integers come from NumPy's SFC64, one of torch's default generator of the CPU being its seed: a mask follows
    ``torch.manual_seed``, and is drawn in half the time that torch's Mersenne twister takes.
    """
    dropped = min(round(rate * STEPS), STEPS - 1)
    seed = int(torch.randint(2**63 - 1, ()))
    words = np.random.Generator(np.random.SFC64(seed)).integers(0, 2**64, -(-like.numel() // 4), dtype=np.uint64)
    numbers = torch.from_numpy(words.view(np.int16))[: like.numel()].view(like.shape)
    kept = torch.empty(like.shape, dtype=like.dtype)
    torch.ge(numbers, dropped - STEPS // 2, out=kept)
    return kept, STEPS / (STEPS - dropped)


def examples(dtype: torch.dtype, generator: torch.Generator) -> list[dict[str, Any]]:
    return [
        {"x": torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype), "rate": rate}
        for shape, rate in (((7, 9), 0.5), ((5, 2, 3), 0.25))
    ]
