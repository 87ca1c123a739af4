"""The block of RoBlock: its three steps, one after the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchmark.contracts import no_penalty
from benchmark.nn.decoupler import Decoupler
from benchmark.nn.dose import change, distance
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
    def curve(self) -> dict[str, float]:
        """Of the first instances of the last evaluation batch, as ``diagnostics``."""
        return {} if self.seen is None else self.router.diagnostics(self.seen, self.rebalance.state())

    def doses(self, x: Tensor) -> dict[str, float]:
        """x: (B, N, D) of a training batch. ``rebalancing``: how far it turns x; ``basis``: ‖P − I‖/‖I‖; and the router's."""
        found: dict[str, float] = {}
        with float32(x.device.type):
            wide = widened(x)
            leading = self.rebalance.leading(wide)
            if leading is not None:
                found["rebalancing"] = change(wide, self.rebalance.deflated(wide, leading))
            if self.decoupler.kind != "identity":
                found["basis"] = distance(self.decoupler.identity, self.decoupler())
            return found | self.router.doses(wide, leading)

    def neutral_forms(self) -> dict[str, tuple[nn.Module, str, Any]]:
        """Part -> module, attribute and value of its neutral form; parts that have it by their settings are left out."""
        found: dict[str, tuple[nn.Module, str, Any]] = {}
        if self.rebalance.strength > 0:
            found["rebalancing"] = (self.rebalance, "strength", 0.0)
        if self.decoupler.kind != "identity":
            found["basis"] = (self.decoupler, "kind", "identity")
        return found | self.router.neutral_forms()

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        found = self.rebalance.diagnostics()
        if self.seen is None:
            return found
        leading = self.rebalance.state()
        dependence = self.decoupler.dependence(self.seen, self._basis(self.seen.shape[1], leading))
        return found | dependence | self.router.diagnostics(self.seen, leading)
