"""Single embedding that is rewarded for the coding rate of each field's directions: the volume that they span.

    L = −w · mean over fields of ½ logdet(I + D/(B ε²) ZᵀZ),  Z (B×D) the rows of X_f, each of length 1

MCR² (Yu et al., NeurIPS 2020: rows on the sphere, or norms would grow without end; ε² = 0.5 as in its experiments); for recommenders
the compactness term of nCL (Chen et al., WSDM 2024), which also has a rate of clusters that we have no clusters for. Ours: ``weight``.
The rate lies between ½ log(1 + D/ε²), one direction, and ½ D log(1 + 1/ε²), all alike: 2.2 and 22 at D = 40.

O(F·(B·D² + D³)) a batch; no parameters. The matrix has no eigenvalue below 1, so the determinant needs no guard.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.method import CTRModel, Output, Parts, Penalised, setting
from benchmark.nn.covariance import by_field


@dataclass(frozen=True, kw_only=True)
class CodingRate(Penalised):
    summary = "reward for the coding rate of each field's normalised embedding"
    source = "Yu et al., MCR², NeurIPS 2020; Chen et al., nCL, WSDM 2024"
    presets: ClassVar = {"published": {"weight": 1e-3, "weighs": "absolute"}}
    former = "published"

    distortion: float = setting(0.5, above=0, help="ε² of the rate")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(penalty=self.penalty(self.negative_rate))

    def negative_rate(self, ids: Tensor, output: Output) -> Tensor:
        z = by_field(functional.normalize(output.states[0], dim=3, eps=1e-6))
        count, width = z.shape[1:]
        identity = torch.eye(width, dtype=z.dtype, device=z.device)
        rates: Tensor = torch.linalg.slogdet(identity + width / (count * self.distortion) * (z.mT @ z)).logabsdet / 2
        return -rates.mean()
