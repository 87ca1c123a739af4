"""What is trained: a model's sizes, and rows of random values for it. Throughput does not depend on what the labels say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts import Field, Schema

# Twelve fields with cardinalities like those of a small click log; 12,000 values together.
CARDINALITIES = (7000, 3000, 1000, 500, 200, 100, 80, 60, 30, 15, 10, 5)


@dataclass(frozen=True, kw_only=True)
class Work:
    """One training task. ``backbone`` names the model, ``options`` its sizes in this suite's terms."""

    method: str = "single_embedding"
    backbone: str = "dcnv2"
    options: dict[str, Any] = field(default_factory=dict)
    scale: int = 1
    dimension: int = 10
    cardinalities: tuple[int, ...] = CARDINALITIES
    batch: int = 4096
    batches: int = 12  # of one timed turn
    threads: int = 2

    @property
    def rows(self) -> int:
        return self.batch * self.batches

    @property
    def schema(self) -> Schema:
        return Schema(tuple(Field(f"f{n}", size) for n, size in enumerate(self.cardinalities)), 0.3)

    @cached_property
    def ids(self) -> NDArray[np.int32]:
        """(rows, F) local ids, Zipf-distributed as values of click logs are."""
        random = np.random.default_rng(0)
        columns = []
        for size in self.cardinalities:
            frequency = np.arange(1, size + 1) ** -1.1
            columns.append(random.choice(size, self.rows, p=frequency / frequency.sum()))
        return np.stack(columns, 1).astype(np.int32)

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """(rows,)"""
        return (np.random.default_rng(1).random(self.rows) < self.schema.positive_rate).astype(np.uint8)
