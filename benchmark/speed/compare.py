"""Contestants in turns on one machine, and the tables: medians, spreads, ratios, and how near to the machine's limit."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import torch
from tabulate import tabulate
from tqdm import tqdm

from benchmark.config import known
from benchmark.nn.switches import NAMES
from benchmark.speed.contestants import Contestant, Ours, Peer, SetBySet, step_flops
from benchmark.speed.machine import copy_bandwidth, product_rate
from benchmark.speed.peers import HAVE, SCRIPTS, environment
from benchmark.speed.work import Work

# Sizes that this suite and the peers share; DCNv2 parallel, as in both of them.
MODELS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "dcnv2": {"depth": 3, "structure": "parallel", "hidden": [400, 400]},
        "xdeepfm": {"depth": 2, "maps": 16, "hidden": [400, 400]},
        "finalmlp": {"depth": 2, "units1": 400, "units2": 400},
    }
)
PRECISIONS: tuple[Literal["fp32", "tf32", "bf16"], ...] = ("fp32", "tf32", "bf16")
RATES: Mapping[str, torch.dtype] = MappingProxyType({"fp32": torch.float32, "bf16": torch.bfloat16})


@dataclass(frozen=True)
class Timed:
    """The turns of one contestant: samples per second, in order."""

    name: str
    speeds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.speeds)


def race(contestants: Sequence[Contestant], work: Work, rounds: int) -> list[Timed]:
    """Each contestant in turn, ``rounds`` times after one that does not count: what slows the machine down slows them all."""
    speeds: dict[str, list[float]] = {c.name: [] for c in contestants}
    for number in tqdm(range(rounds + 1), desc=f"{work.backbone}, width {work.scale * work.dimension}", disable=not sys.stderr.isatty()):
        for contestant in contestants:
            seconds = contestant.turn()
            if number > 0:
                speeds[contestant.name].append(work.rows / seconds)
    return [Timed(name, tuple(values)) for name, values in speeds.items()]


def ratio(first: Timed, other: Timed) -> tuple[float, float, float]:
    """Median, smallest and largest of first/other, round by round."""
    ratios = [a / b for a, b in zip(first.speeds, other.speeds, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def peers(works: Sequence[Work], rounds: int) -> str:
    """This suite against FuxiCTR and DeepCTR-Torch on the same work, on a CPU."""
    python = environment()
    device = torch.device("cpu")
    rows: list[list[str]] = []
    for work in works:
        known("backbone", work.backbone, MODELS, "speed peers")
        sized = replace(work, options={**MODELS[work.backbone], **work.options})
        contestants: list[Contestant] = [Ours(f"this suite, {p}", replace(sized, precision=p), device) for p in PRECISIONS if p != "tf32"]
        try:
            for name, script in SCRIPTS.items():
                if work.backbone in HAVE[name]:
                    contestants += [Peer(name, python, script, sized, mode) for mode in ("epoch", "steps")]
            timed = race(contestants, sized, rounds)
        finally:
            for contestant in contestants:
                contestant.close()
        rows += _rows(sized, timed, device, 2)
    own = "own loader: a library's whole training pass; steps only: its step on batches made beforehand. Ours is always the whole pass."
    table = _table(rows, ("fp32 /\ncontestant", "bf16 /\ncontestant"), device)
    return f"{table}\n{own}"


def step(works: Sequence[Work], device: torch.device, rounds: int, compiled: bool = False) -> str:
    """This suite's training as it is, with each optimisation switched off and with all of them; in bfloat16; where there are sets, as a
    loop over them; and, if asked for, through torch.compile. On a GPU the switches have nothing to switch off.
    """
    rows: list[list[str]] = []
    for work in works:
        contestants = [Ours("as it is", work, device)]
        if device.type == "cpu":
            contestants += [Ours(f"without {name}", work, device, name) for name in NAMES]
            contestants.append(Ours("without all of them", work, device, ",".join(NAMES)))
        contestants += [Ours(f"in {p}", replace(work, precision=p), device) for p in PRECISIONS if _has(p, work, device)]
        if work.method == "multi_embedding" and work.scale > 1:
            contestants.append(Ours("a loop over the sets", work, device, model=SetBySet(work)))
        if compiled:
            # Of the plain path: it is the compiler's to fuse, and it cannot look into the functions that the switches stand for.
            contestants.append(Ours("torch.compile", work, device, ",".join(NAMES)).compiled())
        rows += _rows(work, race(contestants, work, rounds), device, 1)
    return _table(rows, ("as it is /\nvariant",), device)


def _has(precision: str, work: Work, device: torch.device) -> bool:
    """Whether it is another one than the work's, and the device has it."""
    return precision != work.precision and (precision != "tf32" or device.type == "cuda")


def _rows(work: Work, timed: Sequence[Timed], device: torch.device, against: int) -> list[list[str]]:
    """A line a contestant, with its ratio to each of the first ``against`` ones."""
    torch.set_num_threads(work.threads)
    limit = product_rate(device) / step_flops(work)  # samples/s if the products were all, at the machine's fp32 rate
    found = []
    for one in timed:
        ratios = [ratio(first, one) for first in timed[:against]]
        found.append(
            [
                f"{work.method} · {work.backbone}",
                str(work.scale * work.dimension),
                one.name,
                f"{one.median:,.0f}",
                f"{min(one.speeds):,.0f} … {max(one.speeds):,.0f}",
                *(f"{middle:.2f} ({low:.2f} … {high:.2f})" for middle, low, high in ratios),
                f"{one.median / limit:.0%}",
            ]
        )
    return found


def _table(rows: Sequence[Sequence[str]], compared: Sequence[str], device: torch.device) -> str:
    headers = ["model", "width", "contestant", "samples/s\nmedian", "smallest …\nlargest", *compared, "of the\nlimit"]
    align = ("left", "right", "left", *["right"] * (len(headers) - 3))
    rates = ", ".join(f"{product_rate(device, dtype) / 1e9:.0f} in {name}" for name, dtype in RATES.items())
    return "\n".join(
        [
            tabulate(rows, headers=headers, disable_numparse=True, colalign=align),
            "",
            f"machine: {rates} GFLOP/s of products, {copy_bandwidth(device) / 1e9:.0f} GB/s of copies ({torch.get_num_threads()} threads).",
            "Limit: the step's matrix products alone, at the rate of a square fp32 product of 2,048 on this machine.",
        ]
    )
