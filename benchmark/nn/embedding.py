"""The embedding table of all fields, its division into sets, and the plain model of S parallel sets."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.contracts import Backbone, CTRModel, Layout, Output, Schema, UserError, no_penalty
from benchmark.nn.precise import float32, narrowed, widened
from benchmark.ops.embedding import embedding


def split(x: Tensor, sets: int) -> Tensor:
    """(B, N, S·d) -> (B, S, N, d): set s takes the columns s·d … (s+1)·d. A view."""
    return x.view(*x.shape[:2], sets, -1).transpose(1, 2)


def join(x: Tensor) -> Tensor:
    """(B, S, N, d) -> (B, N, S·d): the sets side by side; the inverse of ``split``."""
    return x.transpose(1, 2).flatten(2)


def mean_of_sets(x: Tensor) -> Tensor:
    """(B, S, H) -> (B, H); of one set it is that set, without a pass of its own."""
    return x.squeeze(1) if x.shape[1] == 1 else x.mean(1)


def layout_of_sets(method: str, sets: int | None, schema: Schema, scale: int, dimension: int) -> Layout:
    """The width scale · dimension divided into ``sets`` sets, None: one per base dimension. Raises UserError where it does not divide."""
    width, number = scale * dimension, scale if sets is None else sets
    if number < 1 or width % number:
        raise UserError(f"{method}: width {width} (scale {scale} x dimension {dimension}) is not divisible by {number} sets; change sets")
    return Layout(number, len(schema.fields), width // number)


def states_of(layers: nn.ModuleList, x0: Tensor, residual: bool) -> list[Tensor]:
    """States 0…L: every layer on the last state and the embedding x0 (B, S, F, d), plus the last state itself where ``residual``."""
    states = [x0]
    for layer in layers:
        term = layer(states[-1], x0)
        states.append(states[-1] + term if residual else term)
    return states


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
        if not self.scaled:
            return narrowed(embedding(ids, self.weight))
        return narrowed(embedding(self.row_of[ids], self.weight) * self.factor[ids].unsqueeze(2))


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


class ParallelSets(CTRModel):
    """S sets kept apart through all interaction layers, mean of their readouts, one head (Guo et al., ICML 2024).

    One set of the whole width is the single-embedding model. ``transform``, if any, maps the embedding (B, F, D) to what the sets are
    columns of; state 0 is its result. It computes in float32 and without autocast, whatever training computes in; what it has to say as
    ``diagnostics`` is the model's.
    """

    def __init__(self, schema: Schema, backbone: Backbone, layout: Layout, transform: nn.Module | None = None) -> None:
        super().__init__()
        self.sets = layout.sets
        self.residual = backbone.residual
        self.embedding = EmbeddingTable(schema, layout.sets * layout.dimension)
        self.transform = transform
        self.layers = nn.ModuleList(backbone.layer(index, layout) for index in range(len(backbone.shapes(layout)) - 1))
        self.readout = backbone.readout(layout)
        self.head = backbone.head(layout)

    def table(self) -> nn.Parameter:
        return self.embedding.weight

    def forward(self, ids: Tensor) -> Output:
        return self.from_embedding(self.embedding(ids))

    def from_embedding(self, x: Tensor) -> Output:
        """The model behind its table: x (B, F, D)"""
        if self.transform is not None:
            with float32(x.device.type):
                x = self.transform(widened(x)).to(x.dtype)
        x0 = split(x, self.sets).contiguous()  # one copy, or every layer reads it in leaps
        states = states_of(self.layers, x0, self.residual)
        logits = self.head(mean_of_sets(self.readout(states)))
        return Output(logits, tuple(states), no_penalty(logits))

    def diagnostics(self) -> dict[str, float]:
        found: dict[str, float] = getattr(self.transform, "diagnostics", dict)()
        return found
