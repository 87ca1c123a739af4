"""Optimisations of the layers, each with a switch: what is faster must be shown to be the same.

``BENCHMARK_WITHOUT=dropout,routing`` takes the plain path for those named; records say which were off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.values import known

NAMES = (
    "cin",  # products of rows in cache-sized blocks (benchmark/nn/cin.py)
    "dropout",  # masks from 16-bit integers (benchmark/nn/dropout.py)
    "embedding",  # the table's gradient by one index_add (benchmark/nn/embedding.py)
    "hidden",  # product, batch normalisation, ReLU and dropout in one function (benchmark/nn/hidden.py)
    "routing",  # RoBlock's rebalancing, turn, gates and maps in one cache-blocked pass (benchmark/nn/routing.py)
)


def without() -> tuple[str, ...]:
    """The optimisations that are off, sorted. Raises UserError for an unknown name."""
    named = [name.strip() for name in os.environ.get("BENCHMARK_WITHOUT", "").split(",") if name.strip()]
    return tuple(sorted({known("optimisation", name, NAMES, "BENCHMARK_WITHOUT") for name in named}))


@contextmanager
def switched_off(names: str) -> Iterator[None]:
    """Within it just the named optimisations (comma-separated) are off."""
    before = os.environ.get("BENCHMARK_WITHOUT")
    os.environ["BENCHMARK_WITHOUT"] = names
    try:
        yield
    finally:
        if before is None:
            del os.environ["BENCHMARK_WITHOUT"]
        else:
            os.environ["BENCHMARK_WITHOUT"] = before


def on(name: str) -> bool:
    """Whether the optimisation of that name is to be used."""
    return name not in without()
