"""What MLflow's page says in words of a cell and of an experiment, in Markdown. Imports no mlflow."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from statistics import fmean

from benchmark.config import NO_BACKBONE, Cell, halving
from benchmark.reporting.board import View
from benchmark.reporting.group import Group
from benchmark.reporting.leaderboard import Row, render
from benchmark.tracking.figures import CELL
from benchmark.tracking.view import BOARD
from benchmark.values import to_dict

LONGEST_VALUE = 5000  # characters of a tag, a parameter or a description
CODE = 76  # characters of a line of a command
NO_BOARD = "No cell of this data set is tested."
SHOWN = 25  # rows of the board in an experiment's description


def cell_note(row: Row, group: Group, beside: bool) -> str:
    """Markdown: what the board says of the cell, and how to repeat it."""
    finished = [auc for auc in group.metric("test/auc").values()]
    stopped = f", stopped early by {halving(group.cell.rungs)}" if group.cell.rungs else ""
    lines = [f"**{shape(group.cell)}** on {group.label}, {len(finished)} seed(s), {group.budget} tuning trial(s){stopped}", ""]
    lines += [
        f"Figures: {CELL}, under Artifacts" + (f", and [on the board]({BOARD}#{group.cell.key}) of `ui`" if beside else ""),
        "",
    ]
    if finished:
        sd = "" if row.test_auc_sd is None else f" ± {row.test_auc_sd:.5f}"
        lines.append(f"- test AUC {fmean(finished):.5f}{sd}")
    if row.delta_auc is not None:
        interval = "" if row.delta_auc_low is None else f", 95 % interval {row.delta_auc_low:+z.5f} to {row.delta_auc_high:+z.5f}"
        lines.append(f"- Δ to single embedding {row.delta_auc:+z.5f}{interval}")
    lines += [f"- {group.status}: {row.reason}"] if row.reason else []
    lines += [f"- note: {note}" for note in row.notes]
    lines += [f"- settings away from the defaults: {row.overrides}"] if row.overrides else []
    if group.cell.dataset_options:
        lines += ["", "To repeat it, the suite file that has the settings above; the trials are in record.json of the runs below."]
    else:
        # Folded: the page of a run becomes as wide as the longest line of code in it, and its numbers leave the screen.
        folded = textwrap.wrap(repeat(group), CODE, break_long_words=False, break_on_hyphens=False, subsequent_indent="  ")
        lines += ["", "To repeat it:", "", " \\\n".join(f"    {line}" for line in folded)]
    return "\n".join(lines)[:LONGEST_VALUE]


def repeat(group: Group) -> str:
    """The command that trains the first seed of the cell again."""
    cell, trial = group.cell, group.records[0].trial
    shape = [] if cell.backbone == NO_BACKBONE else [f"--backbone {cell.backbone} --depth {cell.depth} --scale {cell.scale}"]
    parts = {"": to_dict(trial.training), "method.": trial.method, "backbone.": trial.backbone if shape else {}}
    flags = [
        f"--{prefix}{key if prefix else key.replace('_', '-')} {_flag(value)}"
        for prefix, settings in parts.items()
        for key, value in settings.items()
        if value is not None and (prefix, key) != ("backbone.", "depth")
    ]
    named = [f"--dataset {cell.dataset} --method {cell.method}", *shape, f"--dimension {cell.dimension} --seed {trial.seed}"]
    return " ".join(["python -m benchmark train", *named, *flags])


def experiment_note(rows: Sequence[Row], beside: bool) -> str:
    """Markdown: the head of the board, and what must be said about it."""
    head = f"[The board with figures]({BOARD}), where `ui` serves this page.\n\n" if beside else ""
    return (head + render(rows, "markdown", View(first=SHOWN)))[: 3 * LONGEST_VALUE]


def _flag(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value).lower() if isinstance(value, bool) else str(value)


def shape(cell: Cell) -> str:
    return cell.method if cell.backbone == NO_BACKBONE else f"{cell.method} {cell.backbone} {cell.scale}x depth {cell.depth}"
