"""Single embedding whose interaction weights are drawn towards orthogonal blocks, so that they pass on whole spectra.

    L = w · Σ over layers and pairs of fields (i, j) of ‖I − W_ij W_ijᵀ‖²_F,  W_ij (D×D) from field j to field i

Guo et al., ICML 2024, and a class of the authors' code: the sum, weight 1e-4. It raises information abundance and does not help AUC at
scale. Their runs use a variant with a free scale for each pair, W_ij W_ijᵀ drawn to λ_ij I, and weight 1e-5: the preset
``scaled_identity``, where λ_ij is taken at its best, tr(W_ij W_ijᵀ)/D, instead of learned. The sum with λ_ij = 1 starts near F²·L·D, as
cross layers start with small blocks: with D = 40, F = 10, L = 4 the paper's weight makes 1.6 of it, more than the logloss. It has no
gradient on the table: the share of the logloss's gradient that ``weight`` is by default is taken on the interaction weights.

O(L·F²·D³) a batch, whatever B is; no parameters. A layer takes part when it has ``field_blocks`` (benchmark/nn/cross.py); a backbone
without such a layer is incompatible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from benchmark.method import CTRModel, Output, Parts, Penalised, setting
from benchmark.nn.cross import FieldBlocks, layers_of_blocks


@dataclass(frozen=True, kw_only=True)
class OrthogonalReg(Penalised):
    """Raises Incompatible for a backbone whose interaction weights are no d x d blocks."""

    summary = "penalty that draws the d x d blocks of the interaction weights towards orthogonal matrices"
    source = "Guo et al., On the Embedding Collapse when Scaling up Recommendation Models, ICML 2024, appendix"
    presets: ClassVar = {
        "published": {"weight": 1e-4, "weighs": "absolute"},
        "scaled_identity": {"target": "scaled_identity", "weight": 1e-5, "weighs": "absolute"},
    }
    former = "published"

    target: Literal["identity", "scaled_identity"] = setting("identity", help="λ_ij I with λ_ij = 1, or the λ_ij nearest to W_ij W_ijᵀ")

    def build(self, parts: Parts) -> CTRModel:
        interaction = parts.interaction()
        layers = layers_of_blocks(interaction, parts.backbone_name, "orthogonal_reg")
        return parts.model(interaction=interaction, penalty=self.penalty(partial(skewness, layers, self.target == "scaled_identity")))


def skewness(layers: Sequence[FieldBlocks], scaled: bool, ids: Tensor, output: Output) -> Tensor:
    terms = []
    for layer in layers:
        blocks = layer.field_blocks().flatten(0, 2)  # (S·F·F, D, D)
        identity = torch.eye(blocks.shape[2], dtype=blocks.dtype, device=blocks.device)
        products = blocks @ blocks.mT
        scale = products.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] if scaled else 1.0
        terms.append((scale * identity - products).square().sum())
    return torch.stack(terms).sum()
