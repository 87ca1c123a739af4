"""Adaptive decay (AdamAR): a row of the table shrinks when it is updated, the more the longer ago its last update was.

    rows of the batch:  θ ← θ − λθ − η·Adam(∂logloss/∂θ),  λ = min(1, α·I),  I = steps since the row's last update − 1
    other rows:         θ ← θ − η·Adam(∂logloss/∂θ), the momentum of earlier steps

Source: Li and Lyu, ICLR 2026 (arXiv 2511.06374), formula second-hand, α from 10^−6.5 to 10^−1: rare values overfit, as they are updated
seldom and by a full step each time; a row that is in every batch (I = 0) does not decay, and its time between updates sets a row's norm.
Decoupled: λ is not times η, and the gradient does not see it. Another reading of its algorithm 2, that of FBGEMM (pull request 5949), has
λ = min(1, η·α·I) with I = steps since the last update, without − 1. The authors' code (alibaba-aidc/adaptive-regularization) was not read.

Ours: a row is updated when it is in the batch; its first update has no interval, so I = 0; Adam is that of every method here, over the
whole table, where the authors' may leave rows outside the batch where they are. ``training.embedding_l2`` has no effect: it would be a
second decay, of rows that no batch holds, which this one is without. So one of the numbers that the tuner draws for this method is idle, as
for embedding_adamw, and its default trial differs from single embedding's by the data set's L2 too. α is per step, and the steps between
two updates grow with the data: the default is for some hundred steps an epoch; for several thousand look at the lower end.

Cost: one int32 a row, and O(B·F·D) time in each step for the decay, whatever the size of the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.method import CTRModel, Method, Parts, TableRule, tuned
from benchmark.nn.dose import adam_step


@dataclass(frozen=True, kw_only=True)
class AdaptiveDecay(Method):
    summary = "a row of the table decays when it is updated, in proportion to the steps since its last update"
    source = "Li and Lyu, Adaptive Regularization for Large-Scale Sparse Feature Embedding Models, ICLR 2026, second-hand"

    alpha: float = tuned(1e-3, low=1e-5, high=1e-1, log=True, at_least=0, help="α, decay for each step without an update; 0: off")

    def build(self, parts: Parts) -> CTRModel:
        table = parts.table()
        return parts.model(table=table, table_rule=DecayByInterval(self.alpha, table.rows))


class DecayByInterval(TableRule):
    """rows_of: global ids (B, F) -> their rows of the table (n,)"""

    def __init__(self, alpha: float, rows_of: Callable[[Tensor], Tensor]) -> None:
        self.alpha, self.rows_of = alpha, rows_of

    def optimizer(self, table: nn.Parameter, learning_rate: float, l2: float) -> torch.optim.Optimizer:
        return AdamAR(table, learning_rate, self.alpha)

    def batch_starts(self, ids: Tensor, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        assert isinstance(optimizer, AdamAR)
        optimizer.rows = self.rows_of(ids).long()

    def dose(self, table: nn.Parameter, optimizer: torch.optim.Optimizer) -> float | None:
        """Of the last step, over the entries of its batch: the norm of the decay over that of Adam's own part."""
        assert isinstance(optimizer, AdamAR)
        step = adam_step(table, optimizer)
        if step is None:
            return None
        decay = optimizer.share.unsqueeze(1) * optimizer.before
        return float(decay.norm() / step[optimizer.rows].norm())


class AdamAR(torch.optim.Adam):
    """``rows`` (n,), to be given before each step: those that the step updates. One may stand there several times."""

    def __init__(self, table: nn.Parameter, learning_rate: float, alpha: float) -> None:
        super().__init__([table], lr=learning_rate, fused=True)
        self.table, self.alpha = table, alpha
        self.rows = torch.empty(0, dtype=torch.long, device=table.device)
        self.before = torch.empty(0, table.shape[1], device=table.device)  # those rows as the last step found them
        self.share = torch.empty(0, device=table.device)  # (n,), λ: what its decay took off each of them
        self.count = 0  # of steps
        self.updated = torch.zeros(len(table), dtype=torch.int32, device=table.device)  # step of a row's last update; 0: none yet

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        self.count += 1
        last = self.updated[self.rows]
        idle = torch.where(last > 0, self.count - last - 1, 0)
        self.share = (self.alpha * idle.to(self.table.dtype)).clamp_max(1)
        self.before = self.table[self.rows]
        # A row that stands there several times is written as often, each time with the same numbers.
        self.table.index_copy_(0, self.rows, self.before * (1 - self.share).unsqueeze(1))
        self.updated.index_fill_(0, self.rows, self.count)
        return super().step(closure)
