"""How the cost of training grows: one size at a time, for single embedding, multi-embedding and RoBlock."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from tabulate import tabulate

from benchmark.errors import Incompatible
from benchmark.speed.compare import race
from benchmark.speed.contestants import Ours
from benchmark.speed.workload import Workload

METHODS = ("single_embedding", "multi_embedding", "roblock")
MARKS: Mapping[str, tuple[str, str]] = MappingProxyType(  # black is the control's, as on the boards' figures
    {"single_embedding": ("#000000", "o"), "multi_embedding": ("#0072B2", "s"), "roblock": ("#D55E00", "^")}
)


@dataclass(frozen=True)
class Axis:
    """One size that is varied while the others stay: its name, and the workload for each value."""

    name: str
    workloads: Mapping[int, Workload]
    methods: tuple[str, ...] = METHODS


@dataclass(frozen=True)
class Point:
    """The median time of a sample in microseconds, and the smallest and largest turn's."""

    median: float
    smallest: float
    largest: float


def axes(base: Workload) -> list[Axis]:
    """The study around ``base``. Sets: the same width of 8 base dimensions in ever more sets, so the single embedding has no part."""

    def vary(name: str, values: Sequence[int]) -> Mapping[int, Workload]:
        return {value: replace(base, **{name: value}) for value in values}  # type: ignore[arg-type]

    by_depth = {depth: replace(base, options={**base.options, "depth": depth}) for depth in (1, 2, 4, 8)}
    tables = {}
    for factor in (1, 10, 100):
        bigger = replace(base, cardinalities=tuple(size * factor for size in base.cardinalities))
        tables[bigger.schema.values] = bigger
    sets = {count: replace(base, scale=8, sets=count) for count in (1, 2, 4, 8)}
    rows = {base.rows * factor: replace(base, batches=base.batches * factor) for factor in (1, 2, 4)}
    # As many samples a turn for every batch size.
    batches = {batch: replace(base, batch=batch, batches=max(1, base.rows // batch)) for batch in (1024, 2048, 4096, 8192)}
    return [
        Axis("scale", vary("scale", (1, 2, 4, 7, 10))),
        Axis("depth", by_depth),
        Axis("batch size", batches),
        Axis("table rows", tables),
        Axis("training rows", rows),
        Axis("sets", sets, METHODS[1:]),
    ]


def study(chosen: Sequence[Axis], device: torch.device, rounds: int, figure: Path) -> str:
    """Measure, draw ``figure`` (a PNG) and return the table. Within an axis's value the methods take turns."""
    found: dict[str, dict[str, dict[int, Point]]] = {}
    lines = []
    for axis in chosen:
        measured = {value: _measure(axis, value, device, rounds) for value in axis.workloads}
        found[axis.name] = {m: {value: points[m] for value, points in measured.items() if m in points} for m in axis.methods}
        for value, points in measured.items():
            lines.append([axis.name, f"{value:,}", *(_cell(points, m) for m in METHODS), *(_times(points, m) for m in METHODS[1:])])
    figure.parent.mkdir(parents=True, exist_ok=True)
    base = next(iter(chosen[0].workloads.values()))
    draw(found, f"{base.backbone}, {torch.get_num_threads()} threads, {device.type}, {base.precision}").savefig(figure)
    headers = ["varied", "value", *(f"{m}\nµs a sample" for m in METHODS), *(f"{m} /\nsingle" for m in METHODS[1:])]
    return tabulate(lines, headers=headers, disable_numparse=True, colalign=("left", *["right"] * 6))


def _measure(axis: Axis, value: int, device: torch.device, rounds: int) -> dict[str, Point]:
    workload = axis.workloads[value]
    contestants = []
    for method in axis.methods:
        try:
            contestants.append(Ours(method, replace(workload, method=method), device))
        except Incompatible:  # a width that the backbone does not divide into: a dash in the table
            continue
    points = {}
    for timed in race(contestants, workload, rounds):
        times = sorted(1e6 / speed for speed in timed.speeds)
        points[timed.name] = Point(statistics.median(times), times[0], times[-1])
    return points


def _cell(points: Mapping[str, Point], method: str) -> str:
    if method not in points:
        return "-"
    point = points[method]
    return f"{point.median:.1f} ({point.smallest:.1f} … {point.largest:.1f})"


def _times(points: Mapping[str, Point], method: str) -> str:
    control = METHODS[0]
    return f"{points[method].median / points[control].median:.2f}" if method in points and control in points else "-"


def draw(found: Mapping[str, Mapping[str, Mapping[int, Point]]], title: str) -> Figure:
    """A panel an axis, both scales logarithmic: a line of slope 1 is a cost in proportion."""
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.8 * rows + 0.5), dpi=150, layout=ConstrainedLayoutEngine())
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    for panel, (name, by_method) in zip(panels, found.items(), strict=False):
        ticks = sorted({value for points in by_method.values() for value in points})
        for method, points in by_method.items():
            values = sorted(points)
            middles = [points[v].median for v in values]
            spread = (
                [points[v].median - points[v].smallest for v in values],
                [points[v].largest - points[v].median for v in values],
            )
            colour, mark = MARKS[method]
            panel.errorbar(values, middles, spread, color=colour, marker=mark, markersize=4, capsize=2, linewidth=1.2, label=method)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=7)
        panel.minorticks_off()
        low, high = panel.get_ylim()
        steps = [m * 10.0**e for e in range(-2, 7) for m in (1, 1.5, 2, 3, 5, 7) if low <= m * 10.0**e <= high]
        panel.set_yticks(steps, [f"{s:g}" for s in steps], fontsize=7)
        panel.set_xlabel(name, fontsize=8)
        panel.set_ylabel("µs a sample", fontsize=8)
        panel.grid(color="#dddddd", linewidth=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    figure.suptitle(f"Training time a sample: {title}", fontsize=10)
    return figure
