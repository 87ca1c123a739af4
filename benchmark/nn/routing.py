"""The inside of a RoBlock for a CPU: components, gates and mapped mixtures, in blocks that stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from benchmark.nn.threads import side_by_side

BLOCK = 1 << 18  # entries of the gated components, S·D for each row and sample, held at once: a megabyte


def route(x: Tensor, joint: Tensor, static: Tensor | None, maps: Tensor, components: int) -> Tensor:
    """e^(m)_n = Σ_k softmax_k(a_n[m,:] + x_n W_n[:,m,:])_k · (x_n P_n)_k U_{m,k}: (B, N, D) -> (B, S, N, d)

    joint: [P_n | W_n] (N, D, D + S·K), P_n's columns being the K components side by side; or P_n alone (N, D, D), without input gates.
    static: a_n (N, S·K), or None. maps: U (S, D, d), K blocks of D/K rows.

    The gated components take S times the memory of x. Written out for a whole batch they cost more time than all products of the
    block; so they are made block by block, and made again for the gradient.
    """
    result: Tensor = _Route.apply(x, joint, static, maps, components)  # type: ignore[no-untyped-call]
    return result


class _Route(torch.autograd.Function):
    """Inside a block samples are the innermost dimension, so that every product of gates and components is one of long vectors.

    The library's small products are several times as fast with the long side last: hence the copies of sets in and out of a block.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, joint: Tensor, static: Tensor | None, maps: Tensor, components: int) -> Tensor:
        ctx.save_for_backward(x, joint, static, maps)
        ctx.components = components
        out = x.new_empty(x.shape[0], len(maps), x.shape[1], maps.shape[2])

        def regenerate(row: int) -> Tensor:
            for part in _blocks(x, len(maps)):
                _, _, gated = _gated(x[part, row], joint[row], None if static is None else static[row], len(maps), components)
                out[part, :, row] = torch.bmm(maps.mT, gated).permute(2, 0, 1)
            return out

        for _ in side_by_side(regenerate, x.shape[1]):
            pass
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, joint, static, maps = ctx.saved_tensors
        components, sets, width = ctx.components, len(maps), x.shape[2]
        d_x, d_joint, d_maps = torch.empty_like(x), torch.zeros_like(joint), torch.zeros_like(maps)
        d_static = None if static is None else torch.zeros_like(static)
        has_scores = static is not None or joint.shape[2] > width

        def differentiate(row: int) -> Tensor:
            """The row's part of the gradient of the maps; the other gradients have a place for each row."""
            d_row_maps = torch.zeros_like(maps)
            for part in _blocks(x, sets):
                rows = x[part, row]
                z, gates, gated = _gated(rows, joint[row], None if static is None else static[row], sets, components)
                d_out = grad[part, :, row].permute(1, 2, 0).contiguous()  # (S, d, b)
                d_row_maps += torch.bmm(d_out, gated.mT).mT
                d_gated = torch.bmm(maps, d_out).view(sets, components, -1, len(rows))
                d_joined = x.new_empty(joint.shape[2], len(rows))
                torch.sum(d_gated * gates.unsqueeze(2), 0, out=d_joined[:width].view_as(z))
                if has_scores:
                    weighted = d_gated.mul_(z).sum(2).mul_(gates)
                    d_scores = weighted.sub_(gates * weighted.sum(1, keepdim=True)).view(-1, len(rows))  # (S·K, b)
                    d_joined[width:] = d_scores[: joint.shape[2] - width]
                    if d_static is not None:
                        d_static[row] += d_scores.sum(1)
                torch.mm(d_joined.T, joint[row].T, out=d_x[part, row])
                d_joint[row].addmm_(rows.T, d_joined.T)
            return d_row_maps

        for d_row_maps in side_by_side(differentiate, x.shape[1]):
            d_maps += d_row_maps
        return d_x, d_joint, d_static, d_maps, None


def _gated(x: Tensor, joint: Tensor, static: Tensor | None, sets: int, components: int) -> tuple[Tensor, Tensor, Tensor]:
    """One row of some samples, x (b, D) -> components (K, D/K, b), gates (S, K, b), gated components (S, D, b)"""
    count, width = x.shape
    joined = joint.T @ x.T
    z = joined[:width].view(components, -1, count)
    scores = joined[width:].view(sets, components, count) if len(joined) > width else x.new_zeros(sets, components, count)
    if static is not None:
        scores += static.view(sets, components, 1)
    gates = torch.softmax(scores, dim=1)
    return z, gates, (gates.unsqueeze(2) * z).view(sets, width, count)


def _blocks(x: Tensor, sets: int) -> Iterator[slice]:
    """So many samples of a row at a time as a block takes."""
    step = max(1, BLOCK // (sets * x.shape[2]))
    for start in range(0, len(x), step):
        yield slice(start, start + step)
