"""What the machine can do at most, measured as the trainings are: same library, same threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmark.ops.bmm import batched_product

SIZE = 2048


@dataclass(frozen=True)
class Machine:
    """products, products_bf16: FLOP per second of square matrix products of 2,048 (a product of n counts 2n³); copies: bytes per second,
    read and written, of copying 256 MiB. Each is the best of five.
    """

    products: float
    products_bf16: float
    copies: float
    threads: int

    def __str__(self) -> str:
        rates = f"{self.products / 1e9:.0f} in fp32, {self.products_bf16 / 1e9:.0f} in bf16 GFLOP/s of products"
        return f"{rates}, {self.copies / 1e9:.0f} GB/s of copies ({self.threads} threads)"


def measure(device: torch.device, threads: int) -> Machine:
    """With that many torch threads, which stay set."""
    torch.set_num_threads(threads)
    source = torch.zeros(1 << 26, device=device)
    target = torch.empty_like(source)
    copies = 2 * source.nbytes / _best(lambda: target.copy_(source), device)
    return Machine(_products(device, torch.float32), _products(device, torch.bfloat16), copies, threads)


def _products(device: torch.device, dtype: torch.dtype) -> float:
    a, b = (torch.randn(1, SIZE, SIZE, device=device).to(dtype) for _ in range(2))
    return 2 * SIZE**3 / _best(lambda: batched_product(a, b), device)  # as the layers multiply: a CPU may have no units for bfloat16


def _best(action: Callable[[], object], device: torch.device, turns: int = 5) -> float:
    times = []
    for _ in range(turns + 1):
        started = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])
