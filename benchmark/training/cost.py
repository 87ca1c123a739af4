"""What a model costs: its parameters, and the time, operations and memory of training it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmark.contracts import CTRModel
from benchmark.data.store import Prepared
from benchmark.ops import dispatch
from benchmark.training.fit import Fitted
from benchmark.training.memory import peak


def parameter_cost(model: CTRModel) -> dict[str, float]:
    table = model.table()
    in_table = 0 if table is None else table.numel()
    return {"parameters_table": float(in_table), "parameters_dense": float(sum(p.numel() for p in model.parameters()) - in_table)}


def flops_per_sample(model: CTRModel, fields: int, device: torch.device) -> float:
    """Of a forward pass in evaluation: of matrix products only, 2 per multiply-add. What one more sample of a batch takes: products that
    are taken once a batch, whatever its size, as for a matrix made of the parameters, are none of it.

    Counted on the plain forms, which have each product of the formula once: a fused form may run in threads of its own, which the counter
    does not see.
    """
    count = 64
    smaller, larger = (_flops(model, torch.zeros(rows, fields, dtype=torch.int64, device=device)) for rows in (count, 2 * count))
    return (larger - smaller) / count


@torch.no_grad()
def _flops(model: CTRModel, ids: Tensor) -> int:
    """Of the whole batch, ids (B, F)."""
    with dispatch.switched_off(dispatch.names()), FlopCounterMode(display=False) as counter:
        model.eval()(ids)
    total: int = counter.get_total_flops()
    return total


def running_cost(model: CTRModel, prepared: Prepared, fitted: Fitted, device: torch.device) -> dict[str, float]:
    """samples_per_second of training, ``flops_per_sample``, peak memory."""
    return {
        "samples_per_second": fitted.samples_per_second,
        "flops_per_sample": flops_per_sample(model, len(prepared.schema.fields), device),
        "peak_memory_mb": torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak(),
        "fit_seconds": fitted.seconds,
        "evaluation_seconds": fitted.evaluation_seconds,
        "epochs": float(len(fitted.curve)),
    }
