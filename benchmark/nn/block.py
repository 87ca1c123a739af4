"""The block of RoBlock: its three steps, one after the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.contracts import no_penalty
from benchmark.nn.decoupler import Decoupler
from benchmark.nn.precision import float32, widened
from benchmark.nn.rebalance import RankOneRebalance, before
from benchmark.nn.router import Router


class Block(nn.Module):
    """Rebalance, decouple, regenerate: (B, N, D) -> sets (B, S, N, d) and the HSIC penalty.

    x̃_n P = x_n (I − ε_n v̂_n v̂_nᵀ) P: the rebalancing goes into the small matrices after it, and x̃ is never written.
    """

    def __init__(self, rebalance: RankOneRebalance, decoupler: Decoupler, router: Router) -> None:
        super().__init__()
        self.rebalance, self.decoupler, self.router = rebalance, decoupler, router
        self.seen: Tensor | None = None  # of the last evaluation batch, (m, N, D)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Power iteration, orthogonality and HSIC want float32: where training runs in bfloat16, the block does not."""
        with float32(x.device.type):
            wide = widened(x)
            leading = self.rebalance.leading(wide)
            basis = self._basis(x.shape[1], leading)
            penalty = self.decoupler.penalty(wide, basis) if self.training else no_penalty(wide)
            sets = self.router(wide, basis, leading)
        if not self.training:
            self.seen = wide[: self.decoupler.samples].detach()
        return sets.to(x.dtype), penalty

    def _basis(self, rows: int, leading: tuple[Tensor, Tensor] | None) -> Tensor:
        """(I − ε_n v̂_n v̂_nᵀ) P: (N, D, D)"""
        return before(self.decoupler().expand(rows, -1, -1), leading)

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        found = self.rebalance.diagnostics()
        if self.seen is None:
            return found
        leading = self.rebalance.state()
        dependence = self.decoupler.dependence(self.seen, self._basis(self.seen.shape[1], leading))
        return found | dependence | self.router.diagnostics(self.seen, leading)
