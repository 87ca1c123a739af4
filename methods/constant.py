"""Constant: predicts the training part's base rate for every row. A board on which its AUC is not 0.5 is wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.contracts import Backbone, CTRModel, Method, Output, Schema, no_penalty


@dataclass(frozen=True, kw_only=True)
class Constant(Method):
    summary: ClassVar[str] = "sanity row: predicts the base rate; AUC 0.5 by definition"
    source: ClassVar[str] = "the ConstantPredictor of the AutoML benchmark (Gijsbers et al., JMLR 2024)"
    uses_backbone: ClassVar[bool] = False

    def build(self, schema: Schema, backbone: Backbone, scale: int, dimension: int) -> CTRModel:
        return ConstantModel(schema.positive_rate)


class ConstantModel(CTRModel):
    """No parameters: training has nothing to fit."""

    logit: Tensor

    def __init__(self, positive_rate: float) -> None:
        super().__init__()
        self.register_buffer("logit", torch.tensor(math.log(positive_rate / (1 - positive_rate))))

    def table(self) -> None:
        return None

    def forward(self, ids: Tensor) -> Output:
        logits = self.logit.expand(len(ids))
        return Output(logits, (), no_penalty(logits))
