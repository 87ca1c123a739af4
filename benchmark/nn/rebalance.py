"""Spectrum rebalancing: rank-1 update normalisation (Yu, Cai & Li, ECCV 2020; Spectral Feature Augmentation, AAAI 2023)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

TINY = 1e-30


def before(matrix: Tensor, leading: tuple[Tensor, Tensor] | None) -> Tensor:
    """(I − ε_n v̂_n v̂_nᵀ) M_n: x̃_n M_n = x_n (…) without x̃. matrix: (N, D, C), leading: v̂ (N, D) and ε (N,) -> (N, D, C)"""
    if leading is None:
        return matrix
    direction, deflation = leading
    scaled = deflation.unsqueeze(1) * direction
    return matrix - scaled.unsqueeze(2) * (direction.unsqueeze(1) @ matrix)


class RankOneRebalance(nn.Module):
    """x̃ = x − ε_n (x·v̂_n) v̂_n for each row n: the batch matrix X_n loses a part of its leading direction, no SVD needed.

    v̂_n comes from power iteration on the running mean of the Gram matrix XᵀX/B ("running"), or from a fresh Gaussian vector and
    this batch's Gram matrix in training ("random"; evaluation then uses the running mean). Deflation "adaptive":
    ε_n = ε·max(0, 1 − σ_rms/σ_1) with σ_rms = ‖X_n‖_F/√D, which never takes σ_1 below the root mean square; "fixed": ε_n = ε.
    No gradient flows through v̂ and ε_n, and in evaluation a sample's result does not depend on its batch.
    """

    gram: Tensor
    direction: Tensor
    deflation: Tensor
    batches: Tensor

    def __init__(
        self,
        rows: int,
        width: int,
        strength: float,
        rule: Literal["adaptive", "fixed"],
        source: Literal["running", "random"],
        steps: int,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.strength, self.rule, self.source, self.steps, self.momentum = strength, rule, source, steps, momentum
        self.register_buffer("gram", torch.zeros(rows, width, width))
        self.register_buffer("direction", functional.normalize(torch.randn(rows, width), dim=1))
        self.register_buffer("deflation", torch.zeros(rows))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)"""
        return self.deflated(x, self.leading(x))

    def deflated(self, x: Tensor, leading: tuple[Tensor, Tensor] | None) -> Tensor:
        """x̃ (B, N, D) for v̂ and ε as ``leading`` gives them."""
        if leading is None:
            return x
        direction, deflation = leading
        along = torch.einsum("bnd,nd->bn", x, direction)
        return x - (along * deflation).unsqueeze(2) * direction

    def leading(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        """v̂ (N, D) and ε (N,) for the batch x (B, N, D), which training takes into the running mean. None: nothing is deflated."""
        return self._update(x.detach()) if self.training and self.strength > 0 else self.state()

    def state(self) -> tuple[Tensor, Tensor] | None:
        """v̂ and ε as evaluation uses them."""
        return None if self.strength == 0 else (self.direction, self.deflation)

    @torch.no_grad()
    def _update(self, x: Tensor) -> tuple[Tensor, Tensor]:
        by_row = x.transpose(0, 1)
        batch_gram = by_row.transpose(1, 2) @ by_row / x.shape[0]
        self.batches += 1
        # The plain mean of the first batches, then exponential: no bias towards the zero that the buffer starts at.
        self.gram = torch.lerp(self.gram, batch_gram, torch.clamp(1 / self.batches, min=self.momentum))
        self.direction, self.deflation = self._iterate(self.gram, self.direction)
        if self.source == "running":
            return self.direction, self.deflation
        return self._iterate(batch_gram, torch.randn_like(self.direction))

    def _iterate(self, gram: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """gram: (N, D, D), direction: (N, D) to start from -> v̂ (N, D) and ε (N,)"""
        # Of trace one: direction and deflation do not depend on the scale, but the squares of small activations underflow. A row
        # without any energy keeps its direction, or the warm start would stay at zero after the row has come to life.
        gram = gram / gram.diagonal(dim1=1, dim2=2).sum(1).clamp_min(torch.finfo(gram.dtype).tiny)[:, None, None]
        for _ in range(self.steps):
            product = torch.einsum("nij,nj->ni", gram, direction)
            norm = product.norm(dim=1, keepdim=True)
            direction = torch.where(norm > TINY, product / norm.clamp_min(TINY), direction)
        if self.rule == "fixed":
            return direction, torch.full_like(direction[:, 0], self.strength)
        leading = torch.einsum("ni,nij,nj->n", direction, gram, direction)
        mean_square = gram.diagonal(dim1=1, dim2=2).mean(1)
        excess = 1 - torch.sqrt(mean_square / leading.clamp_min(TINY))
        return direction, self.strength * excess.clamp_min(0)

    def diagnostics(self) -> dict[str, float]:
        """Mean over rows of ε_n, and of σ_1/σ_rms of the running Gram matrix before and after."""
        if self.strength == 0:
            return {}
        values = torch.linalg.eigvalsh(self.gram.double())
        leading, mean_square = values[:, -1].clamp_min(TINY), values.mean(1).clamp_min(TINY)
        outer = torch.eye(self.gram.shape[1], device=self.gram.device) - (
            self.deflation[:, None, None] * self.direction.unsqueeze(2) * self.direction.unsqueeze(1)
        )
        after = torch.linalg.eigvalsh((outer @ self.gram @ outer).double())
        return {
            "deflation": float(self.deflation.mean()),
            "leading_over_rms_before": float((leading / mean_square).sqrt().mean()),
            "leading_over_rms_after": float((after[:, -1].clamp_min(TINY) / after.mean(1).clamp_min(TINY)).sqrt().mean()),
        }
