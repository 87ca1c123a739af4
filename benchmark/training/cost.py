"""What a model costs: its parameters, and the time, operations and memory of training it."""

from __future__ import annotations

import resource

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.contracts import CTRModel
from benchmark.data.store import Prepared
from benchmark.training.fit import Fitted


def parameter_cost(model: CTRModel) -> dict[str, float]:
    table = model.table()
    in_table = 0 if table is None else table.numel()
    return {"parameters_table": float(in_table), "parameters_dense": float(sum(p.numel() for p in model.parameters()) - in_table)}


def running_cost(model: CTRModel, prepared: Prepared, fitted: Fitted, device: torch.device) -> dict[str, float]:
    """samples_per_second of training, flops_per_sample of a forward pass (matrix products only, 2 per multiply-add), peak memory."""
    count = 64
    ids = torch.zeros(count, len(prepared.schema.fields), dtype=torch.int64, device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(ids)
    # Linux counts the largest resident set in KiB, and for the whole life of the process: an upper bound where trials share one.
    peak = (
        torch.cuda.max_memory_allocated(device) / 2**20
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    )
    return {
        "samples_per_second": fitted.samples_per_second,
        "flops_per_sample": counter.get_total_flops() / count,
        "peak_memory_mb": peak,
        "fit_seconds": fitted.seconds,
        "evaluation_seconds": fitted.evaluation_seconds,
        "epochs": float(len(fitted.curve)),
    }
