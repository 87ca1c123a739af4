"""Single embedding whose values spread over the sphere: each field's directions repel one another.

    L = w · mean over fields of log mean_{i<j} exp(−2 ‖z_i − z_j‖²),  z_i (D) of length 1, one for each value of the field

Wang and Isola, ICML 2020, with t = 2; for recommenders DirectAU (Wang et al., KDD 2022), where users and items are the two fields. Ours:
the values are the different ones among ``rows`` samples drawn anew from the batch, each once, so that no value repels itself; a field
with one value there counts 0; and ``weight``. All directions alike give 0, orthogonal ones −4.

O(F·m²·D) a batch with m = rows, whatever B is; no parameters.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.method import CTRModel, Output, Parts, Penalised, setting
from benchmark.nn.covariance import by_field


@dataclass(frozen=True, kw_only=True)
class Uniformity(Penalised):
    summary = "uniformity loss on the directions of each field's values"
    source = "Wang and Isola, ICML 2020; Wang et al., DirectAU, KDD 2022"
    presets: ClassVar = {"published": {"weight": 1e-2, "weighs": "absolute"}}
    former = "published"

    rows: int = setting(256, at_least=2, help="m, samples of the batch whose values are compared")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(penalty=self.penalty(self.concentration))

    def concentration(self, ids: Tensor, output: Output) -> Tensor:
        chosen = torch.randperm(len(ids), device=ids.device)[: self.rows]
        z = by_field(functional.normalize(output.states[0][chosen], dim=3, eps=1e-6))  # (F, m, D)
        values = ids[chosen].T
        earlier = (values.unsqueeze(2) == values.unsqueeze(1)).tril(-1)  # (F, m, m): sample i has the value of an earlier sample j
        first = ~earlier.any(2)
        pairs = (first.unsqueeze(2) & first.unsqueeze(1)).tril(-1)
        potentials = torch.exp(4 * (z @ z.mT) - 4) * pairs  # ‖z_i − z_j‖² = 2 − 2 z_i·z_j
        counts = pairs.sum((1, 2))
        means = potentials.sum((1, 2)) / counts.clamp_min(1)
        return torch.log(torch.where(counts > 0, means, 1)).mean()
