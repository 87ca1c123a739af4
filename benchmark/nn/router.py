"""Embedding regeneration: sets as gated mixtures of the components, with gates of their own for every row."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.contracts import Adam
from benchmark.nn.dose import distance
from benchmark.nn.rebalance import TINY, before
from benchmark.ops.routing import decoupled, gates, mixture, routing

EPSILON = 1e-15  # Adam's, of scaled scores: a gradient of 1e-10 is one of theirs


class Router(nn.Module):
    """Field-wise multi-head router: head m mixes the mapped components with gates of its own for every row.

    scores: "scaled" divides what the gates see of a row's input by its running root mean square, the same in training and evaluation, so
    that the gates do not depend on the embeddings' scale; "raw" is without. Embeddings have an rms of some thousandths to some tenths, and
    a weight moves by the learning rate a step at most: with "raw" the input hardly reaches the gates. What comes back to them is as small
    as the components that they mix (in the second layer of xDeepFM products of embeddings, of 1e-4 at the start): below Adam's usual ε,
    beside which it would not move them. Scaled scores have a smaller one.

    rate: times the learning rate, of the scores' parameters. Adam moves a parameter by about the learning rate a step, whatever its
    gradient: in the few hundred steps of a short training at .001 a score would not get further than some tenths.
    """

    preferred: Tensor
    start: Tensor
    square: Tensor
    batches: Tensor

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
        scores: Literal["scaled", "raw"] = "scaled",
        rate: float = 1.0,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        width = sets * dimension
        self.sets, self.components, self.kind, self.scores, self.momentum = sets, components, gates, scores, momentum
        self.rate = rate
        preferred = functional.one_hot(torch.arange(sets) % components, components).float()  # head m starts with component m mod K
        begin_scores = torch.zeros_like(preferred)
        if gates in ("full", "static"):
            begin_scores = (sharpness + math.log(max(components - 1, 1))) * preferred
            self.static = nn.Parameter(begin_scores.repeat(rows, 1, 1))
        if gates in ("full", "input"):
            self.by_input = nn.Parameter(torch.zeros(rows, width, sets * components))
            if scores == "scaled":
                self.register_buffer("square", torch.ones(rows))
                self.register_buffer("batches", torch.zeros(()))
        self.register_buffer("preferred", preferred, persistent=False)
        self.register_buffer("start", torch.softmax(begin_scores, 1), persistent=False)  # gates (S, K) of the untrained router
        self.maps: nn.Parameter | None = None
        if maps == "learned":
            self.maps = nn.Parameter(torch.empty(sets, width, dimension))
            begin = nn.init.eye_ if start == "identity" else nn.init.orthogonal_
            for m in range(sets):
                for k in range(components):
                    begin(self.maps.data[m, k * width // components : (k + 1) * width // components])

    def forward(self, x: Tensor, basis: Tensor, leading: tuple[Tensor, Tensor] | None) -> Tensor:
        """x: (B, N, D), basis: P_n after the rebalancing (N, D, D), leading: of the rebalancing -> (B, S, N, d)"""
        if self.training:
            self._update(x)
        if self.kind == "one_hot":
            return mixture(self.gates(x, leading), decoupled(x, basis, self.components), self.maps)
        return routing(x, basis, self._by_input(leading), self._static(), self.maps, self.components)

    def gates(self, x: Tensor, leading: tuple[Tensor, Tensor] | None) -> Tensor:
        """x: (B, N, D) -> (B or 1, N, S, K), rows over k sum to one"""
        if self.kind == "one_hot":
            return self.preferred.expand(1, x.shape[1], -1, -1)
        return gates(x, self._by_input(leading), self._static(), self.components)

    def adam(self) -> dict[nn.Parameter, Adam]:
        """See ``CTRModel.adam``."""
        scores = [getattr(self, name) for name in ("static", "by_input") if hasattr(self, name)]
        return dict.fromkeys(scores, Adam(EPSILON if self.scores == "scaled" else Adam().epsilon, self.rate))

    def _static(self) -> Tensor | None:
        """a_n (N, S, K)"""
        return self.static if self.kind in ("full", "static") else None

    def _by_input(self, leading: tuple[Tensor, Tensor] | None) -> Tensor | None:
        """W_n after the rebalancing, over the rms of the row's input where scores are scaled (N, D, S·K)"""
        if self.kind not in ("full", "input"):
            return None
        weights = before(self.by_input, leading)
        return weights if self.scores == "raw" else weights / self.square.sqrt()[:, None, None]

    @torch.no_grad()
    def _update(self, x: Tensor) -> None:
        """The running mean square of each row's input: plain over the first batches, then exponential, as in the rebalancing."""
        if self.scores == "scaled" and self.kind in ("full", "input"):
            self.batches += 1
            square = x.square().mean((0, 2)).clamp_min(TINY)
            self.square = torch.lerp(self.square, square, torch.clamp(1 / self.batches, min=self.momentum))

    def diagnostics(self, x: Tensor, leading: tuple[Tensor, Tensor] | None) -> dict[str, float]:
        """Mean entropy of a gate row over its maximum log K (1: uniform), how far it is from that of the untrained router, mean cosine
        between two heads' gate rows (1: dead router), and mean over rows n, heads and components of a gate's standard deviation over
        samples (0: it does not see them).
        """
        if self.components < 2 or self.sets < 2:
            return {}
        gates = self.gates(x, leading).double()
        at_start = self.preferred if self.kind == "one_hot" else self.start
        rows = functional.normalize(gates, dim=3)
        cosines = (rows @ rows.transpose(2, 3)).mean((0, 1))
        return {
            "gate_entropy": _entropy(gates),
            "gate_entropy_moved": _entropy(gates) - _entropy(at_start.double()),
            "gate_cosine": float((cosines.sum() - cosines.trace()) / (self.sets * (self.sets - 1))),
            "gate_sd": float(gates.std(0, correction=0).mean()),
        }

    def doses(self, x: Tensor, leading: tuple[Tensor, Tensor] | None) -> dict[str, float]:
        """``gates``: how far from their start; ``gate_sd``: as in ``diagnostics``; ``maps``: how far from the identity."""
        found: dict[str, float] = {}
        if self.kind != "one_hot" and self.components > 1:
            gates = self.gates(x, leading)
            found |= {"gates": distance(self.start, gates), "gate_sd": float(gates.double().std(0, correction=0).mean())}
        if self.maps is not None:
            found["maps"] = distance(identity_maps(self.maps, self.components), self.maps)
        return found

    def neutral_forms(self) -> dict[str, tuple[nn.Module, str, Any]]:
        """Part -> attribute and its neutral value, where the part has another: gates without their input, one-hot gates, no maps."""
        found: dict[str, tuple[nn.Module, str, Any]] = {}
        if self.kind == "full":
            found["gate_input"] = (self, "kind", "static")
        if self.kind != "one_hot" and self.components > 1:
            found["gates"] = (self, "kind", "one_hot")
        if self.maps is not None and self.components == self.sets:
            found["maps"] = (self, "maps", None)
        return found


def _entropy(gates: Tensor) -> float:
    """(…, K), rows over K sum to one -> the mean entropy of a row over its maximum log K"""
    return float(-(gates * gates.clamp_min(1e-30).log()).sum(-1).mean()) / math.log(gates.shape[-1])


def identity_maps(like: Tensor, components: int) -> Tensor:
    """(S, D, d): for each of the K blocks of D/K rows (the upper left of) the identity."""
    block = torch.eye(like.shape[1] // components, like.shape[2], dtype=like.dtype, device=like.device)
    return block.repeat(components, 1).expand_as(like)
