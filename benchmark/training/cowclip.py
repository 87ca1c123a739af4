"""CowClip's rules for large batches (Zheng et al., AAAI 2023, arXiv 2204.06240), where ``Training.cowclip_base_batch`` is set.

With k = batch_size / cowclip_base_batch

    the table's learning rate   η           it stays
    that of all else            η · √k      in the first epoch of T steps, η · √k · t/T in step t = 1…T
    the embedding L2            λ · k
    gradient g of a row w       g · min(1, c · max(‖w‖, ζ√D) / ‖g‖)

w (D,) a row of the table, c how often the batch holds it, ζ ``cowclip_floor``. g is the gradient of the batch's mean loss, with penalties.
A row that the batch does not hold keeps its gradient: it has none, but for a penalty's on the whole table.

As the authors' code has it (bytedance/LargeBatchCTR), but for three things. It warms up from 0, not from η√k/T. It clips the sum of g and
the L2's gradient; here Adam adds the latter after the clip, which differs by at most λk of the bound. Its rates of the table and the dense
part differ at the base, too (1e-4 and 8e-4 on Criteo). Its L2 is λ‖E‖²: λ there is 2λ here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from benchmark.config import Training
from benchmark.contracts import CTRModel
from benchmark.errors import UserError
from benchmark.nn.embedding import EmbeddingTable

ROW = 6  # rows of a pass over the table that cost as much as one row fetched alone (a CPU's thread, width 10 and 40: 5 to 8)


def dense_rate(training: Training) -> float:
    """Learning rate of all but the table, warm-up apart."""
    return training.learning_rate * math.sqrt(_growth(training))


def l2(training: Training) -> float:
    """λ of the table's L2."""
    return training.embedding_l2 * _growth(training)


def _growth(training: Training) -> float:
    """k, or 1 without the rules."""
    return training.batch_size / training.cowclip_base_batch if training.cowclip_base_batch else 1.0


def warm_up(
    optimizers: Sequence[torch.optim.Optimizer], table: nn.Parameter | None, steps: int, training: Training
) -> Callable[[int], None] | None:
    """What sets the rates of all but the table before step 0, 1, … of the first epoch, which has so many; None without the rules.

    After the last step the rates are what they were: nothing of it is left for a checkpoint to hold.
    """
    if not training.cowclip_base_batch:
        return None
    groups = [group for optimizer in optimizers for group in optimizer.param_groups if all(one is not table for one in group["params"])]
    full = [group["lr"] for group in groups]

    def before(step: int) -> None:
        for group, rate in zip(groups, full, strict=True):
            group["lr"] = rate * ((step + 1) / steps)

    return before


def row_clip(model: CTRModel, training: Training) -> RowClip | None:
    """None without the rules or without a table. Raises UserError for a model whose ids' rows of the table are not known."""
    table = model.table()
    if table is None or not training.cowclip_base_batch:
        return None
    for module in model.modules():
        if isinstance(module, EmbeddingTable) and module.weight is table:
            return RowClip(module, training.cowclip_floor)
    raise UserError(
        f"training: cowclip_base_batch = {training.cowclip_base_batch} needs to know which rows of the table a batch holds, and the table "
        f"of {type(model).__name__} is not an EmbeddingTable; build it with parts.table(), or take cowclip_base_batch = 0"
    )


class RowClip:
    """Clips ``table.grad`` in place, after the backward pass. Nothing of it waits for a GPU."""

    def __init__(self, of: EmbeddingTable, floor: float) -> None:
        self._of = of
        self._floor = floor * math.sqrt(of.weight.shape[1])
        self._counts = torch.zeros(len(of.weight), device=of.weight.device)  # between steps 0

    @torch.no_grad()
    def __call__(self, ids: Tensor) -> None:
        """ids: (B, F) of the step's batch"""
        table, gradient = self._of.weight, self._of.weight.grad
        if gradient is None:
            return
        rows, there = self._of.occurrences(ids)
        self._counts.index_add_(0, rows, there)
        if ROW * len(rows) < len(table):  # only the batch's rows; one that is there several times is written as often, the same each time
            some = gradient.index_select(0, rows)
            factor = self._factor(some, table.index_select(0, rows), self._counts.index_select(0, rows))
            gradient.index_copy_(0, rows, some.mul_(factor))
            self._counts.index_fill_(0, rows, 0)
        else:
            gradient.mul_(self._factor(gradient, table, self._counts))
            self._counts.zero_()

    def _factor(self, gradient: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
        """(n, D), (n, D), (n,) -> (n, 1), at most 1"""
        bound: Tensor = counts * _norms(weights).clamp_min(self._floor)
        bound.masked_fill_(counts == 0, math.inf)
        return (bound / _norms(gradient)).clamp_max_(1).unsqueeze(1)  # of a gradient of 0 the quotient is infinite, the factor 1


def _norms(x: Tensor) -> Tensor:
    """(n, D) -> (n,)"""
    norms: Tensor = torch.linalg.vector_norm(x, dim=1)
    return norms
