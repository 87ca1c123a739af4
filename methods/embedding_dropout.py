"""Embedding dropout: entries of the embedding are zeroed in training. A cheap control: any noise on the embedding spreads its spectrum.

    x̃ = x ⊙ m/(1 − rate), m (B, F, D) independent Bernoulli(1 − rate); evaluation uses x.

Cost: no parameters, O(B·F·D) time and random numbers in training.
"""

from dataclasses import dataclass

from benchmark.method import CTRModel, Method, Parts, tuned
from benchmark.nn.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class EmbeddingDropout(Method):
    summary = "control: dropout on the entries of the embedding"
    source = "Srivastava et al., JMLR 2014; embedding_dropout of the BARS configurations"

    rate: float = tuned(0.1, low=0.0, high=0.5, step=0.1, at_least=0, below=1, help="of the entries that are zeroed")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(transform=Dropout(self.rate))
