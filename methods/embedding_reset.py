"""Embedding reset (MEDA): the table is drawn anew at the start of every epoch after the first, everything else is trained on.

    epoch 2, 3, …:  E ~ N(0, std²), moments and step count of E's Adam = 0;  std: that of the first draw (``training.embedding_std``)

Source: Liu et al., MEDA, 2023 (arXiv 2305.19531), and Fan et al., 2024 (arXiv 2407.01607), abstracts and second-hand text: models with
large tables overfit from the second epoch on, through the table; the rest learns from several tables in turn how to read any. A rival of
every regulariser of the table, and it leaves embeddings that have seen the data once: rows that are rare stay near their draw.

The model that is evaluated after an epoch has a table of that one epoch, and so does the best epoch's: more epochs train the dense part
alone further. Learning-rate drops and early stopping act on the AUC after whole epochs as for all. The coupled L2 stays as it is.

Ours: the draw is from the trial's own generator, so the tables of two epochs and of two seeds differ. No cost in a step.
"""

from dataclasses import dataclass

import torch
from torch import nn

from benchmark.method import CTRModel, Method, Parts, TableRule
from benchmark.nn.dose import change


@dataclass(frozen=True, kw_only=True)
class EmbeddingReset(Method):
    summary = "the table and its optimiser state drawn anew at the start of each epoch"
    source = "Liu et al., MEDA, 2023; Fan et al., Multi-Epoch Learning with Data Augmentation for Deep CTR Prediction, 2024"

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(table_rule=DrawnAnew())


class DrawnAnew(TableRule):
    std: float
    turned = 0.0  # how far from the table before this epoch's draw

    def training_starts(self, table: nn.Parameter, optimizer: torch.optim.Optimizer, std: float) -> None:
        self.std = std

    def epoch_starts(self, epoch: int, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        if epoch > 1:
            before = table.detach().clone()
            nn.init.normal_(table, std=self.std)
            self.turned = change(before, table)
            optimizer.state.pop(table, None)  # torch makes it anew at the next step

    def dose(self, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> float:
        return self.turned
