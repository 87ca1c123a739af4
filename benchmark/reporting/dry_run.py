"""The plan before a run, as text: what would be trained, for how long, and how that was estimated."""

from __future__ import annotations

from tabulate import tabulate

from benchmark.records import REPLACED
from benchmark.reporting.text import counted
from benchmark.search.estimate import Estimate
from benchmark.search.memory_limit import OPTION
from benchmark.search.progress import to_come
from benchmark.search.renewal import RENEWED


def dry_run(name: str, found: Estimate, slots: int, until: bool, gigabytes: float | None = None) -> str:
    """``slots``: trainings at a time. ``until``: seeds where verdicts are open, of which the first looks alone are known. ``gigabytes``:
    what a training may take of the memory that it trains in.
    """
    cells = sum(line.cells for line in found.lines)
    tune, final, recorded = (sum(getattr(line, stage) for line in found.lines) for stage in ("tune", "final", "recorded"))
    table = [
        [
            line.dataset,
            line.backbone,
            f"{line.cells:,}",
            f"{line.tune:,}",
            f"{line.final:,}",
            f"{line.recorded:,}",
            "-" if line.seconds is None else _hours(line.seconds),
        ]
        for line in found.lines
    ]
    headers = ["data set", "backbone", "cells", "tuning", "final", "recorded", "time"]
    at_least = "at least " if until or any(line.seconds is None for line in found.lines) else ""
    total = f"{at_least}{_hours(found.seconds)} one after another, {_hours(found.seconds / slots)} with {slots} at a time"
    lines = [
        to_come(name, cells, tune, final, recorded),
        *([f"{found.renewed:,} record(s) of other code would be moved into {REPLACED}; {RENEWED}"] if found.renewed else []),
        *found.reused,
        *([found.kept] if found.kept else []),
        *([f"cells with the model of another, byte for byte, which have its trainings: {found.given:,}"] if found.given else []),
        "",
        tabulate(table, headers=headers, colalign=["left"] * 2 + ["right"] * 5, disable_numparse=True),
        "",
        *(f"{data}: {', '.join(f'{part} {count:,}' for part, count in rows.items())} rows" for data, rows in found.rows.items()),
        f"time: {total}" if found.left else "time: none, everything is recorded",
        f"disk: {found.bytes / 1e6:,.1f} MB of records",
        *_memory(found, slots, gigabytes),
        *_how(found),
    ]
    return "\n".join(lines)


def _memory(found: Estimate, slots: int, gigabytes: float | None) -> list[str]:
    largest = found.memory
    if largest is None:
        return []
    said = f"memory: {largest.cell}, the largest that was looked at: {largest.words}"
    if gigabytes is not None and largest.needed > gigabytes * 1e9:
        return [f"{said}; a trial may take {gigabytes:.3g} GB ({OPTION}): it cannot be trained"]
    if largest.free is None:
        return [said]
    room = f"{largest.free / 1e9:.2f} GB are free here now"
    if largest.needed > largest.free:
        return [f"{said}; {room}: it cannot be trained"]
    return [f"{said}; {room}" + (f": not enough for {slots} at a time" if slots * largest.needed > largest.free else "")]


def _how(found: Estimate) -> list[str]:
    factor, behind = found.correction
    cells = sum(line.cells for line in found.lines)
    lines = [
        f"How: training steps of small batches, timed now, of {found.timed:,} of {counted(cells, 'cell')}, spread over data sets,"
        " backbones and methods at the smallest and the largest scale. The others count as what these show of each of the four."
        " Spectra are not counted."
    ]
    for name, (epochs, told) in found.epochs.items():
        source = told if isinstance(told, str) else f"the mean of {counted(told, 'record')}"
        lines.append(f"Epochs of {name}: {epochs:.1f}, {source}.")
    if behind:
        lines.append(
            f"Cells with recorded trainings count by those; what was timed is taken {factor:.2f} times, as {behind:,} of them say."
        )
    if found.elsewhere:
        are, they = ("is", "it says") if found.elsewhere == 1 else ("are", "they say")
        others = counted(found.elsewhere, "recorded training")
        lines.append(f"{others} {are} of another device or processor: of the time here {they} nothing.")
    lines.append("Cells whose method does not fit the backbone are found when the run starts; until then they count as the others do.")
    return lines


def _hours(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.0f} h"
