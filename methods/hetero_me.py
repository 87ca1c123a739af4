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

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark import plugins
from benchmark.method import Backbone, CTRModel, Incompatible, Layout, Method, Output, Parts, UserError, no_penalty, setting
from benchmark.nn.model import Interaction


@dataclass(frozen=True, kw_only=True)
class HeteroME(Method):
    """Raises UserError when the width does not divide by the number of sets, Incompatible when it does not suit one of the kinds."""

    summary = "multi-embedding whose sets have different kinds of interaction, mean of the logits"
    source = "Pan et al., Ads Recommendation in a Collapsed and Entangled World, KDD 2024; its combination is ours"

    sets: int | None = setting(None, at_least=1, help="S; none: one per base dimension, S = scale")
    kinds: tuple[str, ...] = setting(("dcnv2", "xdeepfm", "finalmlp"), help="backbones beside the cell's own, in this order")

    def validate(self) -> None:
        for kind in self.kinds:
            if kind not in plugins.names("backbones"):
                raise UserError(f"hetero_me: kinds = {kind}; it must be one of {', '.join(plugins.names('backbones'))}")

    def build(self, parts: Parts) -> CTRModel:
        layout = parts.layout(self.sets)
        others = [kind for kind in dict.fromkeys(self.kinds) if not isinstance(parts.backbone, plugins.plugin("backbones", kind))]
        recipes = [parts.backbone, *(plugins.make("backbones", kind, {}) for kind in others[: layout.sets - 1])]
        try:
            return parts.model(sets=self.sets, interaction=HeterogeneousSets(recipes, layout))
        except Incompatible as error:
            raise Incompatible(f"hetero_me: a set cannot have this kind: {error}") from error


class HeterogeneousSets(nn.Module):
    def __init__(self, recipes: Sequence[Backbone], layout: Layout) -> None:
        super().__init__()
        numbers = [len(range(k, layout.sets, len(recipes))) for k in range(len(recipes))]
        self.kinds = nn.ModuleList(Interaction(recipe, layout._replace(sets=n)) for recipe, n in zip(recipes, numbers, strict=True))

    def forward(self, x0: Tensor) -> Output:
        """x0: (B, S, F, d)"""
        outputs: list[Output] = [kind(x0[:, k :: len(self.kinds)]) for k, kind in enumerate(self.kinds)]
        logits = torch.stack([output.logits for output in outputs]).mean(0)
        return Output(logits, (x0, *outputs[0].states[1:]), no_penalty(logits))
