"""What a training step has to do for a sample: arithmetic of its products, and bytes of its operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmark.ops import dispatch
from benchmark.speed.contestants import build
from benchmark.speed.workload import Workload


@dataclass(frozen=True)
class Demand:
    """For a sample, forward and backward, without the optimiser.

    flops: of the matrix products, 2 for a multiply-add. bytes: read and written if each operation of the plain path fetched its operands
    from memory and wrote its result there; what fits the cache or is fused moves less.
    """

    flops: float
    bytes: float


def demand(workload: Workload) -> Demand:
    """Counted on one batch of 64 of the plain path, which has each product once. The bytes of weights are taken for a batch of the
    workload's size.
    """
    counted = [_counted(workload, size) for size in (64, 128)]
    flops = counted[0][0] / 64
    by_sample = (counted[1][1] - counted[0][1]) / 64  # what does not grow with the batch are weights
    return Demand(flops, by_sample + (counted[0][1] - 64 * by_sample) / workload.batch)


def _counted(workload: Workload, size: int) -> tuple[int, int]:
    model = build(workload).train()
    ids = torch.zeros(size, len(workload.cardinalities), dtype=torch.int64)
    with dispatch.switched_off(dispatch.names()), FlopCounterMode(display=False) as flops, _Bytes() as moved:
        output = model(ids)
        (output.logits.sum() + output.penalty).backward()
    total: int = flops.get_total_flops()
    return total, moved.total


class _Bytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the sizes of operands and results of each operation that computes; a view moves nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view and "empty" not in func.name():
            read = {name: value for name, value in (kwargs or {}).items() if name != "out"}
            self.total += sum(t.nbytes for t in tree_leaves((args, read, result)) if isinstance(t, Tensor))
        return result
