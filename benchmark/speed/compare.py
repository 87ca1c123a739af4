"""Contestants in turns on one machine, and the tables: medians, spreads, ratios, and how near to the machine's limit."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
import torch
from tabulate import tabulate
from tqdm import tqdm

from benchmark import plugins
from benchmark.config import CONTROL, Precision
from benchmark.data.batches import Rows
from benchmark.data.streamed import Streamed, first_epoch
from benchmark.errors import Incompatible
from benchmark.ops import dispatch
from benchmark.schema import FIRST
from benchmark.sources import Stream
from benchmark.speed.contestants import Contestant, Ours, Peer, SetBySet
from benchmark.speed.counting import demand
from benchmark.speed.machine import Machine, measure
from benchmark.speed.peers import HAVE, SCRIPTS, environment
from benchmark.speed.workload import Workload
from benchmark.training.cost import parameter_cost
from benchmark.values import one_of

# Sizes that this suite and the peers share; DCNv2 parallel, as in both of them.
MODELS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "dcnv2": {"depth": 3, "structure": "parallel", "hidden": [400, 400]},
        "xdeepfm": {"depth": 2, "maps": 16, "hidden": [400, 400]},
        "finalmlp": {"depth": 2, "units1": 400, "units2": 400},
    }
)
OURS: tuple[Precision, ...] = ("fp32", "bf16")  # as which this suite meets the peers


@dataclass(frozen=True)
class Timed:
    """The turns of one contestant: samples per second, in order."""

    name: str
    speeds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.speeds)


def race(contestants: Sequence[Contestant], workload: Workload, rounds: int) -> list[Timed]:
    """Each contestant in turn, ``rounds`` times after one that does not count: what slows the machine down slows them all."""
    speeds: dict[str, list[float]] = {c.name: [] for c in contestants}
    for number in tqdm(
        range(rounds + 1), desc=f"{workload.backbone}, width {workload.scale * workload.dimension}", disable=not sys.stderr.isatty()
    ):
        for contestant in contestants:
            seconds = contestant.turn()
            if number > 0:
                speeds[contestant.name].append(workload.rows / seconds)
    return [Timed(name, tuple(values)) for name, values in speeds.items()]


def ratio(first: Timed, other: Timed) -> tuple[float, float, float]:
    """Median, smallest and largest of first/other, round by round."""
    ratios = [a / b for a, b in zip(first.speeds, other.speeds, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def peers(workloads: Sequence[Workload], rounds: int) -> str:
    """This suite against FuxiCTR and DeepCTR-Torch on the same work, on a CPU."""
    device = torch.device("cpu")
    for workload in workloads:
        one_of("backbone", workload.backbone, MODELS, "speed peers")
    workloads = [replace(workload, options={**MODELS[workload.backbone], **workload.options}) for workload in workloads]
    machine = measure(device, max(workload.threads for workload in workloads))
    python = environment()
    rows: list[list[str]] = []
    for workload in workloads:
        contestants: list[Contestant] = [Ours(f"this suite, {p}", replace(workload, precision=p), device) for p in OURS]
        try:
            for name, script in SCRIPTS.items():
                if workload.backbone in HAVE[name]:
                    contestants += [Peer(name, python, script, workload, mode) for mode in ("epoch", "steps")]
            timed = race(contestants, workload, rounds)
        finally:
            for contestant in contestants:
                contestant.close()
        rows += _rows(workload, timed, machine, len(OURS))
    own = "own loader: a library's whole training pass; steps only: its step on batches made beforehand. Ours is always the whole pass."
    return "\n".join([_table(rows, [f"{p} /\ncontestant" for p in OURS]), *_limits(workloads, machine), own])


def step(workloads: Sequence[Workload], device: torch.device, rounds: int, compiled: bool = False) -> str:
    """This suite's training as it is, with the plain form of each operation and of all of them; in bfloat16; by the rules for large
    batches; where there are sets, as a loop over them; and, if asked for, through torch.compile. The fused forms are a CPU's: on a GPU none
    is switched off.
    """
    machine = measure(device, max(workload.threads for workload in workloads))
    rows: list[list[str]] = []
    for workload in workloads:
        contestants = [Ours("as it is", workload, device)]
        if device.type == "cpu":
            contestants += [Ours(f"without {name}", workload, device, (name,)) for name in dispatch.names()]
            contestants.append(Ours("without all of them", workload, device, dispatch.names()))
        contestants += [Ours(f"in {p}", replace(workload, precision=p), device) for p in get_args(Precision) if _has(p, workload, device)]
        contestants.append(Ours("by CowClip's rules", workload, device, cowclip=True))
        if workload.method == "multi_embedding" and workload.scale > 1:
            contestants.append(Ours("a loop over the sets", workload, device, model=SetBySet(workload)))
        if compiled:
            # Of the plain path: it is the compiler's to fuse, and it cannot look into the fused forms.
            contestants.append(Ours("torch.compile", workload, device, dispatch.names()).compiled())
        rows += _rows(workload, race(contestants, workload, rounds), machine, 1)
    return "\n".join([_table(rows, ["as it is /\nvariant"]), *_limits(workloads, machine)])


def methods(workloads: Sequence[Workload], names: Sequence[str], device: torch.device, rounds: int) -> str:
    """The time of a training step of each method over single embedding's of the same width, in turns; and its parameters beside the table.

    A method that cannot be built with the backbone has its reason in place of figures.
    """
    rows: list[list[str]] = []
    for workload in workloads:
        contestants, refused = [], []
        for name in dict.fromkeys((CONTROL, *names)):
            try:
                contestants.append(Ours(name, replace(workload, method=name), device))
            except Incompatible as error:
                refused.append([name, str(error)])
        timed = race(contestants, workload, rounds)
        where = f"{workload.backbone}, width {workload.scale * workload.dimension}"
        for contestant, one in zip(contestants, timed, strict=True):
            middle, low, high = ratio(timed[0], one)
            dense = parameter_cost(contestant.model)["parameters_dense"]
            rows.append([one.name, where, f"{one.median:,.0f}", f"{middle:.2f} ({low:.2f} … {high:.2f})", f"{dense / 1e3:,.0f}k"])
        rows += [[name, where, "-", reason, "-"] for name, reason in refused]
    headers = ["method", "cell", "samples/s\nmedian", f"time over {CONTROL}\nmedian (smallest … largest)", "dense\nparameters"]
    return tabulate(rows, headers=headers, disable_numparse=True, colalign=("left", "left", "right", "right", "right"))


def stream(workloads: Sequence[Workload], device: torch.device, rounds: int) -> str:
    """Training on rows that are drawn meanwhile (data set ``teacher``), in turns with training on prepared rows of the same distribution.

    The sizes of the workloads' fields are the teacher's.
    """
    rows: list[list[str]] = []
    for workload in workloads:
        drawn: Stream = plugins.make("datasets", "teacher", {"rows": workload.rows}).stream()
        workload = replace(workload, cardinalities=tuple(FIRST + len(counts) for counts in drawn.counts))
        offsets = np.cumsum([0, *workload.cardinalities[:-1]])
        contestants = [
            Ours("prepared", workload, device, rows=Rows(*first_epoch(drawn), offsets, device, resident=True)),
            Ours("drawn", workload, device, rows=Streamed(drawn, offsets, device)),
        ]
        timed = race(contestants, workload, rounds)
        for one in timed:
            middle, low, high = ratio(one, timed[0])
            cell = f"{workload.method} · {workload.backbone}", str(workload.scale * workload.dimension)
            rows.append([*cell, one.name, f"{one.median:,.0f}", f"{middle:.3f} ({low:.3f} … {high:.3f})"])
    headers = ["model", "width", "training rows are", "samples/s\nmedian", "over prepared rows'\nmedian (smallest … largest)"]
    return tabulate(rows, headers=headers, disable_numparse=True, colalign=("left", "right", "left", "right", "right"))


def _has(precision: str, workload: Workload, device: torch.device) -> bool:
    """Whether it is another one than the workload's, and the device has it."""
    return precision != workload.precision and (precision != "tf32" or device.type == "cuda")


