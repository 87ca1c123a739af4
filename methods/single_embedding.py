"""Single embedding (SE): one set of the whole width. The control of every comparison."""

from dataclasses import dataclass

from benchmark.method import CTRModel, Method, Parts


@dataclass(frozen=True, kw_only=True)
class SingleEmbedding(Method):
    summary = "one embedding set of the whole width: the control"
    source = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024"

    def build(self, parts: Parts) -> CTRModel:
        return parts.model()
