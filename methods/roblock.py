"""RoBlock: before every interaction layer a block rebalances the spectrum of the whole width, decouples it into components that
HSIC makes independent, and regenerates S embedding sets from them. A reconstruction.

Source: ICLR 2026 submission 23146, "RoBlock: Wide and Deep Scaling of Recommenders via Embedding Collapse Mitigation". Only its
abstract is public: no code, no full text, no numbers. Every choice that the abstract leaves open is a hyper-parameter here.

For a layer's representation x (B, N, D), with sets of d = D/S numbers and K components:

    rebalance    x̃_n = x_n − ε_n (x_n·v̂_n) v̂_n                                      benchmark/nn/rebalance.py
    decouple     z_k = x̃ P_k, [P_1 … P_K] a D×D orthogonal matrix                         benchmark/nn/decoupler.py
                 loss β · Σ over blocks of the mean over rows and pairs of nHSIC(z_k, z_k'): the weight on a block's own P does not
                 depend on the depth
    regenerate   e^(m)_n = Σ_k softmax_k(a_n[m,:] + x̃_n W_n[:,m,:]/rms_n)_k · z_{k,n} U_{m,k}    benchmark/nn/router.py
                 rms_n the running root mean square of row n's input x_n
    interact     y^(m) = layer^(m)(e^(m), e_0^(m)); put side by side: width D again, plus x (block residual)

With strength 0, decoupler and maps "identity", gates "one_hot" and block residual "never" it is multi-embedding, number for number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from benchmark.method import Adam, CTRModel, Method, Output, Parts, UserError, no_penalty, setting, tuned
from benchmark.nn.block import Block
from benchmark.nn.decoupler import Decoupler
from benchmark.nn.dose import with_attributes
from benchmark.nn.embedding import join
from benchmark.nn.model import Interaction
from benchmark.nn.rebalance import RankOneRebalance
from benchmark.nn.router import Router


@dataclass(frozen=True, kw_only=True)
class RoBlock(Method):
    """Raises UserError when the width does not divide by the sets or the components."""

    summary = "rebalance, decouple (HSIC) and regenerate the sets before every layer; a reconstruction"
    source = "ICLR 2026 submission 23146 (abstract only); rank-1 update: Yu et al., ECCV 2020"
    # The ablations, docs/mathematics.md §2.6: run them by name, "roblock:no_hsic", or all with "roblock:all".
    presets: ClassVar = {
        # The defaults of version 0.1 (docs/roblock.md): gates that start 5.1 apart and see the input as small as it is, and do not move.
        "resting_gates": {"gate_sharpness": 4.0, "gate_scores": "raw", "gate_rate": 1.0, "first_state": "table"},
        "fast_gates": {"gate_rate": 30.0},  # whose gates leave their start by more than with the default, docs/roblock.md
        "no_rebalancing": {"strength": 0.0},
        "no_hsic": {"hsic_weight": 0.0},
        "no_decoupler": {"decoupler": "identity"},  # and with it no HSIC: there is no basis to turn
        "table_readout": {"first_state": "table"},
        "no_regeneration": {"gates": "one_hot", "maps": "identity"},
        "first_layer_only": {"blocks": "first"},
        "linear_hsic": {"hsic_kernel": "linear"},
        "full_projection": {"deflation": "fixed", "strength": 1.0},
    }
    former = "resting_gates"

    sets: int | None = setting(None, at_least=1, help="S; none: one per base dimension, S = scale")
    components: int | None = setting(None, at_least=1, help="K; none: as many as sets")
    blocks: Literal["all", "first"] = setting("all", help="first: only before layer 0, plain parallel sets after")
    # y + x, the path that was not rebalanced, in place of the layer's own identity term, where N stays. "backbone": with backbones that
    # have such a term; "always": with the others too, which have no identity path in their papers.
    block_residual: Literal["backbone", "always", "never"] = setting("backbone", help="whether y + x, the path not rebalanced, goes on")
    # What a readout of the embedding itself sees, the DNN beside xDeepFM's CIN and DCNv2's cross layers. With "table" such a readout goes
    # past all blocks: where a model comes to live by its DNN alone, as xDeepFM does on flights, nothing of RoBlock then acts.
    first_state: Literal["sets", "table"] = setting("sets", help="what a readout of state 0 sees: the first block's sets, or the table's")
    # spectrum rebalancing
    strength: float = tuned(0.5, low=0.0, high=1.0, step=0.25, at_least=0, at_most=1, help="ε of the rebalancing; 0: off")
    deflation: Literal["adaptive", "fixed"] = setting("adaptive")
    direction: Literal["running", "random"] = setting("running")
    power_steps: int = setting(2, at_least=1, help="of the power iteration, on each batch")
    # embedding decoupler
    decoupler: Literal["orthogonal", "free", "identity"] = setting("orthogonal")
    hsic_weight: float = tuned(0.1, choices=(0.0, 0.1, 0.5, 1.0), at_least=0, help="β")
    # "basis": the penalty turns P and leaves x alone, so that independence is not bought by giving up what x says.
    hsic_gradient: Literal["basis", "all"] = setting("basis", help="what the penalty may change")
    hsic_kernel: Literal["rbf", "linear"] = setting("rbf")
    hsic_samples: int = setting(256, at_least=4, because="as the unbiased criterion needs", help="m, instances of a batch in the criterion")
    # Rows n drawn anew in each batch are an unbiased estimate of the mean over all rows; eight cost four times as much as two.
    hsic_rows: int = setting(2, at_least=1, help="rows n of the criterion, drawn anew in each batch")
    # embedding regeneration
    gates: Literal["full", "static", "input", "one_hot"] = setting("full")
    # Log-odds of a head's own component at the start, a_n[m,m] = gate_sharpness + log(K − 1), for every K alike: heads begin apart. At 4 a
    # softmax passes on so little gradient that gates rest there.
    gate_sharpness: float = setting(0.5, help="log-odds of a head's own component at the start")
    gate_scores: Literal["scaled", "raw"] = setting("scaled", help="scaled: gates see a row's input over its running root mean square")
    gate_rate: float = setting(10.0, above=0, help="times the learning rate, of the gates' scores")
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
        blocks = [self._block(rows, layout.sets, d, components) for rows, d in shapes]
        residual = self.block_residual == "always" or (self.block_residual == "backbone" and parts.backbone.residual)
        interaction = BlockedInteraction(blocks, parts.interaction(self.sets), residual, self.first_state == "sets")
        return parts.model(sets=self.sets, interaction=interaction)

    def _block(self, rows: int, sets: int, dimension: int, components: int) -> Block:
        width, only_basis = sets * dimension, self.hsic_gradient == "basis"
        return Block(
            RankOneRebalance(rows, width, self.strength, self.deflation, self.direction, self.power_steps),
            Decoupler(width, components, self.decoupler, self.hsic_weight, self.hsic_kernel, self.hsic_samples, self.hsic_rows, only_basis),
            Router(
                rows,
                sets,
                dimension,
                components,
                self.gates,
                self.gate_sharpness,
                self.maps,
                self.map_start,
                self.gate_scores,
                self.gate_rate,
            ),
        )


class BlockedInteraction(nn.Module):
    """The backbone's layers, each behind its block. States are the representations between blocks, x_l, with the width divided into the
    sets' columns. ``sets_first``: a readout of state 0 sees the first block's sets in its place."""

    def __init__(self, blocks: Sequence[Block], plain: Interaction, block_residual: bool, sets_first: bool) -> None:
        super().__init__()
        self.blocks, self.plain, self.block_residual, self.sets_first = nn.ModuleList(blocks), plain, block_residual, sets_first

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
        seen = [x0, *states[1:]] if self.sets_first and x0 is not None else states
        return Output(self.plain.logits(self.plain.readout(seen)), tuple(states), penalty)

    def adam(self) -> dict[nn.Parameter, Adam]:
        return {parameter: rule for block in self._blocks() for parameter, rule in block.router.adam().items()}

    def curve(self) -> dict[str, float]:
        return self._by_layer(block.curve() for block in self._blocks())

    def diagnostics(self) -> dict[str, float]:
        return self._by_layer(block.diagnostics() for block in self._blocks())

    def doses(self, x: Tensor) -> dict[str, float]:
        states = self(x).states
        return self._by_layer(block.doses(join(state)) for block, state in zip(self._blocks(), states, strict=False))

    def knock_outs(self) -> dict[str, AbstractContextManager[None]]:
        """Each part in all blocks at once; what they are instead stands in the blocks (``neutral_forms``)."""
        found: dict[str, list[tuple[nn.Module, str, Any]]] = {}
        for block in self._blocks():
            for part, change in block.neutral_forms().items():
                found.setdefault(part, []).append(change)
        return {part: with_attributes(*changes) for part, changes in found.items()}

    def _blocks(self) -> Iterator[Block]:
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block

    @staticmethod
    def _by_layer(found: Iterable[Mapping[str, float]]) -> dict[str, float]:
        return {f"layer{l}/{name}": value for l, of_block in enumerate(found) for name, value in of_block.items()}
