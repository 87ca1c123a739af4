"""The embedding table of all fields, and its division into sets."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.nn.precision import narrowed
from benchmark.ops.embedding import embedding
from benchmark.schema import Schema


def split(x: Tensor, sets: int) -> Tensor:
    """(B, N, S·d) -> (B, S, N, d): set s takes the columns s·d … (s+1)·d. A view."""
    return x.view(*x.shape[:2], sets, -1).transpose(1, 2)


def join(x: Tensor) -> Tensor:
    """(B, S, N, d) -> (B, N, S·d): the sets side by side; the inverse of ``split``."""
    return x.transpose(1, 2).flatten(2)


def mean_of_sets(x: Tensor) -> Tensor:
    """(B, S, H) -> (B, H); of one set it is that set, without a pass of its own."""
    return x.squeeze(1) if x.shape[1] == 1 else x.mean(1)


class EmbeddingTable(nn.Module):
    """One table (V, D) for all fields: one gather a batch. Training draws the initial values (``Training.embedding_std``).

    The embedding of a scaled field is its one row times the number, as FuxiCTR has it for numeric features (a linear layer of one input
    without bias); missing is 0.
    """

    row_of: Tensor
    factor: Tensor

    def __init__(self, schema: Schema, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(schema.values, width))
        self.scaled = schema.factors is not None
        if self.scaled:
            row_of, factor = _rows_and_factors(schema)
            self.register_buffer("row_of", row_of, persistent=False)
            self.register_buffer("factor", factor, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, F) global ids -> (B, F, D); of autocast's type where it is on, so that all activations after it are"""
        rows = embedding(self.rows(ids), self.weight)
        return narrowed(rows * self.factor[ids].unsqueeze(2) if self.scaled else rows)

    def rows(self, ids: Tensor) -> Tensor:
        """Global ids -> the rows of the table that they stand for, of the same shape."""
        return self.row_of[ids] if self.scaled else ids


def _rows_and_factors(schema: Schema) -> tuple[Tensor, Tensor]:
    """For each global id its row of the table, int32, and what that row is multiplied by, float32."""
    assert schema.factors is not None
    row_of, factor = np.empty(schema.ids, np.int32), np.ones(schema.ids, np.float32)
    row = start = taken = 0
    for field in schema.fields:
        size = field.factors or field.cardinality
        row_of[start : start + size] = row if field.factors else np.arange(row, row + size)
        factor[start : start + field.factors] = schema.factors[taken : taken + field.factors]
        row, start, taken = row + field.cardinality, start + size, taken + field.factors
    return torch.tensor(row_of), torch.tensor(factor)
