"""DirectSpec: in training every row of a field is pushed away from the rows that it resembles, an all-pass filter on the spectrum.

For the different rows E (n, D) of a field that a batch holds, Ê the rows scaled to length 1:

    Ê' = Ê − α softmax(τ Ê Êᵀ) Ê, softmax over each row; e'_i = ‖e_i‖ ê'_i/max(‖ê'_i‖, 0.1)

Source: Peng et al., 2024 (arXiv 2406.12032) and its public code: users and items of a batch each for themselves (here: fields), rows of
length 1, gradient through the filter, α 0.7 to 1 and τ 3 to 4, and evaluation on the rows as they stand in the table. So a sample's score
does not depend on its batch, but the model is evaluated on embeddings that the interaction was not trained on: read logloss beside AUC.

Ours, in three places:
- A value that occurs several times in a batch enters the filter once. The code lets it enter each time; but our batches have thousands of
  rows, and many fields few values, so a row would mostly be pushed away from copies of itself.
- At most ``rows`` values of a field are filtered, drawn anew in each batch, because α and τ are published for batches of 256 and 512. The
  other rows pass unchanged.
- A filtered row keeps its length (``length = "kept"``). In a field of few values the filter shortens rows to about 1 − α of it. The paper
  ranks dot products, to which a common factor is nothing, but a cross layer is not linear in it. "filtered" gives ‖e_i‖ ê'_i; the
  authors' code has ‖ê'_i‖ ê'_i times a constant.

Cost: no parameters, O(F·(B log B + rows²·D)) time in training, nothing in evaluation.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.method import CTRModel, Method, Parts, setting, tuned
from benchmark.nn.dose import change
from benchmark.nn.embedding import EmbeddingTable
from benchmark.nn.precision import float32, widened

SHORTEST = 0.1  # of ê'_i when its length is restored: what is left of a row after α = 1 may be rounding noise


@dataclass(frozen=True, kw_only=True)
class DirectSpec(Method):
    summary = "every field's rows pushed apart by a softmax filter in training; evaluation on the table as it is"
    source = "Peng et al., Balancing Embedding Spectrum for Recommendation, 2024 (DirectSpec), and its code"

    alpha: float = tuned(0.7, low=0.1, high=1.0, step=0.1, at_least=0, at_most=1, help="α, how much of the filter is taken off; 0: off")
    tau: float = tuned(4.0, low=1.0, high=5.0, step=1.0, at_least=0, help="τ, how sharply it tells rows apart")
    rows: int = setting(512, at_least=1, help="of each field that are filtered, at most")
    # Validation AUC of DCNv2 at scale 4 on synthetic, one seed of four epochs: .8158 kept, .8031 filtered (logloss .481 and .683).
    length: Literal["kept", "filtered"] = setting("kept", help="of a row after the filter")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(table=FilteredTable(parts.table(), self))


class FilteredTable(nn.Module):
    """The table with its rows filtered in training. Fields one after another: each has a number of rows of its own, and most have few."""

    def __init__(self, table: EmbeddingTable, settings: DirectSpec) -> None:
        super().__init__()
        self.table, self.settings = table, settings

    @property
    def weight(self) -> nn.Parameter:
        return self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        """(B, F) -> (B, F, D)"""
        x: Tensor = self.table(ids)
        if not self.training or self.settings.alpha == 0:
            return x
        with float32(x.device.type):
            return self.spread(widened(x), ids).to(x.dtype)

    def doses(self, ids: Tensor) -> dict[str, float]:
        """``filter``: how far it turns the embedding of a training batch, ids (B, F)."""
        return {"filter": change(self.table(ids), self(ids))}

    def spread(self, x: Tensor, ids: Tensor) -> Tensor:
        """x (B, F, D), ids (B, F) -> (B, F, D)"""
        values, place = torch.unique(ids, return_inverse=True)  # ascending, and a field's ids are neighbours: field after field
        entries = torch.arange(ids.numel(), device=ids.device)
        entry = torch.empty_like(values, dtype=torch.long).scatter_(0, place.flatten(), entries)  # any one of x that has the value
        counts = torch.bincount(entry % ids.shape[1], minlength=ids.shape[1]).tolist()
        rows = x.flatten(0, 1).index_select(0, entry)
        spread = torch.cat([self._some_filtered(part) for part in torch.split(rows, counts)])
        return spread.index_select(0, place.flatten()).view_as(x)

    def _some_filtered(self, rows: Tensor) -> Tensor:
        """The different rows of a field (n, D), no more than ``rows`` of them filtered -> (n, D)"""
        drawn = torch.randperm(len(rows), device=rows.device)[: self.settings.rows]
        return rows.index_copy(0, drawn, self.filtered(rows.index_select(0, drawn)))

    def filtered(self, rows: Tensor) -> Tensor:
        """E (n, D) -> E' (n, D)"""
        length: Tensor = rows.norm(dim=1, keepdim=True)
        unit = functional.normalize(rows, dim=1)
        spread = unit - self.settings.alpha * functional.softmax(self.settings.tau * unit @ unit.T, dim=1) @ unit
        if self.settings.length == "kept":
            spread = spread / spread.norm(dim=1, keepdim=True).clamp_min(SHORTEST)
        return length * spread
