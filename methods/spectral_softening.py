"""Spectral softening: the singular values of every field's batch matrix are raised to a learned power between 0 and 1.

    X'_f = X_f V_f diag(s_f^(τ_f − 1)) V_fᵀ,  s_fi = σ_fi/σ_rms,  σ_fi² and V_f (D×D) eigenvalues and eigenvectors of the running X_fᵀX_f/B
    τ_f = sigmoid(a_f), learned; τ = 1: off, τ = 0: whitening, all singular values σ_rms

The continuous rival of rank_one, which lowers the largest value alone, and of iternorm, which makes all equal. Source: SpecFormer, 2026
(arXiv 2607.24025), second-hand: σ → σ^τ with τ = sigmoid(a) from .5 on, the first 5 % of training without. A reconstruction.

Ours: its place, on fields; an exponent for each; σ over σ_rms, so that the field's mean square does not grow, and no layer sees embeddings
of another scale all at once; the running mean of the Gram matrix (plain over the first batches, then exponential), not centred, the same in
training and evaluation, so that a score does not depend on its batch; no gradient through V and σ, as in rank_one. Values below
``floor``·σ_1 count as that: a field with fewer values than D has nothing there, and must not be divided by it. ``warmup`` batches without
it are 0 by default, for a method does not know how long training will be, and an untrained table has an even spectrum, which softening
leaves as it is. Adam moves a_f by its learning rate a step at most: some hundred steps leave τ near its start, which is why that is tuned.

Cost: F parameters, O(F·(B·D² + D³)) time in training, O(B·F·D²) in evaluation.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.method import CTRModel, Method, Parts, UserError, setting, tuned


@dataclass(frozen=True, kw_only=True)
class SpectralSoftening(Method):
    """Raises UserError for a τ that is to be learned from 0 or 1 on, where its gradient is 0."""

    summary = "every field's singular values raised to a learned power, running statistics in evaluation"
    source = "after SpecFormer, arXiv 2607.24025, 2026, second-hand; its place on fields is ours"

    tau: float = tuned(0.5, low=0.1, high=0.9, step=0.2, at_least=0, at_most=1, help="τ at the start; 1: off, 0: whitening")
    learned: bool = setting(True, help="whether τ is trained, one for each field")
    warmup: int = setting(0, at_least=0, help="batches of training without it")
    floor: float = setting(1e-2, above=0, at_most=1, help="of σ_1, what smaller singular values count as")
    momentum: float = setting(0.1, above=0, at_most=1, help="of a batch in the running mean")

    def validate(self) -> None:
        if self.learned and self.tau in (0, 1):
            raise UserError(f"spectral_softening: tau = {self.tau} cannot be learned from; set learned = false, or tau between 0 and 1")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(transform=Softening(parts.fields, parts.width, self))


class Softening(nn.Module):
    gram: Tensor
    basis: Tensor
    logs: Tensor
    batches: Tensor

    def __init__(self, fields: int, width: int, settings: SpectralSoftening) -> None:
        super().__init__()
        self.settings = settings
        if settings.learned:
            self.exponent = nn.Parameter(torch.full((fields,), math.log(settings.tau / (1 - settings.tau))))  # a
        self.register_buffer("gram", torch.zeros(fields, width, width))
        self.register_buffer("basis", torch.eye(width).repeat(fields, 1, 1))  # V
        self.register_buffer("logs", torch.zeros(fields, width))  # log s
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, F, D)"""
        if self.training:
            self._update(x.detach())
        power = torch.where(self.batches > self.settings.warmup, self.tau() - 1, 0)
        scale = torch.exp(power.unsqueeze(1) * self.logs)
        return torch.bmm(x.transpose(0, 1), (self.basis * scale.unsqueeze(1)) @ self.basis.mT).transpose(0, 1)

    def tau(self) -> Tensor:
        """(F,)"""
        return torch.sigmoid(self.exponent) if self.settings.learned else self.logs.new_full((len(self.logs),), self.settings.tau)

    @torch.no_grad()
    def _update(self, x: Tensor) -> None:
        self.batches += 1
        by_field = x.transpose(0, 1)
        # Without what is no number: the solver would end a diverging run.
        batch = torch.nan_to_num(by_field.mT @ by_field / len(x), nan=0.0, posinf=0.0, neginf=0.0)
        # The plain mean of the first batches, then exponential: no bias towards the zero that the buffer starts at.
        self.gram = torch.lerp(self.gram, batch, torch.clamp(1 / self.batches, min=self.settings.momentum))
        # Of a mean eigenvalue of one: the solver's rounding is relative, but the squares of small embeddings underflow.
        mean = self.gram.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
        values, self.basis = torch.linalg.eigh(self.gram / mean.clamp_min(torch.finfo(mean.dtype).tiny))
        least = self.settings.floor**2 * values[:, -1:]
        self.logs = torch.where(mean[:, 0] > 0, torch.maximum(values, least).log() / 2, 0)

    def diagnostics(self) -> dict[str, float]:
        tau = self.tau().detach()
        return {"tau_mean": float(tau.mean()), "tau_least": float(tau.min()), "tau_most": float(tau.max())}
