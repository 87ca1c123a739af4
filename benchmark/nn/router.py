"""Embedding regeneration: sets as gated mixtures of the components, with gates of their own for every row."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.nn.rebalance import before
from benchmark.ops.routing import decoupled, gates, mixture, routing


class Router(nn.Module):
    """Field-wise multi-head router: head m mixes the mapped components with gates of its own for every row."""

    one_hot: Tensor

    def __init__(
        self,
        rows: int,
        sets: int,
        dimension: int,
        components: int,
        gates: Literal["full", "static", "input", "one_hot"],
        sharpness: float,
        maps: Literal["learned", "identity"],
        start: Literal["identity", "orthogonal"],
    ) -> None:
        super().__init__()
        width = sets * dimension
        self.sets, self.components, self.kind = sets, components, gates
        if gates in ("full", "static"):
            preferred = functional.one_hot(torch.arange(sets) % components, components)  # head m starts with component m mod K
            start_score = sharpness + math.log(max(components - 1, 1))
            self.static = nn.Parameter(start_score * preferred.float().repeat(rows, 1, 1))
        if gates in ("full", "input"):
            self.by_input = nn.Parameter(torch.zeros(rows, width, sets * components))
        if gates == "one_hot":
            self.register_buffer("one_hot", torch.eye(sets, components), persistent=False)
        self.maps: nn.Parameter | None = None
        if maps == "learned":
            self.maps = nn.Parameter(torch.empty(sets, width, dimension))
            begin = nn.init.eye_ if start == "identity" else nn.init.orthogonal_
            for m in range(sets):
                for k in range(components):
                    begin(self.maps.data[m, k * width // components : (k + 1) * width // components])

    def forward(self, x: Tensor, basis: Tensor, leading: tuple[Tensor, Tensor] | None) -> Tensor:
        """x: (B, N, D), basis: P_n after the rebalancing (N, D, D), leading: of the rebalancing -> (B, S, N, d)"""
        if self.kind == "one_hot":
            return mixture(self.gates(x, leading), decoupled(x, basis, self.components), self.maps)
        return routing(x, basis, self._by_input(leading), self._static(), self.maps, self.components)

    def gates(self, x: Tensor, leading: tuple[Tensor, Tensor] | None) -> Tensor:
        """x: (B, N, D) -> (B or 1, N, S, K), rows over k sum to one"""
        if self.kind == "one_hot":
            return self.one_hot.expand(1, x.shape[1], -1, -1)
        return gates(x, self._by_input(leading), self._static(), self.components)

    def _static(self) -> Tensor | None:
        """a_n (N, S, K)"""
        return self.static if self.kind in ("full", "static") else None

    def _by_input(self, leading: tuple[Tensor, Tensor] | None) -> Tensor | None:
        """W_n after the rebalancing (N, D, S·K)"""
        return before(self.by_input, leading) if self.kind in ("full", "input") else None

    def diagnostics(self, x: Tensor, leading: tuple[Tensor, Tensor] | None) -> dict[str, float]:
        """Mean entropy of a gate row over its maximum log K (1: uniform), and mean cosine between two heads' gate rows (1: dead router)."""
        if self.components < 2 or self.sets < 2:
            return {}
        gates = self.gates(x, leading).double()
        entropy = -(gates * gates.clamp_min(1e-30).log()).sum(3).mean() / math.log(self.components)
        rows = functional.normalize(gates, dim=3)
        cosines = (rows @ rows.transpose(2, 3)).mean((0, 1))
        return {"gate_entropy": float(entropy), "gate_cosine": float((cosines.sum() - cosines.trace()) / (self.sets * (self.sets - 1)))}
