"""Single embedding that is rewarded for the coding rate of each field's directions: the volume that they span.

    L = −weight · mean over fields of ½ logdet(I + D/(B ε²) ZᵀZ),  Z (B×D) the rows of X_f, each of length 1

MCR² (Yu et al., NeurIPS 2020: rows on the sphere, or norms would grow without end; ε² = 0.5 as in its experiments); for recommenders
the compactness term of nCL (Chen et al., WSDM 2024), which also has a rate of clusters that we have no clusters for. Ours: ``weight``.
The rate lies between ½ log(1 + D/ε²), one direction, and ½ D log(1 + 1/ε²), all alike: 2.2 and 22 at D = 40.

O(F·(B·D² + D³)) a batch; no parameters. The matrix has no eigenvalue below 1, so the determinant needs no guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor
from torch.nn import functional

from benchmark.contracts import Backbone, CTRModel, Layout, Method, Output, Schema, UserError
from benchmark.nn.embedding import ParallelSets
from benchmark.nn.moments import by_field
from benchmark.nn.penalised import Penalised


@dataclass(frozen=True, kw_only=True)
class CodingRate(Method):
    summary: ClassVar[str] = "reward for the coding rate of each field's normalised embedding"
    source: ClassVar[str] = "Yu et al., MCR², NeurIPS 2020; Chen et al., nCL, WSDM 2024"
    space: ClassVar[Mapping[str, BaseDistribution]] = {"weight": FloatDistribution(1e-5, 1e-1, log=True)}

    weight: float = 1e-3
    distortion: float = 0.5  # ε²

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distortion <= 0:
            raise UserError(f"coding_rate: distortion = {self.distortion}; it must be positive")

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        inner = ParallelSets(schema, backbone, Layout(1, len(schema.fields), scale * dimension))
        return Penalised(inner, self.weight, partial(negative_rate, self.distortion))


def negative_rate(distortion: float, ids: Tensor, output: Output) -> Tensor:
    z = by_field(functional.normalize(output.states[0], dim=3, eps=1e-6))
    count, width = z.shape[1:]
    identity = torch.eye(width, dtype=z.dtype, device=z.device)
    rates: Tensor = torch.linalg.slogdet(identity + width / (count * distortion) * (z.mT @ z)).logabsdet / 2
    return -rates.mean()
