"""The inside of a RoBlock: components, gates and mapped mixtures; on a CPU in blocks that stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from benchmark.ops import dispatch
from benchmark.ops._blocks import map_blocks

TYPES = (torch.float32,)  # RoBlock's blocks compute in it, whatever training does
BLOCK = 1 << 18  # entries of the gated components, S·D for each row and sample, held at once: a megabyte


def routing(x: Tensor, basis: Tensor, by_input: Tensor | None, static: Tensor | None, maps: Tensor | None, components: int) -> Tensor:
    """e^(m)_n = Σ_k softmax_k(a_n[m,:] + x_n W_n[:,m,:])_k · (x_n P_n)_k U_{m,k}: (B, N, D) -> (B, S, N, d)

    basis: P_n (N, D, D), its columns being the K components side by side. by_input: W_n (N, D, S·K), static: a_n (N, S, K); None: that
    term is left out, but not both. maps: U (S, D, d), K blocks of D/K rows; None: the identity in each, for which K = S.
    """
    if maps is not None and x.device.type == "cpu" and dispatch.enabled("routing"):
        return fused(x, basis, by_input, static, maps, components)
    return plain(x, basis, by_input, static, maps, components)


def plain(x: Tensor, basis: Tensor, by_input: Tensor | None, static: Tensor | None, maps: Tensor | None, components: int) -> Tensor:
    return mixture(gates(x, by_input, static, components), decoupled(x, basis, components), maps)


def decoupled(x: Tensor, basis: Tensor, components: int) -> Tensor:
    """z_{n,k} = (x_n P_n)_k: (B, N, D), (N, D, D) -> (B, N, K, D/K)"""
    return _by_row(x, basis).reshape(*x.shape[:2], components, -1)


def gates(x: Tensor, by_input: Tensor | None, static: Tensor | None, components: int) -> Tensor:
    """softmax_k(a_n[m,:] + x_n W_n[:,m,:]): (B, N, D) -> (B or, without W, 1, N, S, K); sums over k are one"""
    scores = x.new_zeros(()) if static is None else static.unsqueeze(0)
    if by_input is not None:
        scores = scores + _by_row(x, by_input).reshape(*x.shape[:2], -1, components)
    return torch.softmax(scores, dim=3)


def mixture(gates: Tensor, z: Tensor, maps: Tensor | None) -> Tensor:
    """Σ_k g_n[m,k] z_{n,k} U_{m,k}: (B or 1, N, S, K), (B, N, K, D/K), (S, D, d) -> (B, S, N, d)"""
    if maps is None:
        return torch.einsum("bnmk,bnke->bmne", gates.expand(len(z), -1, -1, -1), z)
    gated = (gates.unsqueeze(4) * z.unsqueeze(2)).flatten(3)  # (B, N, S, D)
    # The maps once for each row: the gradient of one map is then N sums over B samples instead of one over B·N, which a GPU would leave
    # to a handful of its processors.
    return torch.einsum("bnmi,nmie->bmne", gated, maps.expand(gated.shape[1], -1, -1, -1))


def _by_row(x: Tensor, matrix: Tensor) -> Tensor:
    """x_n M_n: (B, N, D), (N, D, C) -> (B, N, C)"""
    return torch.bmm(x.transpose(0, 1), matrix).transpose(0, 1)


def fused(x: Tensor, basis: Tensor, by_input: Tensor | None, static: Tensor | None, maps: Tensor, components: int) -> Tensor:
    """The gated components take S times the memory of x. Written out for a whole batch they cost more time than all products of the
    block; so they are made block by block, and made again for the gradient. Components and the gates' scores come from one product.
    """
    joint = basis if by_input is None else torch.cat((basis, by_input), 2)
    scores = None if static is None else static.flatten(1)
    result: Tensor = _Routing.apply(x, joint, scores, maps, components)  # type: ignore[no-untyped-call]
    return result


class _Routing(torch.autograd.Function):
    """joint: [P_n | W_n] (N, D, D + S·K) or P_n alone; static: a_n (N, S·K).

    Inside a block samples are the innermost dimension, so that every product of gates and components is one of long vectors. The
    library's small products are several times as fast with the long side last: hence the copies of sets in and out of a block.
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

        for _ in map_blocks(regenerate, x.shape[1]):
            pass
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, joint, static, maps = ctx.saved_tensors
        components, sets, width = ctx.components, len(maps), x.shape[2]
        d_x, d_joint, d_maps = torch.empty_like(x), torch.zeros_like(joint), torch.zeros_like(maps)
        d_static = None if static is None else torch.zeros_like(static)

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
                weighted = d_gated.mul_(z).sum(2).mul_(gates)
                d_scores = weighted.sub_(gates * weighted.sum(1, keepdim=True)).view(-1, len(rows))  # (S·K, b)
                d_joined[width:] = d_scores[: joint.shape[2] - width]
                if d_static is not None:
                    d_static[row] += d_scores.sum(1)
                torch.mm(d_joined.T, joint[row].T, out=d_x[part, row])
                d_joint[row].addmm_(rows.T, d_joined.T)
            return d_row_maps

        for d_row_maps in map_blocks(differentiate, x.shape[1]):
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


def examples(dtype: torch.dtype, generator: torch.Generator) -> list[dict[str, Any]]:
    return [
        {
            "x": torch.randn(batch, rows, width, generator=generator, dtype=dtype),
            "basis": torch.randn(rows, width, width, generator=generator, dtype=dtype),
            "by_input": torch.randn(rows, width, sets * components, generator=generator, dtype=dtype) if "by_input" in has else None,
            "static": torch.randn(rows, sets, components, generator=generator, dtype=dtype) if "static" in has else None,
            "maps": torch.randn(sets, width, width // sets, generator=generator, dtype=dtype),
            "components": components,
        }
        for batch, rows, width, sets, components in ((23, 3, 8, 2, 4), (9, 1, 6, 3, 2))
        for has in (("by_input", "static"), ("by_input",), ("static",))
    ]
