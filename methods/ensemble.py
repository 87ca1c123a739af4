"""Ensemble: S models of the base width side by side, trained together; the mean of their logits is the score.

    model s has the columns s·d … (s+1)·d of the table, and interaction layers, readout and head of its own
    logit = 1/S · Σ_s head_s(readout_s(x^(s)_0 … x^(s)_L))

A control of ours, for the question whether multi-embedding is just an ensemble: there the mean is taken of the readouts, before one head
for all sets; here of the logits. Nothing else differs: same table, same layers. With one model it is single embedding, number for number.

Trained together: one logloss of the mean logit, so each model learns what the others leave over. Models that are trained each on its own
loss, the other meaning of the word, would be S trainings of single embedding at scale 1.

Cost: as multi-embedding, and S heads in the place of one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.method import CTRModel, Method, Output, Parts, no_penalty, setting
from benchmark.nn.model import Interaction


@dataclass(frozen=True, kw_only=True)
class Ensemble(Method):
    """Raises UserError when the width does not divide by the number of models."""

    summary = "control: S models of the base width, mean of their logits, trained together"
    source = "a control of this suite"

    sets: int | None = setting(None, at_least=1, help="S, models; none: one per base dimension, S = scale")

    def build(self, parts: Parts) -> CTRModel:
        layout, first = parts.layout(self.sets), parts.interaction(self.sets)
        if layout.sets == 1:
            return parts.model(sets=self.sets, interaction=first)  # the same model to the last module, so that one training serves both
        return parts.model(sets=self.sets, interaction=Members(first, [parts.backbone.head(layout) for _ in range(1, layout.sets)]))


class Members(nn.Module):
    """Layers and readouts of all models in one, a set is a model. ``heads`` are those of all models but the first."""

    def __init__(self, interaction: Interaction, heads: list[nn.Module]) -> None:
        super().__init__()
        self.interaction, self.heads = interaction, nn.ModuleList(heads)

    def forward(self, x0: Tensor) -> Output:
        """x0: (B, S, F, d)"""
        states = self.interaction.states(x0.contiguous())
        readouts: Tensor = self.interaction.readout(states)  # (B, S, H)
        first = self.interaction.logits(readouts[:, :1])
        others = [head(features) for head, features in zip(self.heads, readouts.unbind(1)[1:], strict=True)]
        logits = torch.stack([first, *others]).mean(0)
        return Output(logits, tuple(states), no_penalty(logits))
