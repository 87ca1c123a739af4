"""The compressed interaction of xDeepFM, in blocks that stay in a CPU's cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from benchmark.ops import dispatch
from benchmark.ops._blocks import map_blocks
from benchmark.ops.bmm import batched_product, bmm

TYPES = (torch.float32, torch.bfloat16)
BLOCK = 1 << 19  # products held at once: two megabytes


def cin(x: Tensor, x0: Tensor, weight: Tensor) -> Tensor:
    """Σ_nf W[s,h,n·F+f] (x[b,s,n] ⊙ x0[b,s,f]): (B, S, N, d), (B, S, F, d), (S, H, N·F) -> (B, S, H, d)"""
    # bfloat16 halves the memory; with units for it blocks only cost.
    by_blocks = x.device.type == "cpu" and not (x.dtype == torch.bfloat16 and dispatch.bfloat16_units())
    return fused(x, x0, weight) if by_blocks and dispatch.enabled("cin") else plain(x, x0, weight)


def plain(x: Tensor, x0: Tensor, weight: Tensor) -> Tensor:
    return _samples_outermost(bmm(weight, _products(_rows_outermost(x), _rows_outermost(x0))), x)


def fused(x: Tensor, x0: Tensor, weight: Tensor) -> Tensor:
    """The products of all pairs of rows take N times the memory of a layer's input. They are made in blocks that stay in the cache, and
    made again for the gradient.
    """
    maps: Tensor = _CIN.apply(_rows_outermost(x), _rows_outermost(x0), weight)  # type: ignore[no-untyped-call]
    return _samples_outermost(maps, x)


def _rows_outermost(x: Tensor) -> Tensor:
    """(B, S, N, d) -> (S, N, B·d): one long product per set replaces B·S small ones."""
    return x.permute(1, 2, 0, 3).reshape(x.shape[1], x.shape[2], -1)


def _samples_outermost(maps: Tensor, like: Tensor) -> Tensor:
    """(S, H, B·d) -> (B, S, H, d), with the sizes of ``like``; a view."""
    batch, sets, _, dimension = like.shape
    return maps.view(sets, -1, batch, dimension).permute(2, 0, 1, 3)


def _products(rows: Tensor, rows0: Tensor) -> Tensor:
    """(S, N, m), (S, F, m) -> (S, N·F, m)"""
    return (rows.unsqueeze(2) * rows0.unsqueeze(1)).flatten(1, 2)


class _CIN(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, rows0: Tensor, weight: Tensor) -> Tensor:
        ctx.type, weight = weight.dtype, weight.to(rows.dtype)
        ctx.save_for_backward(rows, rows0, weight)
        out = rows.new_empty(*weight.shape[:2], rows.shape[2])
        parts = _blocks(rows, rows0)

        def compress(block: int) -> Tensor:
            part = parts[block]
            out[..., part] = batched_product(weight, _products(rows[..., part], rows0[..., part]))
            return out

        for _ in map_blocks(compress, len(parts)):
            pass
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, rows0, weight = ctx.saved_tensors
        d_rows, d_rows0, d_weight = torch.empty_like(rows), torch.empty_like(rows0), torch.zeros_like(weight, dtype=ctx.type)
        parts = _blocks(rows, rows0)

        def differentiate(block: int) -> Tensor:
            """The block's part of the gradient of the weight."""
            part = parts[block]
            left, right, d = rows[..., part], rows0[..., part], grad[..., part].contiguous()
            d_products = batched_product(weight.mT, d).view(len(d), rows.shape[1], rows0.shape[1], -1)
            d_rows[..., part] = (d_products * right.unsqueeze(1)).sum(2)
            d_rows0[..., part] = d_products.mul_(left.unsqueeze(2)).sum(1)
            return batched_product(d, _products(left, right).mT)

        for d_part in map_blocks(differentiate, len(parts)):
            d_weight += d_part
        return d_rows, d_rows0, d_weight


def _blocks(rows: Tensor, rows0: Tensor) -> list[slice]:
    step = max(1, BLOCK // (rows.shape[0] * rows.shape[1] * rows0.shape[1]))
    return [slice(start, start + step) for start in range(0, rows.shape[2], step)]


def examples(dtype: torch.dtype, generator: torch.Generator) -> list[dict[str, Any]]:
    wide = torch.promote_types(dtype, torch.float32)  # of parameters, which stay float32 where training computes in bfloat16
    return [
        {
            "x": torch.randn(batch, sets, rows, dimension, generator=generator, dtype=wide).to(dtype),
            "x0": torch.randn(batch, sets, fields, dimension, generator=generator, dtype=wide).to(dtype),
            "weight": torch.randn(sets, maps, rows * fields, generator=generator, dtype=wide),
        }
        for batch, sets, rows, fields, dimension, maps in ((6, 3, 2, 4, 5, 5), (7, 1, 3, 2, 4, 1))
    ]
