"""Decoupled weight decay on the table (AdamW), in the place of the L2 that is coupled with Adam for every other method.

    E ← E − η·w·E − η·Adam(∂logloss/∂E), η the learning rate, w ``weight_decay``; all rows, in every step

Source: Loshchilov and Hutter, ICLR 2019. Adam divides the gradient of a coupled L2 by its own root mean square: a row that no batch holds
moves by the full η towards 0, however small λ is, and a frequent row hardly feels it. Decoupled, all rows shrink by the same share.

``training.embedding_l2`` has no effect here: it would be a second decay. It is part of every method's search space, so one of the numbers
that the tuner draws for this one is idle, and its default trial is not that of single embedding with another optimiser alone, but without
the data set's L2 too.

Ours: the table alone; the dense part has Adam without decay as ever. w acts through η·w a step, and a training has some hundred to some
ten thousand steps of η = 1e-3: w = 1 takes a third off an idle row in 400 steps; AdamW's usual 1e-2 would take 0.4 %. η's drops reach it.
No cost.
"""

from dataclasses import dataclass

import torch
from torch import nn

from benchmark.method import CTRModel, Method, Parts, TableRule, tuned
from benchmark.nn.dose import adam_step


@dataclass(frozen=True, kw_only=True)
class EmbeddingAdamW(Method):
    summary = "control: decoupled weight decay on the table in the place of the coupled L2"
    source = "Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019"

    weight_decay: float = tuned(1.0, low=1e-2, high=1e2, log=True, at_least=0, help="w, times the learning rate in each step; 0: none")

    def build(self, parts: Parts) -> CTRModel:
        return parts.model(table_rule=Decoupled(self.weight_decay))


class Decoupled(TableRule):
    def __init__(self, weight_decay: float) -> None:
        self.weight_decay = weight_decay

    def optimizer(self, table: nn.Parameter, learning_rate: float, l2: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW([table], lr=learning_rate, weight_decay=self.weight_decay, fused=True)

    def dose(self, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> float | None:
        """‖η·w·E‖ over the norm of Adam's own part of the last step. E is what the step left, by about 1 − η·w shorter than before it."""
        step, rate = adam_step(table, optimizer), optimizer.param_groups[0]["lr"]
        return None if step is None else float(rate * self.weight_decay * table.norm() / step.norm())
