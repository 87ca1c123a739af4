"""The batched matrix product, also in bfloat16 where a CPU has no units for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from benchmark.ops import dispatch

TYPES = (torch.float32, torch.bfloat16)


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """a[s] b[s]: (S, n, k), (S, k, m) -> (S, n, m), in autocast's type where it is on"""
    dtype = dispatch.product_type(a)
    if dtype != a.dtype or dtype != b.dtype:
        a, b = a.to(dtype), b.to(dtype)
    return fused(a, b) if lacks_units(a) and dispatch.enabled("bmm") else plain(a, b)


def plain(a: Tensor, b: Tensor) -> Tensor:
    return torch.bmm(a, b)


def fused(a: Tensor, b: Tensor) -> Tensor:
    """Of two tensors of one type, whatever autocast says."""
    result: Tensor = _Bmm.apply(a, b)  # type: ignore[no-untyped-call]
    return result


class _Bmm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return batched_product(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return batched_product(grad, b.mT), batched_product(a.mT, grad)


def batched_product(a: Tensor, b: Tensor) -> Tensor:
    """What fused forms multiply with: two tensors of one type, whatever autocast says; without gradients."""
    if lacks_units(a):
        return batched_product(a.float(), b.float()).to(a.dtype)
    return torch.bmm(a, b, out=a.new_empty(len(a), a.shape[1], b.shape[2]))  # autocast leaves products into a given place alone


def lacks_units(x: Tensor) -> bool:
    """Whether to multiply float32 copies and round the sums: what units for bfloat16 do, but 20 times as fast as torch without them.

    Products of two bfloat16 numbers are exact in float32, and both add them up in float32: they differ in the order of the sums alone.
    """
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and not dispatch.bfloat16_units()


def examples(dtype: torch.dtype, generator: torch.Generator) -> list[dict[str, Any]]:
    return [
        {
            "a": torch.randn(count, n, k, generator=generator, dtype=torch.float64).to(dtype),
            "b": torch.randn(count, k, m, generator=generator, dtype=torch.float64).to(dtype),
        }
        for count, n, k, m in ((1, 5, 7, 3), (3, 8, 40, 6))
    ]
