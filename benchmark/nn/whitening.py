"""Whitening by Newton's iteration, no eigenvalue decomposition (Huang et al., Iterative Normalization, CVPR 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class IterNorm(nn.Module):
    """y_f = (x_f − μ_f) W_f ⊙ γ_f + β_f for each field f: a group of the paper is a field's D numbers.

    μ_f (D,) and Σ_f = (x_f − μ_f)ᵀ(x_f − μ_f)/B + eps·I (D, D) are of the batch, Σ_N = Σ_f/tr Σ_f, P_0 = I,
    P_k = 1.5 P_{k−1} − 0.5 P_{k−1}³ Σ_N, W_f = P_T/√tr Σ_f ≈ Σ_f^(−1/2); the gradient flows through all of it. γ_f and β_f (D,) are
    learned. Evaluation uses the running means of μ_f and W_f: a sample's result does not depend on its batch.
    """

    mean: Tensor
    matrix: Tensor
    batches: Tensor

    def __init__(self, fields: int, width: int, steps: int, eps: float, momentum: float) -> None:
        super().__init__()
        self.steps, self.eps, self.momentum = steps, eps, momentum
        self.scale = nn.Parameter(torch.ones(fields, 1, width))
        self.shift = nn.Parameter(torch.zeros(fields, 1, width))
        self.register_buffer("mean", torch.zeros(fields, 1, width))
        self.register_buffer("matrix", torch.eye(width).repeat(fields, 1, 1))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, F, D)"""
        by_field = x.transpose(0, 1)
        mean, matrix = self.mean, self.matrix
        if self.training:
            mean = by_field.mean(1, keepdim=True)
            centred = by_field - mean
            matrix = self._whitening(centred)
            self._update(mean.detach(), matrix.detach())
        else:
            centred = by_field - mean
        return torch.baddbmm(self.shift, centred, matrix * self.scale).transpose(0, 1)  # W is symmetric; γ scales its columns

    def _whitening(self, centred: Tensor) -> Tensor:
        """(F, B, D) -> W (F, D, D)"""
        identity = torch.eye(centred.shape[2], dtype=centred.dtype, device=centred.device).expand(len(centred), -1, -1)
        sigma = torch.baddbmm(identity, centred.mT, centred, beta=self.eps, alpha=1 / centred.shape[1])
        inverse_trace = 1 / sigma.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
        normalised, power = sigma * inverse_trace, identity
        for _ in range(self.steps):
            power = torch.baddbmm(power, power @ power @ power, normalised, beta=1.5, alpha=-0.5)
        return power * inverse_trace.sqrt()

    @torch.no_grad()
    def _update(self, mean: Tensor, matrix: Tensor) -> None:
        self.batches += 1
        # The plain mean of the first batches, then exponential: no bias towards the zero and the identity that the buffers start at.
        weight = torch.clamp(1 / self.batches, min=self.momentum)
        self.mean = torch.lerp(self.mean, mean, weight)
        self.matrix = torch.lerp(self.matrix, matrix, weight)
