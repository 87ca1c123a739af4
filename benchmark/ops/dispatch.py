"""What decides between the forms of an operation: its switch, and what the CPU can do. Fast forms must be shown to be the same.

``BENCHMARK_WITHOUT=dropout,routing`` takes the plain form of those named; records say which were off.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from benchmark.values import one_of

# The environment is read once, but not on import: a wrong name in it is to be an error of the command that meets it.
_off: frozenset[str] | None = None


def names() -> tuple[str, ...]:
    """The operations, sorted: the files beside this one. Imports none of them."""
    beside = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in beside if not name.startswith("_") and name != Path(__file__).stem))


def enabled(name: str) -> bool:
    """Whether the fused form of the operation may run. Raises UserError where BENCHMARK_WITHOUT has an unknown name."""
    return name not in _switches()


def without() -> tuple[str, ...]:
    """The operations whose fused form is off, sorted. Raises UserError where BENCHMARK_WITHOUT has an unknown name."""
    return tuple(sorted(_switches()))


@contextmanager
def switched_off(named: Collection[str]) -> Iterator[None]:
    """Within it just the named operations' fused forms are off, whatever the environment says. Raises UserError for an unknown one."""
    global _off
    before, _off = _off, frozenset(_checked(named))
    try:
        yield
    finally:
        _off = before


def _switches() -> frozenset[str]:
    global _off
    if _off is None:
        _off = frozenset(_checked(name.strip() for name in os.environ.get("BENCHMARK_WITHOUT", "").split(",") if name.strip()))
    return _off


def _checked(named: Collection[str] | Iterator[str]) -> list[str]:
    return [one_of("operation", name, names(), "BENCHMARK_WITHOUT") for name in named]


def product_type(x: Tensor) -> torch.dtype:
    """The type that x is multiplied in: autocast's where it is on, else its own."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


@cache
def bfloat16_units() -> bool:
    """Whether torch multiplies bfloat16 fast on this CPU. An AVX2 processor has no instructions for it, and torch then adds one by one."""
    return torch.backends.cpu.get_cpu_capability() != "AVX2"
