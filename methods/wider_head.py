"""Wider head: single embedding whose hidden layers are scaled until it has as many dense parameters as the ensemble.

    hidden widths of the backbone times one factor f, so that |P(f)/P_ensemble − 1| ≤ 2 %, P: parameters outside the table

A control of ours, beside ``wide_head``, which has the size of multi-embedding: an ensemble has a head for each of its S models, and what
it gains may be what any head as large gains. Interaction, table and depth stay as they are. At scale 1 the ensemble is single embedding,
and so is this.

Cost: the products of the wider layers. The widths are found on torch's meta device, without memory, in some tenths of a second.
"""

import dataclasses
from dataclasses import dataclass

from benchmark.method import Backbone, CTRModel, Incompatible, Method, Parts
from benchmark.nn.hidden_widths import head_size, size, widened


@dataclass(frozen=True, kw_only=True)
class WiderHead(Method):
    """Raises Incompatible where the backbone has no hidden width, or none that gives the ensemble's size."""

    summary = "control: single embedding with hidden layers scaled to the ensemble's number of dense parameters"
    source = "a control of this suite"

    def build(self, parts: Parts) -> CTRModel:
        try:
            return dataclasses.replace(parts, recipe=wider(parts)).model()
        except Incompatible as error:
            raise Incompatible(f"wider_head: {error}") from error


def wider(parts: Parts) -> Backbone:
    """The cell's backbone with the hidden widths that give it the ensemble's size. Raises Incompatible."""
    recipe, one, models = parts.backbone, parts.layout(), parts.layout(None)
    target = size(recipe, models) + (models.sets - 1) * head_size(recipe, models)
    return recipe if models == one else widened(recipe, parts.backbone_name, one, target, "ensemble")
