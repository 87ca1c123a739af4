"""Contestants in turns on one machine, and the tables: medians, spreads, ratios, and how near to the machine's limit."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from tabulate import tabulate
from tqdm import tqdm

from benchmark.config import known
from benchmark.nn.switches import NAMES
from benchmark.speed.contestants import Contestant, Ours, Peer, step_flops
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
        contestants: list[Contestant] = [Ours("this suite", sized, device)]
        try:
            for name, script in SCRIPTS.items():
                if work.backbone in HAVE[name]:
                    contestants += [Peer(name, python, script, sized, mode) for mode in ("epoch", "steps")]
            timed = race(contestants, sized, rounds)
        finally:
            for contestant in contestants:
                contestant.close()
        rows += _rows(sized, timed, device)
    own = "own loader: a library's whole training pass; steps only: its step on batches made beforehand. Ours is always the whole pass."
    table = _table(rows, "this suite /\ncontestant", device)
    return f"{table}\n{own}"


def step(works: Sequence[Work], device: torch.device, rounds: int, switches: Sequence[str] = NAMES) -> str:
    """This suite's training as it is, and with each optimisation switched off."""
    rows: list[list[str]] = []
    for work in works:
        contestants = [Ours("as it is", work, device), *(Ours(f"without {name}", work, device, name) for name in switches)]
        rows += _rows(work, race(contestants, work, rounds), device)
    return _table(rows, "as it is /\nvariant", device)


def _rows(work: Work, timed: Sequence[Timed], device: torch.device) -> list[list[str]]:
    torch.set_num_threads(work.threads)
    limit = product_rate(device) / step_flops(work)  # samples/s if the products were all, at the machine's rate
    found = []
    for one in timed:
        middle, low, high = ratio(timed[0], one)
        found.append(
            [
                f"{work.method} · {work.backbone}",
                str(work.scale * work.dimension),
                one.name,
                f"{one.median:,.0f}",
                f"{min(one.speeds):,.0f} … {max(one.speeds):,.0f}",
                f"{middle:.2f} ({low:.2f} … {high:.2f})",
                f"{one.median / limit:.0%}",
            ]
        )
    return found


def _table(rows: Sequence[Sequence[str]], compared: str, device: torch.device) -> str:
    headers = ["model", "width", "contestant", "samples/s\nmedian", "smallest …\nlargest", compared, "of the\nlimit"]
    table = tabulate(rows, headers=headers, disable_numparse=True, colalign=("left", "right", "left", "right", "right", "right", "right"))
    machine = f"machine: {product_rate(device) / 1e9:.0f} GFLOP/s in fp32 products, {copy_bandwidth(device) / 1e9:.0f} GB/s in copies"
    return "\n".join(
        [
            table,
            "",
            f"{machine} ({torch.get_num_threads()} threads).",
            "Limit: the step's matrix products alone, at the rate of a square product of 2,048 on this machine.",
        ]
    )
