"""Multi-embedding with shared interaction: S tables side by side as in multi_embedding, but one interaction for all of them.

    x (B, F, D) -> S sets of d = D/S columns; x^(s)_{l+1} = layer_l(x^(s)_l, x^(s)_0) with the same layer_l for every s, plus x^(s)_l where
    the backbone has a residual; logit = head(mean_s readout(x^(s)_0 … x^(s)_L)) with the same readout for every s.

The paper's control: what multi-embedding gains comes from interactions that differ between the sets, so with shared ones the gain should
vanish. Cost: the interaction weights of one set of d, S times fewer than multi_embedding's; as many FLOPs, O(S · F²d²) per DCNv2 layer.

Ours: "interaction" takes in the readout, that is the first MLP layer, so that a set has nothing of its own but its table. The sets are
folded into the batch, so the statistics of a batch normalisation in the readout are those of B · S rows.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.method import CTRModel, Method, Output, Parts, no_penalty, setting
from benchmark.nn.model import Interaction


@dataclass(frozen=True, kw_only=True)
class MultiEmbeddingShared(Method):
    """Raises UserError when the width does not divide by the number of sets."""

    summary = "S embedding sets through one shared interaction: the control of multi-embedding"
    source = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024"

    sets: int | None = setting(None, at_least=1, help="S; none: one per base dimension, S = scale")

    def build(self, parts: Parts) -> CTRModel:
        layout = parts.layout(self.sets)
        return parts.model(sets=self.sets, interaction=SharedInteraction(Interaction(parts.backbone, layout._replace(sets=1)), layout.sets))


class SharedInteraction(nn.Module):
    """Layers and readout are built for one set and see B · S rows of it."""

    def __init__(self, shared: Interaction, sets: int) -> None:
        super().__init__()
        self.shared, self.sets = shared, sets

    def forward(self, x0: Tensor) -> Output:
        """x0: (B, S, F, d)"""
        folded = x0.contiguous().flatten(0, 1).unsqueeze(1)  # (B·S, 1, F, d)
        states = self.shared.states(folded)
        logits = self.shared.logits(self._unfolded(self.shared.readout(states)))
        return Output(logits, tuple(self._unfolded(state) for state in states), no_penalty(logits))

    def _unfolded(self, x: Tensor) -> Tensor:
        """(B·S, 1, …) -> (B, S, …)"""
        return x.reshape(-1, self.sets, *x.shape[2:])
