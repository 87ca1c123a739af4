"""What the machine can do at most, measured as the trainings are: same library, same threads."""

from __future__ import annotations

import time

import torch

SIZE = 2048


def product_rate(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """FLOP per second of square matrix products of 2,048, the best of five (a product of n counts 2n³)."""
    a, b = (torch.randn(SIZE, SIZE, device=device).to(dtype) for _ in range(2))
    return 2 * SIZE**3 / _best(lambda: a @ b, device)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes per second, read and written, of copying 256 MiB, the best of five."""
    a = torch.zeros(1 << 26, device=device)
    b = torch.empty_like(a)
    return 2 * a.nbytes / _best(lambda: b.copy_(a), device)


def _best(action: object, device: torch.device, turns: int = 5) -> float:
    assert callable(action)
    times = []
    for _ in range(turns + 1):
        started = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])
