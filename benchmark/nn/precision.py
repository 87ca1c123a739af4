"""The type that parts of a model compute in. Some want float32 whatever training computes in: variances, determinants, power iteration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from benchmark.ops import dispatch


@contextmanager
def float32(device: str) -> Iterator[None]:
    """Within it no autocast, and on a GPU no TensorFloat-32. It holds for the forward pass; gradients run in the precision of training."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def widened(x: Tensor) -> Tensor:
    """bfloat16 as float32; any other type as it is, float64 among them."""
    return x.float() if x.dtype == torch.bfloat16 else x


def narrowed(x: Tensor) -> Tensor:
    """In autocast's type where it is on, so that all that follows is."""
    return x.to(dispatch.product_type(x))
