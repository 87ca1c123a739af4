"""Embedding decoupler: a basis whose components HSIC makes independent (independent subspace analysis)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.contracts import no_penalty
from benchmark.nn import hsic
from benchmark.ops.routing import decoupled


class Decoupler(nn.Module):
    """z = x P with P orthogonal by Cayley's transform, P = (I − A)(I + A)⁻¹ for the skew-symmetric A: the components side by side
    have exactly the singular values of x. Starts at the identity: component k = columns k·D/K … (k+1)·D/K.

    kind: "free" is an unconstrained P, "identity" one that stays. weight: β of the penalty, taken on the first ``samples`` instances of a
    batch and ``rows`` of its rows. only_basis: the penalty turns P and leaves x alone.
    """

    below_diagonal_index: Tensor
    identity: Tensor

    def __init__(
        self,
        width: int,
        components: int,
        kind: Literal["orthogonal", "free", "identity"],
        weight: float,
        kernel: hsic.Kernel,
        samples: int,
        rows: int,
        only_basis: bool,
    ) -> None:
        super().__init__()
        self.components, self.kind = components, kind
        self.kernel, self.samples, self.rows, self.only_basis = kernel, samples, rows, only_basis
        nothing_to_turn = components == 1 or (only_basis and kind == "identity")
        self.weight = 0.0 if nothing_to_turn else weight
        self.register_buffer("identity", torch.eye(width), persistent=False)
        if kind == "orthogonal":
            self.below_diagonal = nn.Parameter(torch.zeros(width * (width - 1) // 2))
            self.register_buffer("below_diagonal_index", torch.tril_indices(width, width, -1), persistent=False)
        elif kind == "free":
            self.matrix_free = nn.Parameter(torch.eye(width))

    def forward(self) -> Tensor:
        """P (D, D), the components' columns side by side."""
        if self.kind == "identity":
            return self.identity
        if self.kind == "free":
            free: Tensor = self.matrix_free
            return free
        lower = torch.zeros_like(self.identity).index_put((self.below_diagonal_index[0], self.below_diagonal_index[1]), self.below_diagonal)
        skew = lower - lower.T
        # I + A has no eigenvalue below 1 in size: there is no failure to check for, and a GPU need not be waited for.
        basis: Tensor = torch.linalg.solve_ex(self.identity + skew, self.identity - skew).result
        return basis

    def penalty(self, x: Tensor, basis: Tensor) -> Tensor:
        """β · mean over rows and pairs k < k' of nHSIC(z_k, z_k'). x: (B, N, D), basis: P_n (N, D, D)"""
        if self.weight == 0 or len(x) < 2:  # one instance depends on nothing
            return no_penalty(x)
        # Batches are shuffled, so their first instances are a random sample; rows are drawn.
        rows = torch.randperm(x.shape[1], device=x.device)[: self.rows]
        sample = x[: self.samples, rows]
        z = decoupled(sample.detach() if self.only_basis else sample, basis[rows], self.components)
        return self.weight * hsic.mean_over_pairs(hsic.normalized(hsic.biased_hsic(z, self.kernel)))

    def dependence(self, x: Tensor, basis: Tensor) -> dict[str, float]:
        """``nhsic_unbiased``: the same mean by the unbiased estimator, over all rows. x: (m, N, D), basis: P_n (N, D, D)"""
        z = decoupled(x, basis, self.components).double()
        # A row without variation depends on nothing: its normalised HSIC would be 0/0.
        z = z[:, z.var(0).sum(2).amin(1) > 1e-12 * z.square().mean()] if len(z) >= 4 else z
        if z.shape[2] < 2 or len(z) < 4 or z.shape[1] == 0:
            return {}
        return {"nhsic_unbiased": float(hsic.mean_over_pairs(hsic.normalized(hsic.unbiased_hsic(z, self.kernel))))}
