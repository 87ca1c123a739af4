"""RoBlock: before every interaction layer a block rebalances the spectrum of the whole width, decouples it into components that
HSIC makes independent, and regenerates S embedding sets from them. A reconstruction.

Source: ICLR 2026 submission 23146, "RoBlock: Wide and Deep Scaling of Recommenders via Embedding Collapse Mitigation". Only its
abstract is public: no code, no full text, no numbers. Every choice that the abstract leaves open is a hyper-parameter here.

For a layer's representation x (B, N, D), with sets of d = D/S numbers and K components:

    rebalance    x̃_n = x_n − ε_n (x_n·v̂_n) v̂_n                                      benchmark/nn/rebalance.py
    decouple     z_k = x̃ P_k, [P_1 … P_K] a D×D orthogonal matrix; loss β · Σ over blocks of the mean over rows and pairs of
                 nHSIC(z_k, z_k'), so that the weight on a block's own P does not depend on the depth
    regenerate   e^(m)_n = Σ_k softmax_k(a_n[m,:] + x̃_n W_n[:,m,:])_k · z_{k,n} U_{m,k}
    interact     y^(m) = layer^(m)(e^(m), e_0^(m)); put side by side: width D again, plus x (block residual)

With strength 0, decoupler and maps "identity", gates "one_hot" and block residual "never" it is multi-embedding, number for number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.contracts import CTRModel, Method, Output, UserError, no_penalty, setting, tuned
from benchmark.nn import hsic
from benchmark.nn.embedding import join
from benchmark.nn.model import Interaction
from benchmark.nn.precise import float32, widened
from benchmark.nn.rebalance import RankOneRebalance, before
from benchmark.ops.routing import decoupled, gates, mixture, routing
from benchmark.parts import Parts


@dataclass(frozen=True, kw_only=True)
class RoBlock(Method):
    """Raises UserError when the width does not divide by the sets or the components."""

    summary = "rebalance, decouple (HSIC) and regenerate the sets before every layer; a reconstruction"
    source = "ICLR 2026 submission 23146 (abstract only); rank-1 update: Yu et al., ECCV 2020"
    # The ablations, docs/mathematics.md §2.6: run them by name, "roblock:no_hsic", or all with "roblock:all".
    presets: ClassVar = {
        "no_rebalancing": {"strength": 0.0},
        "no_hsic": {"hsic_weight": 0.0},
        "no_decoupler": {"decoupler": "identity"},  # and with it no HSIC: there is no basis to turn
        "no_regeneration": {"gates": "one_hot", "maps": "identity"},
        "first_layer_only": {"blocks": "first"},
        "linear_hsic": {"hsic_kernel": "linear"},
        "full_projection": {"deflation": "fixed", "strength": 1.0},
    }

    sets: int | None = setting(None, at_least=1, help="S; none: one per base dimension, S = scale")
    components: int | None = setting(None, at_least=1, help="K; none: as many as sets")
    blocks: Literal["all", "first"] = setting("all", help="first: only before layer 0, plain parallel sets after")
    # y + x, the path that was not rebalanced, in place of the layer's own identity term, where N stays. "backbone": with backbones that
    # have such a term; "always": with the others too. FinalMLP's and xDeepFM's layers then add up activations that have no identity
    # path in their papers: validation AUC on synthetic fell by .025 (FinalMLP, scale 1) and .003 (xDeepFM, scale 4), one seed.
    block_residual: Literal["backbone", "always", "never"] = setting("backbone", help="whether y + x, the path not rebalanced, goes on")
    # spectrum rebalancing
    strength: float = tuned(0.5, low=0.0, high=1.0, step=0.25, at_least=0, at_most=1, help="ε of the rebalancing; 0: off")
    deflation: Literal["adaptive", "fixed"] = setting("adaptive")
    direction: Literal["running", "random"] = setting("running")
    power_steps: int = setting(2, at_least=1, help="of the power iteration, on each batch")
    # embedding decoupler
    decoupler: Literal["orthogonal", "free", "identity"] = setting("orthogonal")
    hsic_weight: float = tuned(0.1, choices=(0.0, 0.1, 0.5, 1.0), at_least=0, help="β")
    # "basis": the penalty turns P and leaves x alone, so that independence is not bought by giving up what x says: with "all", the
    # validation AUC of DCNv2 at scale 4 on synthetic was .8048, with "basis" .8228, without the penalty .8199 (one seed).
    hsic_gradient: Literal["basis", "all"] = setting("basis", help="what the penalty may change")
    hsic_kernel: Literal["rbf", "linear"] = setting("rbf")
    hsic_samples: int = setting(256, at_least=4, because="as the unbiased criterion needs", help="m, instances of a batch in the criterion")
    # Rows n drawn anew in each batch are an unbiased estimate of the mean over all rows; eight cost four times as much as two.
    hsic_rows: int = setting(2, at_least=1, help="rows n of the criterion, drawn anew in each batch")
    # embedding regeneration
    gates: Literal["full", "static", "input", "one_hot"] = setting("full")
    # Log-odds of a head's own component at the start, a_n[m,m] = gate_sharpness + log(K − 1): gates begin near distinct one-hots, or all
    # sets would coincide, and equally near for every K.
    gate_sharpness: float = setting(4.0, help="log-odds of a head's own component at the start")
    maps: Literal["learned", "identity"] = setting("learned", help="U_{m,k}")
    # With "identity" every U_{m,k} starts as (the upper left of) the identity, so that RoBlock starts next to multi-embedding and has to
    # learn what it does otherwise; "orthogonal" starts at random orthogonal matrices. docs/roblock.md
    map_start: Literal["identity", "orthogonal"] = setting("identity")

    def build(self, parts: Parts) -> CTRModel:
        layout = parts.layout(self.sets)
        components = layout.sets if self.components is None else self.components
        if parts.width % components:
            raise UserError(f"roblock: width {parts.width} is not divisible by {components} components; change components")
        for name, value in (("maps", "identity"), ("gates", "one_hot")):
            if getattr(self, name) == value and components != layout.sets:
                raise UserError(f"roblock: {name} = {value} needs as many components as sets, not {components} and {layout.sets}")
        shapes = parts.backbone.shapes(layout)[: 1 if self.blocks == "first" else -1]
        blocks = [Block(self, rows, layout.sets, d, components) for rows, d in shapes]
        residual = self.block_residual == "always" or (self.block_residual == "backbone" and parts.backbone.residual)
        return parts.model(sets=self.sets, interaction=BlockedInteraction(blocks, parts.interaction(self.sets), residual))


class BlockedInteraction(nn.Module):
    """The backbone's layers, each behind its block. States are the representations between blocks, x_l, with the width divided into the
    sets' columns."""

    def __init__(self, blocks: Sequence[Block], plain: Interaction, block_residual: bool) -> None:
        super().__init__()
        self.blocks, self.plain, self.block_residual = nn.ModuleList(blocks), plain, block_residual

    def forward(self, x: Tensor) -> Output:
        """x: (B, S, F, d)"""
        states, penalty, x0 = [x], no_penalty(x), None
        for index, layer in enumerate(self.plain.layers):
            sets = states[-1]
            has_block = index < len(self.blocks)
            if has_block:
                sets, cost = self.blocks[index](join(sets))
                penalty = penalty + cost
            x0 = sets if x0 is None else x0
            term = layer(sets, x0)
            if has_block and self.block_residual and term.shape == states[-1].shape:
                term = term + states[-1]
            elif self.plain.residual:
                term = term + sets
            states.append(term)
        return Output(self.plain.logits(self.plain.readout(states)), tuple(states), penalty)

    def diagnostics(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for l, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            found |= {f"layer{l}/{name}": value for name, value in block.diagnostics().items()}
        return found


class Block(nn.Module):
    """Rebalance, decouple, regenerate: (B, N, D) -> sets (B, S, N, d) and the HSIC penalty.

    x̃_n P = x_n (I − ε_n v̂_n v̂_nᵀ) P: the rebalancing goes into the small matrices after it, and x̃ is never written.
    """

    def __init__(self, method: RoBlock, rows: int, sets: int, dimension: int, components: int) -> None:
        super().__init__()
        width = sets * dimension
        self.rebalance = RankOneRebalance(rows, width, method.strength, method.deflation, method.direction, method.power_steps)
        self.decoupler = Decoupler(width, components, method.decoupler)
        self.router = Router(rows, sets, dimension, components, method.gates, method.gate_sharpness, method.maps, method.map_start)
        self.only_basis = method.hsic_gradient == "basis"
        nothing_to_turn = components == 1 or (self.only_basis and method.decoupler == "identity")
        self.weight = 0.0 if nothing_to_turn else method.hsic_weight
        self.kernel, self.samples, self.rows = method.hsic_kernel, method.hsic_samples, method.hsic_rows
        self.seen: Tensor | None = None  # of the last evaluation batch, (m, N, D)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Power iteration, orthogonality and HSIC want float32: where training runs in bfloat16, the block does not."""
        with float32(x.device.type):
            sets, penalty = self._forward(widened(x))
        return sets.to(x.dtype), penalty

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        leading = self.rebalance.leading(x)
        turn = before(self.decoupler().expand(x.shape[1], -1, -1), leading)
        penalty = no_penalty(x)
        if not self.training:
            self.seen = x[: self.samples].detach()
        elif self.weight > 0:
            # Batches are shuffled, so their first instances are a random sample; rows are drawn.
            rows = torch.randperm(x.shape[1], device=x.device)[: self.rows]
            sample = x[: self.samples, rows]
            z = self._components(sample.detach() if self.only_basis else sample, turn[rows])
            penalty = self.weight * hsic.mean_over_pairs(hsic.normalized(hsic.biased_hsic(z, self.kernel)))
        return self.router(x, turn, leading), penalty

    def _components(self, x: Tensor, turn: Tensor) -> Tensor:
        """x: (m, N, D), turn: (N, D, D) -> (m, N, K, D/K)"""
        turned = torch.bmm(x.transpose(0, 1), turn).transpose(0, 1)
        return turned.reshape(*x.shape[:2], self.decoupler.components, -1)

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        found = self.rebalance.diagnostics()
        if self.seen is None:
            return found
        leading = self.rebalance.state()
        turn = before(self.decoupler().expand(self.seen.shape[1], -1, -1), leading)
        z = self._components(self.seen, turn).double()
        # A row without variation depends on nothing: its normalised HSIC would be 0/0.
        z = z[:, z.var(0).sum(2).amin(1) > 1e-12 * z.square().mean()] if len(z) >= 4 else z
        if z.shape[2] > 1 and len(z) >= 4 and z.shape[1] > 0:
            found["nhsic_unbiased"] = float(hsic.mean_over_pairs(hsic.normalized(hsic.unbiased_hsic(z, self.kernel))))
        return found | self.router.diagnostics(self.seen, leading)


class Decoupler(nn.Module):
    """z = x P with P orthogonal by Cayley's transform, P = (I − A)(I + A)⁻¹ for the skew-symmetric A: the components side by side
    have exactly the singular values of x. Starts at the identity: component k = columns k·D/K … (k+1)·D/K.
    """

    place: Tensor
    identity: Tensor

    def __init__(self, width: int, components: int, kind: Literal["orthogonal", "free", "identity"]) -> None:
        super().__init__()
        self.components, self.kind = components, kind
        self.register_buffer("identity", torch.eye(width), persistent=False)
        if kind == "orthogonal":
            self.below_diagonal = nn.Parameter(torch.zeros(width * (width - 1) // 2))
            self.register_buffer("place", torch.tril_indices(width, width, -1), persistent=False)
        elif kind == "free":
            self.matrix_free = nn.Parameter(torch.eye(width))

    def forward(self) -> Tensor:
        """P (D, D), the components' columns side by side."""
        if self.kind == "identity":
            return self.identity
        if self.kind == "free":
            free: Tensor = self.matrix_free
            return free
        lower = torch.zeros_like(self.identity).index_put((self.place[0], self.place[1]), self.below_diagonal)
        skew = lower - lower.T
        turn: Tensor = torch.linalg.solve(self.identity + skew, self.identity - skew)
        return turn


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