def _rows(workload: Workload, timed: Sequence[Timed], machine: Machine, against: int) -> list[list[str]]:
    """A line a contestant, with its ratio to each of the first ``against`` ones."""
    limit = machine.products / demand(workload).flops
    found = []
    for one in timed:
        ratios = [ratio(first, one) for first in timed[:against]]
        found.append(
            [
                f"{workload.method} · {workload.backbone}",
                str(workload.scale * workload.dimension),
                one.name,
                f"{one.median:,.0f}",
                f"{min(one.speeds):,.0f} … {max(one.speeds):,.0f}",
                *(f"{middle:.2f} ({low:.2f} … {high:.2f})" for middle, low, high in ratios),
                f"{one.median / limit:.0%}",
            ]
        )
    return found


def _table(rows: Sequence[Sequence[str]], compared: Sequence[str]) -> str:
    headers = ["model", "width", "contestant", "samples/s\nmedian", "smallest …\nlargest", *compared, "of the\nlimit"]
    align = ("left", "right", "left", *["right"] * (len(headers) - 3))
    return tabulate(rows, headers=headers, disable_numparse=True, colalign=align)


def _limits(workloads: Sequence[Workload], machine: Machine) -> list[str]:
    """What the machine can do, and how fast each workload would go if its products, or its copies, were all that took time."""
    lines = [
        "",
        f"machine: {machine}",
        "Limit: the step's matrix products alone, at the rate of a square fp32 product of 2,048. Copies: each operation of the plain path",
        "in fp32 moving its operands and results at the rate of a long copy; what stays in the cache, or is fused, moves less.",
    ]
    for workload in workloads:
        need = demand(workload)
        lines.append(
            f"{workload.method} · {workload.backbone}, width {workload.scale * workload.dimension}: {need.flops / 1e6:.2f} MFLOP and "
            f"{need.bytes / 1e6:.3f} MB a sample; {machine.products / need.flops:,.0f} samples/s by products alone, "
            f"{machine.copies / need.bytes:,.0f} by copies alone"
        )
    return lines
