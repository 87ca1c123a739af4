"""What a method costs over single embedding of the same width: time in turns, parameters, arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from benchmark.checking.finding import Finding, failure
from benchmark.config import CONTROL
from benchmark.errors import Incompatible, UserError
from benchmark.speed.compare import race, ratio
from benchmark.speed.contestants import Ours
from benchmark.speed.counting import demand
from benchmark.speed.workload import Workload
from benchmark.training.cost import parameter_cost

WORKLOAD = Workload(scale=4, batch=512, batches=1, threads=1)
ROUNDS = 7


def check_cost(methods: Sequence[str], backbone: str, place: str) -> Iterator[Finding]:
    """A line for each method: steps in turns with single embedding's, so that what slows the machine down slows both. ``place``: of the
    plug-in that is checked; its code meets other fields and a larger table here than in the checks before.
    """
    base = replace(WORKLOAD, backbone=backbone)
    workloads = {name: replace(base, method=name) for name in dict.fromkeys((CONTROL, *methods))}
    where = f"with {backbone}, width {base.scale * base.dimension}, batches of {base.batch}"
    try:
        contestants = [Ours(name, workload, torch.device("cpu")) for name, workload in workloads.items()]
        control, *timed = race(contestants, base, ROUNDS)
        sizes = {one.name: (parameter_cost(one.model)["parameters_dense"], demand(workloads[one.name]).flops) for one in contestants}
    except (Incompatible, UserError) as error:
        yield Finding("note", "cost", f"not measured {where}: {error}")
        return
    except (Exception, SystemExit) as error:
        yield failure("cost", error, place)
        return
    for one in timed or [control]:
        middle, low, high = ratio(control, one)
        dense, flops = sizes[one.name]
        over = f" (single embedding {sizes[CONTROL][0] / 1e3:,.0f}k and {sizes[CONTROL][1] / 1e6:.2f} MFLOP)" if one is not control else ""
        step = f"{one.name}: a training step takes {middle:.2f} times single embedding's ({low:.2f} … {high:.2f})"
        yield Finding("ok", "cost", f"{step}, {dense / 1e3:,.0f}k dense parameters, {flops / 1e6:.2f} MFLOP a sample{over}, {where}")
