"""The compressed interaction network layer of xDeepFM."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from benchmark.nn.products import bfloat16_units, bmm, plain_bmm
from benchmark.nn.switches import on
from benchmark.nn.threads import side_by_side

BLOCK = 1 << 19  # products held at once: two megabytes


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
        # bfloat16 halves the memory; with units for it blocks only cost.
        if x.device.type == "cpu" and not (x.dtype == torch.bfloat16 and bfloat16_units()) and on("cin"):
            maps: Tensor = _Compressed.apply(rows, rows0, self.weight)  # type: ignore[no-untyped-call]
        else:
            maps = bmm(self.weight, _products(rows, rows0))
        return maps.view(sets, -1, batch, dimension).permute(2, 0, 1, 3)


def _products(rows: Tensor, rows0: Tensor) -> Tensor:
    """(S, N, m), (S, F, m) -> (S, N·F, m)"""
    return (rows.unsqueeze(2) * rows0.unsqueeze(1)).flatten(1, 2)


class _Compressed(torch.autograd.Function):
    """The products of all pairs of rows take N times the memory of a layer's input. They are made in blocks that stay in the cache, and
    made again for the gradient.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, rows0: Tensor, weight: Tensor) -> Tensor:
        ctx.type, weight = weight.dtype, weight.to(rows.dtype)
        ctx.save_for_backward(rows, rows0, weight)
        out = rows.new_empty(*weight.shape[:2], rows.shape[2])
        parts = _blocks(rows, rows0)

        def compress(block: int) -> Tensor:
            part = parts[block]
            out[..., part] = plain_bmm(weight, _products(rows[..., part], rows0[..., part]))
            return out

        for _ in side_by_side(compress, len(parts)):
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
            d_products = plain_bmm(weight.mT, d).view(len(d), rows.shape[1], rows0.shape[1], -1)
            d_rows[..., part] = (d_products * right.unsqueeze(1)).sum(2)
            d_rows0[..., part] = d_products.mul_(left.unsqueeze(2)).sum(1)
            return plain_bmm(d, _products(left, right).mT)

        for d_part in side_by_side(differentiate, len(parts)):
            d_weight += d_part
        return d_rows, d_rows0, d_weight


def _blocks(rows: Tensor, rows0: Tensor) -> list[slice]:
    step = max(1, BLOCK // (rows.shape[0] * rows.shape[1] * rows0.shape[1]))
    return [slice(start, start + step) for start in range(0, rows.shape[2], step)]
