"""Multi-embedding with shared interaction: S tables side by side as in multi_embedding, but one interaction for all of them.

    x (B, F, D) -> S sets of d = D/S columns; x^(s)_{l+1} = layer_l(x^(s)_l, x^(s)_0) with the same layer_l for every s, plus x^(s)_l where
    the backbone has a residual; logit = head(mean_s readout(x^(s)_0 … x^(s)_L)) with the same readout for every s.

The paper's control: what multi-embedding gains comes from interactions that differ between the sets, so with shared ones the gain should
vanish. Cost: the interaction weights of one set of d, S times fewer than multi_embedding's; as many FLOPs, O(S · F²d²) per DCNv2 layer.

Ours: "interaction" takes in the readout, that is the first MLP layer, so that a set has nothing of its own but its table. The sets are
folded into the batch, so the statistics of a batch normalisation in the readout are those of B · S rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from benchmark.contracts import Backbone, CTRModel, Layout, Method, Output, Schema, no_penalty
from benchmark.nn.embedding import EmbeddingTable, layout_of_sets, mean_of_sets, split, states_of


@dataclass(frozen=True, kw_only=True)
class MultiEmbeddingShared(Method):
    """Raises UserError when the width does not divide by the number of sets."""

    summary: ClassVar[str] = "S embedding sets through one shared interaction: the control of multi-embedding"
    source: ClassVar[str] = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024"

    sets: int | None = None  # None: one per base dimension, S = scale

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        return SharedSets(schema, backbone, layout_of_sets("multi_embedding_shared", self.sets, schema, scale, dimension))


class SharedSets(CTRModel):
    """Layers and readout are built for one set and see B · S rows of it."""

    def __init__(self, schema: Schema, backbone: Backbone, layout: Layout) -> None:
        super().__init__()
        one = layout._replace(sets=1)
        self.sets = layout.sets
        self.residual = backbone.residual
        self.embedding = EmbeddingTable(schema, layout.sets * layout.dimension)
        self.layers = nn.ModuleList(backbone.layer(index, one) for index in range(len(backbone.shapes(one)) - 1))
        self.readout = backbone.readout(one)
        self.head = backbone.head(one)

    def table(self) -> nn.Parameter:
        return self.embedding.weight

    def forward(self, ids: Tensor) -> Output:
        folded = split(self.embedding(ids), self.sets).contiguous().flatten(0, 1).unsqueeze(1)  # (B·S, 1, F, d)
        states = states_of(self.layers, folded, self.residual)
        logits = self.head(mean_of_sets(self._unfolded(self.readout(states))))
        return Output(logits, tuple(self._unfolded(state) for state in states), no_penalty(logits))

    def _unfolded(self, x: Tensor) -> Tensor:
        """(B·S, 1, …) -> (B, S, …)"""
        return x.reshape(-1, self.sets, *x.shape[2:])
