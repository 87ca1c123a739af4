"""Second moments of a batch's embeddings, one matrix a field. Matrices are (…, B, D): B samples of D numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.nn.embedding import join

SMALLEST_VARIANCE = 1e-12  # what varies less than this (a standard deviation of 1e-6) counts as constant


def by_field(state: Tensor) -> Tensor:
    """(B, S, N, d) -> (N, B, S·d): the batch matrix of each row, its sets side by side."""
    return join(state).transpose(0, 1)


def from_first(x: Tensor) -> Tensor:
    """(…, B, D) − its first row, which is taken as a constant.

    Covariances do not change by a shift, but their rounding does: a column that never varies becomes exactly 0, where the difference from
    its mean would be noise that a correlation then divides by itself.
    """
    return x - x[..., :1, :].detach()


def covariance(x: Tensor) -> Tensor:
    """(…, B, D) -> (…, D, D), divided by B − 1; zero for a single row. The means are taken out of the product, where that costs nothing."""
    x, count = from_first(x), x.shape[-2]
    sums = x.sum(-2)
    return (x.mT @ x - sums.unsqueeze(-1) * sums.unsqueeze(-2) / count) / max(count - 1, 1)


def correlation(matrix: Tensor) -> Tensor:
    """(…, D, D) covariances -> Pearson's correlations; 0 with what does not vary."""
    scale = matrix.diagonal(dim1=-2, dim2=-1).clamp_min(SMALLEST_VARIANCE).rsqrt()
    return matrix * scale.unsqueeze(-1) * scale.unsqueeze(-2)


def standardised(x: Tensor) -> Tensor:
    """(…, B, D) -> columns of mean 0 and length 1, whose products are Pearson's correlations; a column that does not vary becomes 0."""
    x = from_first(x)
    x = x - x.mean(-2, keepdim=True)
    return x * x.square().sum(-2, keepdim=True).clamp_min(SMALLEST_VARIANCE * x.shape[-2]).rsqrt()


def off_diagonal(matrix: Tensor) -> Tensor:
    """(…, D, D) with zeros on the diagonal."""
    return matrix - torch.diag_embed(matrix.diagonal(dim1=-2, dim2=-1))
