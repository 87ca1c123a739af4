"""Heterogeneous multi-embedding: the sets differ in their kind of interaction, not in its weights alone.

    S sets of d = D/S columns as in multi_embedding; K kinds: the cell's backbone, then ``kinds`` without it, no more than S.
    Set s is of kind s mod K. The sets of one kind have their own layers, the mean of their readouts meets the kind's head:
    logit = 1/K · Σ_k head_k(mean of the readouts of kind k's sets).

With one kind it is multi_embedding, with one set (scale 1) single_embedding, number for number.

Source: Pan et al., KDD 2024: several experts, each with its own interaction function on one of several embedding tables, before the
classification tower. Ours: which kinds; their hyper-parameters, the defaults of their files (only the cell's backbone is tuned and follows
the cell's depth); the mean of logits, as readouts of different kinds have different widths and no common tower; sets of one kind as a
multi-embedding among themselves. The cost is that of S/K sets of each kind: on a cheap backbone most of it is the other kinds'.

State 0 is all sets' embedding (B, S, F, d); deeper states are those of the cell's backbone, (B, ⌈S/K⌉, N_l, d_l): the others' have other
shapes and depths. So a layer's spectrum is of a narrower matrix than layer 0's: compare layers 1…L among themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark import plugins
from benchmark.contracts import Backbone, CTRModel, Incompatible, Layout, Method, Output, Schema, UserError, no_penalty
from benchmark.nn.embedding import EmbeddingTable, layout_of_sets, mean_of_sets, split, states_of


@dataclass(frozen=True, kw_only=True)
class HeteroME(Method):
    """Raises UserError when the width does not divide by the number of sets, Incompatible when it does not suit one of the kinds."""

    summary: ClassVar[str] = "multi-embedding whose sets have different kinds of interaction, mean of the logits"
    source: ClassVar[str] = "Pan et al., Ads Recommendation in a Collapsed and Entangled World, KDD 2024; its combination is ours"

    sets: int | None = None  # S; None: one per base dimension, S = scale
    kinds: tuple[str, ...] = ("dcnv2", "xdeepfm", "finalmlp")  # backbones beside the cell's own, in this order

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in plugins.names("backbones"):
                raise UserError(f"hetero_me: kinds = {kind}; it must be one of {', '.join(plugins.names('backbones'))}")

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        layout = layout_of_sets("hetero_me", self.sets, schema, scale, dimension)
        others = [kind for kind in dict.fromkeys(self.kinds) if not isinstance(backbone, plugins.plugin("backbones", kind))]
        recipes = [backbone, *(plugins.make("backbones", kind, {}) for kind in others[: layout.sets - 1])]
        try:
            return HeterogeneousSets(schema, recipes, layout)
        except Incompatible as error:
            raise Incompatible(f"hetero_me: a set cannot have this kind: {error}") from error


class HeterogeneousSets(CTRModel):
    def __init__(self, schema: Schema, recipes: Sequence[Backbone], layout: Layout) -> None:
        super().__init__()
        self.sets = layout.sets
        self.embedding = EmbeddingTable(schema, layout.sets * layout.dimension)
        numbers = [len(range(k, layout.sets, len(recipes))) for k in range(len(recipes))]
        self.kinds = nn.ModuleList(Kind(recipe, layout._replace(sets=n)) for recipe, n in zip(recipes, numbers, strict=True))

    def table(self) -> nn.Parameter:
        return self.embedding.weight

    def forward(self, ids: Tensor) -> Output:
        x = split(self.embedding(ids), self.sets)
        logits, states = zip(*(kind(x[:, k :: len(self.kinds)].contiguous()) for k, kind in enumerate(self.kinds)), strict=True)
        mean = torch.stack(logits).mean(0)
        return Output(mean, (x, *states[0][1:]), no_penalty(mean))


class Kind(nn.Module):
    """A backbone's layers, readout and head: x0 (B, S, F, d) -> logits (B,) and states 0…L."""

    def __init__(self, recipe: Backbone, layout: Layout) -> None:
        super().__init__()
        self.residual = recipe.residual
        self.layers = nn.ModuleList(recipe.layer(index, layout) for index in range(len(recipe.shapes(layout)) - 1))
        self.readout = recipe.readout(layout)
        self.head = recipe.head(layout)

    def forward(self, x0: Tensor) -> tuple[Tensor, list[Tensor]]:
        states = states_of(self.layers, x0, self.residual)
        return self.head(mean_of_sets(self.readout(states))), states
