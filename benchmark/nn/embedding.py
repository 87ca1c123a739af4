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
    without bias); missing is 0. That of a multi-valued field is the sum of the rows of its bag, as FuxiCTR's MaskedSumPooling has it, or
    that over their number.
    """

    row_of: Tensor  # (ids,) int32: of each global id its row, of a bag the first one
    factor: Tensor  # (ids,): what an id's row, or the sum of its rows, is multiplied by
    columns: Tensor  # (M,): the multi-valued fields
    start: Tensor  # (ids + 1,) int32: where in ``more`` an id's other rows start, and so where those of the one before end
    more: Tensor  # int32: the other rows of all bags
    steps: Tensor  # (L - 1,): 0, 1, …; L rows has the largest bag

    def __init__(self, schema: Schema, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(schema.values, width))
        buffers = {} if schema.factors is None and schema.bags is None else _rows_and_factors(schema)
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)
        self.direct = not buffers  # an id is a row
        self.pooled = "more" in buffers

    def forward(self, ids: Tensor) -> Tensor:
        """(B, F) global ids -> (B, F, D); of autocast's type where it is on, so that all activations after it are"""
        if self.direct:
            return narrowed(embedding(ids, self.weight))
        if not self.pooled:
            return narrowed(embedding(self.row_of[ids], self.weight) * self.factor[ids].unsqueeze(2))
        rows, there = self._members(ids)
        # One gather for all: the gradient of a second one would be a second table.
        first, others = torch.split(embedding(rows.unsqueeze(1), self.weight).squeeze(1), [ids.numel(), there.numel()])
        summed = others.view(*there.shape, -1).masked_fill(~there.unsqueeze(3), 0).sum(2)
        pooled = first.view(*ids.shape, -1).index_add(1, self.columns, summed)
        return narrowed(pooled * self.factor[ids].unsqueeze(2))

    def rows(self, ids: Tensor) -> Tensor:
        """(B, F) global ids -> (n,) the rows of the table that they stand for. One may be there several times: n is the same for any B."""
        if self.pooled:
            return self._members(ids)[0]
        return (ids if self.direct else self.row_of[ids]).flatten()

    def occurrences(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F) global ids -> ``rows`` (n,) as int64, and for each 1 or 0 (n,), float32: whether the row takes part in its sample. One
        that only fills the place of a bag's missing member does not, nor that of a scaled field whose number is 0 or missing.
        """
        if self.direct:
            return ids.flatten().long(), torch.ones(ids.numel(), device=ids.device)
        counts = self.factor[ids] != 0
        if not self.pooled:
            return self.row_of[ids].flatten().long(), counts.flatten().float()
        rows, there = self._members(ids)
        return rows.long(), torch.cat([counts.flatten(), (there & counts[:, self.columns].unsqueeze(2)).flatten()]).float()

    def _members(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F) -> the rows that the ids have, the first ones (B · F), then the others (B · M · (L - 1)), and which of the others are
        there (B, M, L - 1): in the place of one that is not is the bag's first. So nothing depends on how many there are, for which a GPU
        would have to be waited for.
        """
        first, bags = self.row_of[ids], ids[:, self.columns]
        at = self.start[bags].unsqueeze(2) + self.steps
        there = at < self.start[bags + 1].unsqueeze(2)
        others = torch.where(there, self.more[at.clamp_max(len(self.more) - 1)], first[:, self.columns].unsqueeze(2))
        return torch.cat([first.flatten(), others.flatten()]), there


def _rows_and_factors(schema: Schema) -> dict[str, Tensor]:
    """Buffers of ``EmbeddingTable``; those from ``columns`` on only where a bag has more than one row."""
    row_of, factor, others = np.empty(schema.ids, np.int32), np.ones(schema.ids, np.float32), np.zeros(schema.ids, np.int64)
    more = []
    bags = schema.bags_of()
    row = start = taken = 0
    for place, field in enumerate(schema.fields):
        of_field = slice(start, start + field.ids)
        if place in bags:
            sizes, members = bags[place]
            first = np.cumsum(sizes) - sizes
            row_of[of_field] = row + members[first]
            others[of_field] = sizes - 1
            more.append(row + np.delete(members, first))
            factor[of_field] = 1 / sizes if field.pooling == "mean" else 1
        elif field.factors:
            assert schema.factors is not None
            row_of[of_field] = row
            factor[of_field] = schema.factors[taken : taken + field.factors]
        else:
            row_of[of_field] = np.arange(row, row + field.cardinality)
        row, start, taken = row + field.cardinality, start + field.ids, taken + field.factors
    buffers = {"row_of": row_of, "factor": factor}
    if others.any():
        places = np.array(list(bags))
        starts = np.concatenate([[0], np.cumsum(others)]).astype(np.int32)
        buffers |= {"columns": places, "start": starts, "more": np.concatenate(more).astype(np.int32), "steps": np.arange(others.max())}
    return {name: torch.from_numpy(value) for name, value in buffers.items()}
