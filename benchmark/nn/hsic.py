"""The Hilbert-Schmidt Independence Criterion between components (Gretton et al. 2005; unbiased: Song et al., JMLR 2012, eq. 5).

Shapes: z is (m, N, K, e), m samples of K components with e numbers each, for each of N rows. Results are (N, K, K).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from benchmark.nn.covariance import off_diagonal

Kernel = Literal["rbf", "linear"]
TINY = 1e-30


def kernel_matrices(z: Tensor, kernel: Kernel) -> Tensor:
    """(m, N, K, e) -> (N, K, m, m).

    rbf: exp(−‖x−y‖²/w), bandwidth w = median of the squared distances between different points, without gradient. Fields are skewed: where
    one value has more than 71 % of the instances, the median of all distances is 0, and a bandwidth next to 0 makes the kernel an
    indicator of equal ids, the same for all components: normalised HSIC 1, whatever the basis, and no gradient.
    """
    points = (z - z[:1]).permute(1, 2, 0, 3)  # from the first point: a constant row is exactly 0, and not its rounding
    gram = points @ points.transpose(2, 3)
    if kernel == "linear":
        return gram
    squares = gram.diagonal(dim1=2, dim2=3)
    distances = (squares.unsqueeze(3) + squares.unsqueeze(2) - 2 * gram).clamp_min(0)
    with torch.no_grad():
        # Equal points may come out at their rounding instead of 0.
        apart = distances > 1e-5 * (squares.unsqueeze(3) + squares.unsqueeze(2))
        mean = (distances * apart).sum((2, 3)) / apart.sum((2, 3)).clamp_min(1)
        few = min(z.shape[0], 64)  # 2,016 pairs place the median well enough; sorting all m² would cost more than the kernel
        pairs = torch.triu_indices(few, few, 1, device=z.device)
        some = distances[:, :, pairs[0], pairs[1]].masked_fill(~apart[:, :, pairs[0], pairs[1]], torch.nan)
        median = some.nanmedian(2).values
        # The mean is of all of them: where the few are equal and a later one is not, it stands in for the median.
        bandwidth = torch.maximum(torch.where(median.isnan(), mean, median), 1e-3 * mean).clamp_min(TINY)
        # Of a component that is the same for all samples any width gives a kernel of ones; by a tiny one its gradient would be 0 · ∞.
        bandwidth = torch.where(mean > 0, bandwidth, 1.0)
    return torch.exp(-distances / bandwidth[:, :, None, None])


def biased_hsic(z: Tensor, kernel: Kernel) -> Tensor:
    """tr(K H L H)/(m−1)² for all pairs of components, the diagonal being HSIC of a component with itself."""
    matrices = kernel_matrices(z, kernel)
    centred = matrices - matrices.mean(3, keepdim=True)
    centred = centred - centred.mean(2, keepdim=True)
    flat = centred.flatten(2)
    return flat @ flat.transpose(1, 2) / (z.shape[0] - 1) ** 2


def unbiased_hsic(z: Tensor, kernel: Kernel) -> Tensor:
    """[tr(K̃L̃) + 1ᵀK̃1·1ᵀL̃1/((m−1)(m−2)) − 2/(m−2)·1ᵀK̃L̃1]/(m(m−3)), K̃ with zero diagonal; needs m ≥ 4."""
    m = z.shape[0]
    matrices = off_diagonal(kernel_matrices(z, kernel))
    flat = matrices.flatten(2)
    rows = matrices.sum(3)  # (N, K, m)
    totals = rows.sum(2)
    pairs = totals.unsqueeze(2) * totals.unsqueeze(1)
    return (flat @ flat.transpose(1, 2) + pairs / ((m - 1) * (m - 2)) - 2 / (m - 2) * rows @ rows.transpose(1, 2)) / (m * (m - 3))


def normalized(hsic: Tensor) -> Tensor:
    """nHSIC(X,Y) = HSIC(X,Y)/√(HSIC(X,X) HSIC(Y,Y)), free of scale."""
    own = hsic.diagonal(dim1=1, dim2=2).clamp_min(TINY).sqrt()
    return hsic / (own.unsqueeze(2) * own.unsqueeze(1)).clamp_min(TINY)


def mean_over_pairs(matrix: Tensor) -> Tensor:
    """The mean over rows and over pairs k < k' of (N, K, K), K ≥ 2."""
    first, second = torch.triu_indices(matrix.shape[1], matrix.shape[1], 1, device=matrix.device)
    return matrix[:, first, second].mean()
