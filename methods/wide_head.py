"""Wide head: single embedding whose hidden layers are scaled until it has as many dense parameters as multi-embedding.

    hidden widths of the backbone times one factor f, so that |P(f)/P_ME − 1| ≤ 2 %, P: parameters outside the table

A control of ours: at one width of the table single and multi-embedding differ in size (FinalMLP at scale 4 with ten fields: 806k dense
parameters against 1,780k), and what multi-embedding gains may be what any larger head gains. Interaction, table and depth stay as they are.
f is below 1 where single embedding is the larger model (RankMixer, DCNv2 at scale 2).

What is a hidden width says the backbone (``Backbone.hidden_widths``), and what it has to be a multiple of (``width_step``): units that are
handed on as rows of D, of D. How the widths are found: benchmark/nn/hidden_widths.py.

No factor fits where multi-embedding has fewer parameters than the other layers of a single set: DCNv2 at scale 4, whose cross layers are
S times those of multi-embedding. Such a cell is Incompatible. At scale 1 multi-embedding is single embedding, and so is this.

Cost: the products of the wider layers. The widths are found on torch's meta device, without memory, in some tenths of a second.
"""

import dataclasses
from dataclasses import dataclass

from benchmark.method import Backbone, CTRModel, Incompatible, Method, Parts
from benchmark.nn.hidden_widths import size, widened


@dataclass(frozen=True, kw_only=True)
class WideHead(Method):
    """Raises Incompatible where the backbone has no hidden width, or none that gives multi-embedding's size."""

    summary = "control: single embedding with hidden layers scaled to multi-embedding's number of dense parameters"
    source = "a control of this suite"

    def build(self, parts: Parts) -> CTRModel:
        try:
            return dataclasses.replace(parts, recipe=wide(parts)).model()
        except Incompatible as error:
            raise Incompatible(f"wide_head: {error}") from error


def wide(parts: Parts) -> Backbone:
    """The cell's backbone with the hidden widths that give it multi-embedding's size. Raises Incompatible."""
    recipe, one, sets = parts.backbone, parts.layout(), parts.layout(None)
    return recipe if sets == one else widened(recipe, parts.backbone_name, one, size(recipe, sets), "multi_embedding")
