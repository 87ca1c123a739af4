"""What is trained: a model's sizes, and rows of random values for it. Throughput does not depend on what the labels say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.config import Precision
from benchmark.schema import Field, Schema

# Cardinalities by name, all made up. small: twelve fields like those of a small click log, 12,000 values. criteo: 13 numeric fields with
# one row each and 26 categorical ones, as Criteo_x1 has (BARS), two million values.
SHAPES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "small": (7000, 3000, 1000, 500, 200, 100, 80, 60, 30, 15, 10, 5),
        "criteo": (1,) * 13
        + (700_000, 500_000, 350_000, 200_000, 130_000, 90_000, 50_000, 30_000, 15_000, 10_000, 5_000, 3_000, 1_500)
        + (1_000, 600, 500, 300, 100, 60, 30, 20, 15, 10, 4, 4, 3),
    }
)
BLOCK = 1 << 20  # rows drawn at once


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One training task. ``backbone`` names the model, ``options`` its sizes in this suite's terms."""

    method: str = "single_embedding"
    backbone: str = "dcnv2"
    options: dict[str, Any] = field(default_factory=dict)
    scale: int = 1
    sets: int | None = None  # of multi-embedding and RoBlock; None: one per base dimension
    dimension: int = 10
    cardinalities: tuple[int, ...] = SHAPES["small"]
    batch: int = 4096
    batches: int = 6  # of one timed turn
    threads: int = 2
    precision: Precision = "fp32"

    @property
    def rows(self) -> int:
        return self.batch * self.batches

    @property
    def schema(self) -> Schema:
        return Schema(tuple(Field(f"f{n}", size) for n, size in enumerate(self.cardinalities)), 0.3)

    @cached_property
    def ids(self) -> NDArray[np.int32]:
        """(rows, F) local ids, as skewed as values of click logs are: value k with probability log((k+2)/(k+1))/log(V+1), nearly 1/k."""
        random = np.random.default_rng(0)
        sizes = np.array(self.cardinalities)
        ids = np.empty((self.rows, len(sizes)), np.int32)
        for start in range(0, self.rows, BLOCK):
            part = ids[start : start + BLOCK]
            part[:] = np.minimum((sizes + 1) ** random.random(part.shape) - 1, sizes - 1)
        return ids

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """(rows,)"""
        return (np.random.default_rng(1).random(self.rows) < self.schema.positive_rate).astype(np.uint8)
