"""Parallel DNN: an MLP on the embedding itself beside the explicit interaction; their logits are added.

    logit = backbone(x) + w · MLP(x) + c, x (B, F · D) the embedding that both share.

Source: Wang et al., SIGIR 2026 (arXiv 2604.26489): an MLP beside an FM or cross network gives the embedding a gradient of higher rank than
the interaction alone does, and the embedding collapses less. They put one linear unit on both outputs side by side: the same sum. Ours: the
backbone's own head stands in for their linear unit on the interaction, so a stacked DCNv2 keeps its MLP and gets a second one; sizes,
dropout and batch normalisation are the backbones' (BARS). Cost: F·D·h_1 + h_1·h_2 + … parameters and FLOPs, for D = 40, F = 10 and 400-400
as much as two DCNv2 cross layers.

A backbone that has an MLP on the embedding already (DNN, IPNN, xDeepFM, FinalMLP, DCNv2 in its parallel form) is Incompatible.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.method import CTRModel, Incompatible, Method, Output, Parts, setting, tuned
from benchmark.nn.linear import Tower


@dataclass(frozen=True, kw_only=True)
class ParallelDNN(Method):
    summary = "an MLP on the embedding beside the explicit interaction, logits added"
    source = "Wang et al., Understanding DNNs in Feature Interaction Models: A Dimensional Collapse Perspective, SIGIR 2026"

    hidden: tuple[int, ...] = setting((400, 400), at_least=1, help="units of the MLP's hidden layers")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1, help="of the MLP")
    batch_norm: bool = setting(True)

    def build(self, parts: Parts) -> CTRModel:
        if parts.backbone.has_dnn:
            raise Incompatible(f"parallel_dnn: {type(parts.backbone).__name__} as configured has a DNN on the embedding already")
        tower = Tower(parts.fields * parts.width, self.hidden, self.dropout, self.batch_norm)
        return parts.model(interaction=BesideTower(parts.interaction(), tower))


class BesideTower(nn.Module):
    """Logits of the interaction plus those of the tower on the embedding."""

    def __init__(self, interaction: nn.Module, tower: Tower) -> None:
        super().__init__()
        self.interaction, self.tower = interaction, tower

    def forward(self, x0: Tensor) -> Output:
        """x0: (B, 1, F, D)"""
        output: Output = self.interaction(x0)
        return output._replace(logits=output.logits + self.tower(x0.flatten(1)))
