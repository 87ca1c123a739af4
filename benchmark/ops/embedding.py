"""Rows of the embedding table, one gather a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from benchmark.ops import dispatch

TYPES = (torch.float32,)  # of the table, whatever training computes in


def embedding(ids: Tensor, weight: Tensor) -> Tensor:
    """E[ids[b,f]]: (B, F) rows of the table (V, D) -> (B, F, D)"""
    return fused(ids, weight) if ids.device.type == "cpu" and dispatch.enabled("embedding") else plain(ids, weight)


def plain(ids: Tensor, weight: Tensor) -> Tensor:
    return functional.embedding(ids, weight)


def fused(ids: Tensor, weight: Tensor) -> Tensor:
    result: Tensor = _Embedding.apply(ids, weight)  # type: ignore[no-untyped-call]
    return result


class _Embedding(torch.autograd.Function):
    """On a CPU torch's own gradient walks through the table's rows; this one through the batch's."""

    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.like = weight.shape
        return functional.embedding(ids, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        (ids,) = ctx.saved_tensors
        return None, grad.new_zeros(ctx.like).index_add_(0, ids.flatten().long(), grad.flatten(0, 1))


def examples(dtype: torch.dtype, generator: torch.Generator) -> list[dict[str, Any]]:
    return [
        {
            "ids": torch.randint(values - 1, (batch, fields), generator=generator, dtype=kind),  # some often, the last one never
            "weight": torch.randn(values, width, generator=generator, dtype=dtype),
        }
        for values, batch, fields, width in ((9, 50, 4, 3), (40, 6, 1, 8))
        for kind in (torch.int32, torch.int64)
    ]
