"""Constant: predicts the training part's base rate for every row. A board on which its AUC is not 0.5 is wrong."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.method import CTRModel, Method, Output, Parts, no_penalty


@dataclass(frozen=True, kw_only=True)
class Constant(Method):
    summary = "sanity row: predicts the base rate; AUC 0.5 by definition"
    source = "the ConstantPredictor of the AutoML benchmark (Gijsbers et al., JMLR 2024)"
    uses_backbone = False

    def build(self, parts: Parts) -> CTRModel:
        return ConstantModel(parts.schema.base_logit)


class ConstantModel(CTRModel):
    """No parameters: training has nothing to fit."""

    logit: Tensor

    def __init__(self, base_logit: float) -> None:
        super().__init__()
        self.register_buffer("logit", torch.tensor(base_logit))

    def table(self) -> None:
        return None

    def forward(self, ids: Tensor) -> Output:
        logits = self.logit.expand(len(ids))
        return Output(logits, (), no_penalty(logits))
