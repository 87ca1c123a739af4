"""Multi-embedding (ME): S tables side by side, each with its own interaction layers; the mean of their readouts meets one head."""

from dataclasses import dataclass

from benchmark.method import CTRModel, Method, Parts, setting


@dataclass(frozen=True, kw_only=True)
class MultiEmbedding(Method):
    """Raises UserError when the width does not divide by the number of sets."""

    summary = "S embedding sets with their own interaction layers, mean of the readouts"
    source = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024"

    sets: int | None = setting(None, at_least=1, help="S; none: one per base dimension, S = scale")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(sets=self.sets)
