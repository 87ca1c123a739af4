"""Logistic regression: one weight for each value of each field. A model with interactions that does not beat it has a defect."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.method import CTRModel, Method, Output, Parts, no_penalty
from benchmark.nn.embedding import EmbeddingTable
from benchmark.schema import Schema


@dataclass(frozen=True, kw_only=True)
class LogisticRegression(Method):
    summary = "sanity row: one weight for each value, no interaction"
    source = "Richardson et al., Predicting Clicks, WWW 2007; LR of BARS"
    uses_backbone = False
    # A data set's published L2 is tuned for embeddings of a deep model; weights of this one are the logits themselves, and 0.05 on
    # Frappe holds them at a validation AUC of .830 instead of .932.
    training: ClassVar = {"embedding_l2": 1e-5}

    def build(self, parts: Parts) -> CTRModel:
        return LogisticRegressionModel(parts.schema)


class LogisticRegressionModel(CTRModel):
    """The intercept starts at the base rate's logit, so that few epochs suffice."""

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.embedding = EmbeddingTable(schema, 1)
        self.intercept = nn.Parameter(torch.tensor(schema.base_logit))

    def table(self) -> nn.Parameter:
        return self.embedding.weight

    def forward(self, ids: Tensor) -> Output:
        logits = self.embedding(ids).sum((1, 2)) + self.intercept
        return Output(logits, (), no_penalty(logits))
