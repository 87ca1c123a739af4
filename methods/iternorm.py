"""IterNorm: the embedding of every field is whitened by Newton's iteration before the interaction.

    y_f = (x_f − μ_f) W_f ⊙ γ_f + β_f, x (B, F, D), W_f ≈ Σ_f^(−1/2) after T iterations      benchmark/nn/whitening.py

Source: Huang et al., CVPR 2019, algorithms 1 and 2, with T, eps and momentum of its code; running means in evaluation. T iterations stretch
no direction by more than 1.5^T/√tr Σ_f: those with a smaller share of the variance than about 1.5^(−2T) stay below the others, which keeps
noise down. T is that trade-off. The result does not depend on the table's scale, so an embedding L2 shrinks the table until eps matters.

Ours: a group is a field; the running means are plain over the first batches, then exponential. Cost: 2·F·D parameters (γ, β), O(B·F·D² +
T·F·D³) time.
"""

from dataclasses import dataclass

from benchmark.method import CTRModel, Method, Parts, setting, tuned
from benchmark.nn.whitening import IterNorm


@dataclass(frozen=True, kw_only=True)
class IterNormMethod(Method):
    summary = "every field's embedding whitened by Newton's iteration, running statistics in evaluation"
    source = "Huang et al., Iterative Normalization: Beyond Standardization towards Efficient Whitening, CVPR 2019"

    # More iterations than 7 let rounding grow without bound where a field has collapsed.
    steps: int = tuned(5, low=3, high=7, step=2, at_least=1, at_most=7, because="or rounding grows where a field has collapsed", help="T")
    eps: float = setting(1e-5, above=0, help="added to every variance")
    momentum: float = setting(0.1, above=0, at_most=1, help="of a batch in the running means")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(transform=IterNorm(parts.fields, parts.width, self.steps, self.eps, self.momentum))
